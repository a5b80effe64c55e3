"""Which opportunities are valid (有効商談): judged when field sales takes an SQL, or after the first meeting.

The company chooses (setting `valid_opportunity`); both shares stand beside the chosen one with their fractions
(metrics.md A4).
"""

from services.kpi.domain.decisions import VALID_OPPORTUNITY
from services.kpi.metrics.figures import CLOSED, Figures, Metric, nothing, ratio
from services.kpi.metrics.passes import FROM_SQL, RETURNED, divided, quotient
from services.kpi.metrics.promises import REVIEWED
from services.kpi.metrics.question import View, cell_of
from services.kpi.metrics.records import Source
from services.kpi.metrics.telling import told
from services.kpi.metrics.voices import plain

ACCEPTANCE, FIRST_MEETING = "acceptance", "first_meeting"
_BY_ACCEPTANCE = (FROM_SQL, (FROM_SQL, RETURNED))


def judged_at(view: View) -> str:
    """`acceptance` or `first_meeting`, as it holds when the span begins."""
    found: str | None = view.decisions.setting(VALID_OPPORTUNITY, view.question.whole.start)
    return found or ACCEPTANCE


def _verdicts(view: View) -> str:
    """Opportunities judged after a meeting in the span; of several verdicts the last holds. As SQL."""
    valid = "(f.data ->> 'valid')::boolean AS valid, f.data ->> 'reason' AS why"
    return f"""
        SELECT DISTINCT ON (opportunity_id) * FROM ({told(view, valid)}) AS v
        ORDER BY opportunity_id, occurred_at DESC, recorded_at DESC, sequence DESC
    """


async def _by_meeting(view: View) -> Figures:
    query = f"""
        SELECT {view.shown}, count(*) FILTER (WHERE valid) AS valid, count(*) AS judged
        FROM ({_verdicts(view)}) AS v {view.cells()}
    """
    rows = await view.rows(query, {"kinds": [REVIEWED], "starts": view.starts})
    return {cell_of(row): ratio(row.valid, row.judged) for row in rows}


async def valid(view: View) -> Figures:
    both = {ACCEPTANCE: await quotient(*_BY_ACCEPTANCE)(view), FIRST_MEETING: await _by_meeting(view)}
    chosen, none = judged_at(view), ratio(0, 0)
    return {
        cell: both[chosen]
        .get(cell, none)
        .model_copy(
            update={
                "more": {
                    "judged_at": chosen,
                    **{name: plain(figures.get(cell, none)) for name, figures in both.items()},
                }
            }
        )
        for cell in {cell for figures in both.values() for cell in figures}
    }


def _records(view: View) -> Source:
    if judged_at(view) == ACCEPTANCE:
        return divided(*_BY_ACCEPTANCE)(view)
    query = f"""
        SELECT occurred_at AS at, event_id::text AS key, 'first_visit_reviewed' AS kind, valid AS numerator,
               true AS denominator, lead_id, cycle, opportunity_id, account_id, slice,
               jsonb_build_object('reason', why) AS figures
        FROM ({_verdicts(view)}) AS v
    """
    return Source(query, {"kinds": [REVIEWED], "starts": view.starts})


METRICS = (
    Metric(
        "valid_opp",
        "有効商談率(自社の判定基準)",
        "Valid opportunities",
        "ratio",
        "taken ÷ (taken + returned), or valid ÷ judged after the first meeting, as the company decided",
        valid,
        nothing,
        (CLOSED,),
        records=_records,
    ),
)
