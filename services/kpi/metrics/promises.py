"""What was said and what was found: inside sales' note against the first visit, promises against what came of them
(metrics.md F6 and F7). Never a ranking of persons.
"""

from services.kpi.metrics.entries import entered
from services.kpi.metrics.figures import CLOSED, COHORT, Figures, Metric, nothing, ratio
from services.kpi.metrics.question import View, cell_of
from services.kpi.metrics.records import Records, Source, shown
from services.kpi.metrics.statistics import wilson
from services.kpi.metrics.telling import told
from services.kpi.schemas.figures import Figure

REVIEWED, PROMISE = "field_sales.first_visit_reviewed.v1", "customer_success.promise_reviewed.v1"


_FIELDS = """jsonb_array_length(f.data -> 'compared') AS compared,
    jsonb_array_length(f.data -> 'differing') AS differing,
    coalesce(jsonb_array_length(f.data -> 'optimistic'), 0) AS optimistic"""
_KEPT = "CASE f.data ->> 'kept' WHEN 'yes' THEN 1.0 WHEN 'partly' THEN 0.5 ELSE 0.0 END AS kept"


async def comment_gap(view: View) -> Figures:
    """Fields where inside sales' note and the first visit differ, of those both filled."""
    query = f"""
        SELECT {view.shown}, coalesce(sum(compared), 0)::int AS compared, coalesce(sum(differing), 0)::int AS differing,
               coalesce(sum(optimistic), 0)::int AS optimistic, count(*) AS reviews
        FROM ({told(view, _FIELDS)}) AS r {view.cells()}
    """
    found = {}
    for row in await view.rows(query, {"kinds": [REVIEWED], "starts": view.starts}):
        share = row.optimistic / row.differing if row.differing else None
        more = {"reviews": row.reviews, "optimistic_share": share}
        found[cell_of(row)] = ratio(row.differing, row.compared).model_copy(update={"more": more})
    return found


def _opened(view: View) -> str:
    """Opportunities opened in the span, and whether their first visit was reviewed. As SQL."""
    reviewed = f"""
        , EXISTS (SELECT FROM {view.facts} AS r WHERE r.type = '{REVIEWED}' AND r.opportunity_id = p.opportunity_id)
        AS reviewed
    """
    return entered(view, reviewed)


async def review_coverage(view: View) -> Figures:
    query = f"""
        SELECT {view.shown}, count(*) FILTER (WHERE reviewed) AS reviewed, count(*) AS opened
        FROM ({_opened(view)}) AS o {view.cells()}
    """
    rows = await view.rows(query, {"milestones": ["opportunity"], "starts": view.starts})
    return {cell_of(row): ratio(row.reviewed, row.opened) for row in rows}


async def expectation_fit(view: View) -> Figures:
    """Promises kept of those reviewed in the span; one partly kept is half a one."""
    query = f"""
        SELECT {view.shown}, coalesce(sum(kept), 0)::float8 AS kept, count(*) AS made,
               count(*) FILTER (WHERE kept = 0.5) AS partly
        FROM ({told(view, _KEPT)}) AS r {view.cells()}
    """
    found = {}
    for row in await view.rows(query, {"kinds": [PROMISE], "starts": view.starts}):
        whole = float(row.kept).is_integer()
        figure = (
            ratio(int(row.kept), row.made)
            if whole
            else Figure(value=row.kept / row.made, ci95=wilson(row.kept, row.made))
        )
        sides = {"numerator": int(row.kept) if whole else row.kept, "denominator": row.made}
        found[cell_of(row)] = figure.model_copy(update={**sides, "more": {"partly": row.partly}})
    return found


def _told_records(kind: str, columns: str, figures: str, numerator: str) -> Records:
    def source(view: View) -> Source:
        query = f"""
            SELECT occurred_at AS at, event_id::text AS key, '{kind.split(".")[1]}' AS kind, {numerator} AS numerator,
                   true AS denominator, lead_id, cycle, opportunity_id, account_id, slice,
                   jsonb_build_object({figures}) AS figures
            FROM ({told(view, columns)}) AS r
        """
        return Source(query, {"kinds": [kind], "starts": view.starts})

    return source


def _coverage_records(view: View) -> Source:
    query = f"SELECT {shown(numerator='reviewed', denominator='true')} FROM ({_opened(view)}) AS o"
    return Source(query, {"milestones": ["opportunity"], "starts": view.starts})


METRICS = (
    Metric(
        "note_gap",
        "コメント乖離率",
        "Comment gap",
        "ratio",
        "fields that differ ÷ fields that both the note and the first visit filled",
        comment_gap,
        nothing,
        (CLOSED,),
        records=_told_records(REVIEWED, _FIELDS, "'compared', compared, 'differing', differing", "differing > 0"),
    ),
    Metric(
        "note_coverage",
        "初回商談の照合率",
        "First visits reviewed",
        "ratio",
        "opportunities with a reviewed first visit ÷ opportunities opened in the span",
        review_coverage,
        nothing,
        (COHORT,),
        records=_coverage_records,
    ),
    Metric(
        "expectation_fit",
        "期待値一致度",
        "Expectation fit",
        "ratio",
        "promises kept (partly: half) ÷ promises reviewed in the span",
        expectation_fit,
        nothing,
        (CLOSED,),
        records=_told_records(PROMISE, _KEPT, "'kept', kept", "kept > 0"),
    ),
)
