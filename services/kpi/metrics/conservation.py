"""Conservation (metrics.md G11): nothing that was told of a lead, an SQL or a deal stands without what must come first.

Each check counts how many there are and which of them are broken; a broken one is a lost event, or a fault of a fold.
Loaded histories begin where their files begin, so what they name is not held against them. What holds of each cycle and
each deal, holds of every slice by every dimension.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from services.kpi.metrics import equation
from services.kpi.metrics.equation import EXAMPLES, Kept
from services.kpi.metrics.question import View
from shared.contracts import EVENTS

_OWN = "f.source NOT LIKE '/load/%'"


@dataclass(frozen=True, slots=True)
class Check:
    id: str
    ja: str
    en: str
    find: Callable[[View], Awaitable[Kept]]


async def _broken(view: View, query: str) -> Kept:
    """`query` gives a row `name, good` for each thing a check is about."""
    counted = f"""
        SELECT count(*) AS looked_at, count(*) FILTER (WHERE NOT good) AS broken,
               (array_agg(name ORDER BY name) FILTER (WHERE NOT good))[1:{EXAMPLES}] AS examples
        FROM ({query}) AS x
    """
    (row,) = await view.rows(counted)
    return Kept(row.looked_at, row.broken, list(row.examples or ()))


def _check(id_: str, ja: str, en: str, query: str) -> Check:
    return Check(id_, ja, en, partial(_broken, query=query))


def _named(key: str, named: str, first: str) -> str:
    """Everything that events `named` are about, and whether an event `first` of it was told, as SQL."""
    return f"""
        SELECT n.key AS name, o.key IS NOT NULL AS good
        FROM (SELECT DISTINCT {key} AS key FROM {{schema}}.fact f WHERE {named} AND {_OWN} AND {key} IS NOT NULL) AS n
        LEFT JOIN (SELECT DISTINCT {key} AS key FROM {{schema}}.fact f WHERE {first}) AS o USING (key)
    """


def _types(department: str, *names: str) -> str:
    """The condition that an event is one of these; all of the department's without names."""
    found = [kind for kind in EVENTS if kind.startswith(f"{department}.")]
    wanted = [kind for kind in found if not names or kind.split(".")[1] in names]
    return "f.type IN ({})".format(", ".join(f"'{kind}'" for kind in sorted(wanted)))


_CYCLE = "f.lead_id::text || '/' || f.cycle"
_DEAL = "f.opportunity_id::text"
_VALUES = "SELECT lead_id, cycle, jsonb_hash_extended(latest, 0) AS latest FROM"  # narrow rows are joined
CHECKS = (
    _check(
        "places",
        "どの周回も、いまいる場所はちょうど一つ",
        "every cycle stands in exactly one place",
        """
        SELECT coalesce(c.key, s.key) AS name, s.places IS NOT DISTINCT FROM 1 AND c.key IS NOT NULL AS good
        FROM (SELECT DISTINCT lead_id::text || '/' || cycle AS key FROM {schema}.passage
              WHERE milestone <> 'won' AND cycle IS NOT NULL AND lead_id IS NOT NULL) AS c
        FULL JOIN (SELECT lead_id::text || '/' || cycle AS key, count(*) AS places FROM {schema}.place
                   WHERE until IS NULL GROUP BY 1) AS s USING (key)
        """,
    ),
    _check(
        "cycles",
        "インサイドセールスが扱う周回は、マーケティングが始めたもの",
        "every cycle inside sales speaks of was opened by marketing",
        _named(_CYCLE, _types("inside_sales"), _types("marketing", "lead_created", "lead_recycled")),
    ),
    _check(
        "sqls",
        "差し戻されたSQLは、引き渡されたもの",
        "every SQL sent back was handed over",
        _named(
            _DEAL,
            _types("field_sales", "sql_returned"),
            f"({_types('inside_sales', 'sql_accepted')} OR {_types('field_sales', 'sql_received')})",
        ),
    ),
    _check(
        "deals",
        "決着した商談は、開始されたもの",
        "every deal won, lost or reopened was opened",
        _named(
            _DEAL,
            _types("field_sales", "deal_won", "deal_lost", "deal_reopened"),
            _types("field_sales", "opportunity_opened"),
        ),
    ),
    _check(
        "slices",
        "どの周回も、どの切り口でも、いまいる場所と同じ値で数えられる",
        "every cycle counts in the same slices as the place it stands in",
        """
        SELECT l.lead_id::text || '/' || l.cycle AS name, l.latest = s.latest AS good
        FROM ({values} {schema}.passage WHERE milestone = 'lead' OFFSET 0) AS l
        JOIN ({values} {schema}.place WHERE until IS NULL OFFSET 0) AS s USING (lead_id, cycle)
        """.replace("{values}", _VALUES),
    ),
    _check(
        "edges",
        "引き渡しの結果は、受け入れ・差し戻し・未決のどれか一つ",
        "every hand-over is accepted, sent back or undecided, never two of them",
        """
        SELECT name, count(*) = 1 AS good FROM (
            SELECT CASE WHEN milestone IN ('mql_accepted', 'mql_rejected') THEN lead_id::text || '/' || cycle
                        ELSE opportunity_id::text END AS name,
                   CASE WHEN milestone IN ('won', 'lost') THEN 'deal' ELSE 'hand-over' END AS edge
            FROM {schema}.passage
            WHERE milestone IN ('mql_accepted', 'mql_rejected', 'sql_returned', 'opportunity', 'won', 'lost')
              AND until IS NULL AND NOT outside
        ) AS e WHERE name IS NOT NULL GROUP BY name, edge
        """,
    ),
    _check(
        "pipeline",
        "どの商談も、ファネルとパイプラインで同じに数えられる",
        "every opportunity counts in the chain as it stands in the pipeline",
        """
        SELECT coalesce(o.opportunity_id, w.opportunity_id, s.opportunity_id)::text AS name,
               s.opportunity_id IS NOT NULL AND o.at IS NOT DISTINCT FROM s.opened_at
               AND o.outside IS NOT DISTINCT FROM (s.origin <> 'sql')
               AND (w.opportunity_id IS NOT NULL) = (s.status = 'won')
               AND coalesce(o.latest, s.latest) = s.latest AS good
        FROM (SELECT * FROM {schema}.opportunity_state WHERE until IS NULL) AS s
        FULL JOIN (SELECT * FROM {schema}.passage WHERE milestone = 'opportunity') AS o USING (opportunity_id)
        FULL JOIN (SELECT opportunity_id FROM {schema}.passage WHERE milestone = 'won' AND until IS NULL) AS w
               USING (opportunity_id)
        """,
    ),
    Check(
        "chain",
        "どの切り口でも、母数 = 前のプロセスのゴール + 外からの流入 + 期首",
        "in every slice a base is the goal before it, what came from outside and the opening stock",
        equation.closes,
    ),
)


async def conservation(view: View) -> Mapping[Check, Kept]:
    """What each check finds, over everything known now; of the chain in the span asked for."""
    return {check: await check.find(view) for check in CHECKS}
