"""The metrics by their ids, and the answer of one of them."""

from collections.abc import Mapping

from services.kpi.metrics import (
    acquisition,
    adoption,
    appointments,
    billing,
    conversion,
    coverage,
    deals,
    effort,
    feedback,
    forecasting,
    handing,
    joint,
    losses,
    obligations,
    occupancy,
    onboarding,
    passes,
    phases,
    pipeline_moves,
    promises,
    quality,
    recurring,
    recycling,
    renewals,
    response,
    retention,
    scores,
    validity,
    voices,
    worth,
)
from services.kpi.metrics.entries import entered
from services.kpi.metrics.figures import Figures, Metric, least_sample
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.question import ALL, UNSET, Cell, View
from services.kpi.schemas.figures import Figure, FigureGroup, FigurePeriod, MetricOut, Window
from shared.money import Money

MOST_UNSET = 0.05
MANY, WHOSE = frozenset({"owner", "campaign"}), ("lead", "opportunity", "won")
FAMILIES = (
    *(acquisition, passes, scores, promises, response, appointments, deals, conversion, forecasting, occupancy),
    *(onboarding, recurring, retention, renewals, worth, recycling, feedback, obligations, handing, quality, joint),
    *(billing, effort, validity, pipeline_moves, coverage, phases, losses, voices, adoption),
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

    unset = _unset(found)
    return MetricOut(
        metric=metric.id,
        **basis(view),
        **_fields(found.get(ALL, empty)),
        window=Window(begin=asked.whole.start, stop=asked.whole.end, timezone=asked.zone.key, days=asked.window_days),
        currency=asked.currency,
        is_partial=not view.has_ended(asked.whole),
        elapsed=view.elapsed(asked.whole),
        unset_share=unset,
        warnings=["unset_share"] if unset is not None and unset > MOST_UNSET else [],
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


def _unset(found: Figures) -> float | None:
    """The share of what is counted (below the line where there is one) that nobody told the dimension of."""
    groups = {cell.value: _weight(figure) for cell, figure in found.items() if cell.period is None and cell.value}
    whole = sum(groups.values())
    return groups.get(UNSET, 0.0) / whole if whole else None


def _weight(figure: Figure) -> float:
    counted = figure.value if figure.denominator is None else figure.denominator
    return abs(float(counted.amount if isinstance(counted, Money) else counted or 0))


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
    few = isinstance(figure.denominator, int) and 0 < figure.denominator < least_sample(view)
    return figure.model_copy(update={"small_sample": True}) if few else figure


def _fields(figure: Figure) -> dict[str, object]:
    return {name: getattr(figure, name) for name in Figure.model_fields}
