"""The metrics by their ids, and the answer of one of them."""

from collections.abc import Mapping

from services.kpi.metrics import acquisition, deals, occupancy, passes, recurring
from services.kpi.metrics.figures import Metric
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.question import ALL, Cell, View
from services.kpi.schemas.figures import Figure, FigureGroup, FigurePeriod, MetricOut, Window

FAMILIES = (acquisition, passes, deals, occupancy, recurring)
CATALOGUE: Mapping[str, Metric] = {metric.id: metric for family in FAMILIES for metric in family.METRICS}


async def answer(metric: Metric, view: View) -> MetricOut:
    """The metric as a whole, by period and by value of the asked dimension."""
    asked = view.question
    found = await metric.compute(view)
    empty = metric.empty(view)
    values = sorted({cell.value for cell in found if cell.value is not None})

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


def _fields(figure: Figure) -> dict[str, object]:
    return {name: getattr(figure, name) for name in Figure.model_fields}
