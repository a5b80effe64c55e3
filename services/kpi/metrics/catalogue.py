"""The metrics by their ids, and the answer of one of them."""

from collections.abc import Mapping

from services.kpi.domain.decisions import SMALLEST_SAMPLE
from services.kpi.metrics import (
    acquisition,
    appointments,
    conversion,
    deals,
    feedback,
    forecasting,
    handing,
    joint,
    obligations,
    occupancy,
    onboarding,
    passes,
    promises,
    quality,
    recurring,
    recycling,
    renewals,
    response,
    retention,
    worth,
)
from services.kpi.metrics.entries import entered
from services.kpi.metrics.figures import Metric
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.question import ALL, UNSET, Cell, View
from services.kpi.schemas.figures import Figure, FigureGroup, FigurePeriod, MetricOut, Window

DEFAULT_SAMPLE = 5
MANY, WHOSE = frozenset({"owner", "campaign"}), ("lead", "opportunity", "won")
FAMILIES = (
    *(acquisition, passes, promises, response, appointments, deals, conversion, forecasting, occupancy),
    *(onboarding, recurring, retention, renewals, worth, recycling, feedback, obligations, handing, quality, joint),
)
CATALOGUE: Mapping[str, Metric] = {metric.id: metric for family in FAMILIES for metric in family.METRICS}


async def whole(metric: Metric, view: View) -> Figure:
    """The metric's one figure for everything that was asked, in its first mode."""
    own = view.with_question(mode=metric.modes[0])
    return (await metric.compute(own)).get(ALL, metric.empty(own))


async def answer(metric: Metric, view: View, *, records: str = "") -> MetricOut:
    """The metric as a whole, by period and by value of the asked dimension; `records` is where those behind it are."""
    asked = view.question
    found = {cell: _judged(figure, view) for cell, figure in (await metric.compute(view)).items()}
    empty = _judged(metric.empty(view), view)
    values = sorted({cell.value for cell in found if cell.value is not None} | await _values(view))

    def groups(period: int | None) -> list[FigureGroup]:
        if asked.by is None:
            return []
        return [
            FigureGroup(by=asked.by, group=value, **_fields(found.get(Cell(period, value), empty))) for value in values
        ]

    return MetricOut(
        metric=metric.id,
        **basis(view),
        **_fields(found.get(ALL, empty)),
        window=Window(begin=asked.whole.start, stop=asked.whole.end, timezone=asked.zone.key, days=asked.window_days),
        currency=asked.currency,
        is_partial=not view.has_ended(asked.whole),
        elapsed=view.elapsed(asked.whole),
        records=records,
        groups=groups(None),
        periods=[
            FigurePeriod(
                begin=period.start,
                stop=period.end,
                is_partial=view.is_partial(period),
                groups=groups(place),
                **_fields(found.get(Cell(place), empty)),
            )
            for place, period in enumerate(view.periods)
        ],
    )


async def _values(view: View) -> set[str]:
    """The values of the asked dimension that anything of the span has, and (unset): where there is nothing of this
    metric, that is shown too. Owners and campaigns are too many for that."""
    if view.question.by is None or view.question.by in MANY:
        return set()
    query = f"SELECT DISTINCT slice FROM ({entered(view)}) AS e"
    rows = await view.rows(query, {"milestones": list(WHOSE), "starts": view.starts})
    return {row.slice for row in rows} | {UNSET}


def _judged(figure: Figure, view: View) -> Figure:
    """With a mark where it stands on too few."""
    least = view.decisions.setting(SMALLEST_SAMPLE, view.question.whole.start) or DEFAULT_SAMPLE
    few = isinstance(figure.denominator, int) and 0 < figure.denominator < least
    return figure.model_copy(update={"small_sample": True}) if few else figure


def _fields(figure: Figure) -> dict[str, object]:
    return {name: getattr(figure, name) for name in Figure.model_fields}
