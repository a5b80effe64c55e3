"""How things are handed on: whether what is needed came with them, and what both sides cannot agree on (metrics.md F11
and C4). Never a ranking of persons.
"""

from collections.abc import Callable
from typing import Any

from services.kpi.metrics.entries import entered
from services.kpi.metrics.figures import COHORT, Compute, Figures, Metric, nothing, ratio
from services.kpi.metrics.question import View, cell_of
from services.kpi.metrics.records import Records, Source, shown
from services.kpi.metrics.standing import GIVEN, UPDATED
from services.kpi.models import FEEDBACK
from services.kpi.projections.facts import SQL_ACCEPTED

ITEMS = ("budget", "authority", "need", "timing", "product", "size")
"""What field sales is to be told of an SQL: the fields that are compared with the first visit."""
LACKING = ("missing_information", "insufficient_information", "invalid_contact")
"""The reasons of a rejection or return that say something was missing."""
OPEN_DAYS = 7
_HANDED, _REFUSALS = ("mql", "sql"), ("mql_rejected", "sql_returned")
_EDGES = """(VALUES ('inside_sales', 'marketing', 'mql', 'mql_rejected'), ('field_sales', 'inside_sales', 'sql',
    'sql_returned')) AS edge(sender, receiver, handed, refused)"""
"""Who may refuse what of whom; the refusal is of the same subject and cycle as what was handed on."""


def _told(view: View) -> str:
    """SQLs inside sales handed over in the span, with the items it left out. As SQL."""
    left_out = ", ".join(f"CASE WHEN coalesce(f.data ->> '{name}', '') = '' THEN '{name}' END" for name in ITEMS)
    return f"""
        SELECT e.*, array_remove(ARRAY[{left_out}], NULL) AS lacking
        FROM ({entered(view)}) AS e JOIN public.fact f ON f.event_id = e.event_id AND f.type = '{SQL_ACCEPTED}'
    """


def _of_sqls(view: View) -> dict[str, Any]:
    return {"milestones": ["sql"], "starts": view.starts}


async def completeness(view: View) -> Figures:
    """Items told of those to be told; `more` counts the SQLs, those told of in full, and what was left out."""
    lacked = ", ".join(f"count(*) FILTER (WHERE '{name}' = ANY(lacking)) AS {name}" for name in ITEMS)
    query = f"""
        SELECT {view.shown}, count(*) AS handed, coalesce(sum(cardinality(lacking)), 0)::int AS missing,
               count(*) FILTER (WHERE cardinality(lacking) = 0) AS complete, {lacked}
        FROM ({_told(view)}) AS t {view.cells()}
    """
    found = {}
    for row in await view.rows(query, _of_sqls(view)):
        whole = row.handed * len(ITEMS)
        more = {"handed": row.handed, "complete": row.complete, "lacking": {name: getattr(row, name) for name in ITEMS}}
        found[cell_of(row)] = ratio(whole - row.missing, whole).model_copy(update={"more": more})
    return found


def _told_records(view: View) -> Source:
    rows = shown("'lacking', to_jsonb(lacking)", numerator="cardinality(lacking) = 0", denominator="true")
    return Source(f"SELECT {rows} FROM ({_told(view)}) AS t", _of_sqls(view))


def _refused(view: View) -> str:
    """What was handed on in the span, and whether it came back for want of information, even for a while. As SQL."""
    return f"""
        SELECT e.*, g.subject IS NOT NULL AS found
        FROM ({entered(view)}) AS e LEFT JOIN (
            SELECT DISTINCT edge.handed, p.subject, p.subject_cycle
            FROM {{schema}}.passage p JOIN {_EDGES} ON edge.refused = p.milestone
            WHERE p.milestone = ANY(:refusals) AND p.reason = ANY(:lacking) AND p.at >= :from AND p.at <= :as_of
        ) AS g ON g.handed = e.milestone AND g.subject = e.subject AND g.subject_cycle = e.subject_cycle
    """


def _disputed(view: View) -> str:
    """What was handed on in the span, and whether both sides stand by their word: the receiver refused it and said why
    in an item, the giver declined that, and for more than some days neither moved. As SQL. Nothing is declined before
    it was handed on.
    """
    state = "u.type = ANY(:updated) AND u.data ->> 'state' = '{}'"
    return f"""
        WITH refused AS (
            SELECT u.{FEEDBACK} AS feedback_id, min(u.occurred_at) AS at FROM {view.facts} AS u
            WHERE {state.format("declined")} AND u.occurred_at >= :from GROUP BY 1
        ), declined AS (
            SELECT r.feedback_id, r.at, g.*, (
                SELECT min(u.occurred_at) FROM {view.facts} AS u
                WHERE u.{FEEDBACK} = r.feedback_id AND {state.format("closed")}
            ) AS closed_at
            FROM refused r CROSS JOIN LATERAL (
                SELECT f.data ->> 'sender' AS sender, f.data ->> 'receiver' AS receiver, f.lead_id, f.opportunity_id
                FROM {view.facts} AS f WHERE f.{FEEDBACK} = r.feedback_id AND f.type = ANY(:given)
                ORDER BY f.occurred_at LIMIT 1
            ) AS g
        ), standing AS (
            SELECT d.*, edge.handed, edge.refused FROM declined d JOIN {_EDGES} USING (sender, receiver)
            WHERE coalesce(d.closed_at, :until) > d.at + make_interval(days => :open)
        ), cases AS (
            SELECT s.feedback_id, s.handed, p.subject, p.subject_cycle, p.at
            FROM standing s JOIN {{schema}}.passage p
              ON p.lead_id = s.lead_id AND p.milestone = s.refused AND p.at <= s.at
            UNION
            SELECT s.feedback_id, s.handed, p.subject, p.subject_cycle, p.at
            FROM standing s JOIN {{schema}}.passage p
              ON p.opportunity_id = s.opportunity_id AND p.milestone = s.refused AND p.at <= s.at
        ), g AS (
            SELECT DISTINCT handed, subject, subject_cycle FROM (
                SELECT DISTINCT ON (feedback_id) * FROM cases ORDER BY feedback_id, at DESC
            ) AS latest
        )
        SELECT e.*, g.subject IS NOT NULL AS found FROM ({entered(view)}) AS e
        LEFT JOIN g ON g.handed = e.milestone AND g.subject = e.subject AND g.subject_cycle = e.subject_cycle
    """


def _of_handed(view: View) -> dict[str, Any]:
    """The parameters of both."""
    return {
        "milestones": list(_HANDED),
        "starts": view.starts,
        "lacking": list(LACKING),
        "refusals": list(_REFUSALS),
        "given": GIVEN,
        "updated": UPDATED,
        "open": OPEN_DAYS,
    }


def _share(rows: Callable[[View], str]) -> Compute:
    async def compute(view: View) -> Figures:
        query = f"""
            SELECT {view.shown}, count(*) FILTER (WHERE found) AS found, count(*) AS handed,
                   count(*) FILTER (WHERE found AND milestone = 'mql') AS mql,
                   count(*) FILTER (WHERE found AND milestone = 'sql') AS sql
            FROM ({rows(view)}) AS h {view.cells()} HAVING count(*) > 0
        """
        return {
            cell_of(row): ratio(row.found, row.handed).model_copy(update={"more": {"mql": row.mql, "sql": row.sql}})
            for row in await view.rows(query, _of_handed(view))
        }

    return compute


def _share_records(rows: Callable[[View], str]) -> Records:
    def source(view: View) -> Source:
        listed = shown("'reason', reason", numerator="found", denominator="true")
        return Source(f"SELECT {listed} FROM ({rows(view)}) AS h", _of_handed(view))

    return source


METRICS = (
    Metric(
        "handoff_complete",
        "引き継ぎ充足率",
        "Hand-off completeness",
        "ratio",
        f"items told of SQLs handed over in the span ÷ those to be told: {', '.join(ITEMS)}",
        completeness,
        nothing,
        (COHORT,),
        records=_told_records,
    ),
    Metric(
        "rework",
        "情報不足による差し戻し率",
        "Returned for want of information",
        "ratio",
        "sent back because something was missing, taken later or not ÷ MQLs and SQLs handed on in the span",
        _share(_refused),
        nothing,
        (COHORT,),
        records=_share_records(_refused),
    ),
    Metric(
        "disputes",
        "見解の相違率",
        "Disputed hand-overs",
        "ratio",
        f"sent back, the feedback about it declined, and for more than {OPEN_DAYS} days not closed ÷ MQLs and SQLs "
        "handed on in the span",
        _share(_disputed),
        nothing,
        (COHORT,),
        records=_share_records(_disputed),
    ),
)
