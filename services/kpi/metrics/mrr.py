"""The answer of `/v1/mrr`."""

from services.kpi.metrics.funnel import basis
from services.kpi.metrics.question import ALL, Cell, View
from services.kpi.metrics.recurring import NO_COURSE, courses, shown
from services.kpi.schemas.figures import MrrFigures, MrrGroup, MrrOut, MrrPeriod


async def mrr(view: View) -> MrrOut:
    """The whole, and each period and slice of it."""
    asked = view.question
    found = await courses(view)
    values = sorted({cell.value for cell in found if cell.value is not None})

    def fields(cell: Cell) -> dict[str, object]:
        figures = shown(found.get(cell, NO_COURSE), view)
        return {name: getattr(figures, name) for name in MrrFigures.model_fields}

    return MrrOut(
        **basis(view),
        **fields(ALL),
        basis=asked.basis,
        currency=asked.currency,
        groups=[MrrGroup(by=asked.by, value=value, **fields(Cell(None, value))) for value in values if asked.by],
        periods=[
            MrrPeriod(begin=span.start, stop=span.end, is_partial=view.is_partial(span), **fields(Cell(place)))
            for place, span in enumerate(view.periods)
        ],
    )
