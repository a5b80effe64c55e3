"""Whether two figures differ: of two spans, or of two slices of one."""

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request

from services.kpi.api.questions import Day, MetricAsked, Value, viewing
from services.kpi.api.records import found_metric, question_of
from services.kpi.domain.periods import Period
from services.kpi.metrics.bottleneck.references import before, smallest
from services.kpi.metrics.figures import Metric
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.question import ALL, Cell, View
from services.kpi.metrics.rates import Counted, rate
from services.kpi.metrics.statistics import newcombe
from services.kpi.schemas.differences import DifferenceOut
from shared.errors import Invalid
from shared.http.door import Door

router = APIRouter(prefix="/v1", tags=["figures"], route_class=Door)
HIGHER, LOWER, INCONCLUSIVE, TOO_FEW = "higher", "lower", "inconclusive", "too_few"


class DifferenceAsked(MetricAsked):
    """Two slices: `by`, `value` and `other`. Two spans: `other_from` and `other_to`, or by default the span before, up
    to the same elapsed point. Two kinds of cycles (`cycles` and `other_cycles`): did what came again do as well?"""

    value: Value | None = None
    other: Value | None = None
    other_from: Day | None = None
    other_to: Day | None = None
    other_cycles: Literal["first", "recycled"] | None = None

    def slices(self) -> tuple[Cell, Cell] | None:
        """Raises Invalid where it is not said which two."""
        if self.by is None and self.value is None and self.other is None:
            return None
        for name in ("by", "value", "other"):
            if getattr(self, name) is None:
                raise Invalid(name, "is needed to compare two slices: by, value and other")
        if self.other_from or self.other_to or self.other_cycles:
            name = "other_cycles" if self.other_cycles else "other_from"
            raise Invalid(name, "two slices are compared in one span, of the same cycles")
        return Cell(None, self.value), Cell(None, self.other)

    def span(self) -> Period | None:
        """Raises Invalid where it has no beginning or no end."""
        if self.other_from is None and self.other_to is None:
            return None
        if self.other_from is None or self.other_to is None or self.other_from >= self.other_to:
            raise Invalid("other_to", "lies after other_from: it is the first day no longer counted")
        return Period(self.other_from, self.other_to)


@router.get("/metrics/{metric_id}/difference")
async def get_difference(request: Request, metric_id: str, asked: Annotated[DifferenceAsked, Query()]) -> DifferenceOut:
    """A rate of two spans or two slices, with the interval of their difference."""
    metric, runtime = found_metric(metric_id), request.app.state.runtime
    slices, span = asked.slices(), asked.span()
    if metric.unit != "ratio":
        raise Invalid("metric_id", "is a rate of GET /v1/metrics: one whose unit is ratio")
    async with viewing(runtime, replace(question_of(runtime, metric, asked), interval=None)) as view:
        if slices:
            figure, other = await _counts(metric, view, *slices)
        else:
            (figure,) = await _counts(metric, view, ALL)
            (other,) = await _counts(metric, _other(view, span, asked.other_cycles), ALL)
        return _difference(metric, view, figure, other)


def _other(view: View, span: Period | None, cycles: str | None) -> View:
    """Of other cycles in the same span, unless another is said; else of the span before."""
    if cycles:
        view = view.with_question(filters={**view.question.filters, "cycles": cycles})
    if span:
        return view.with_question(whole=span)
    return view if cycles else before(view)


async def _counts(metric: Metric, view: View, *cells: Cell) -> list[Counted]:
    """Raises Invalid where the metric divides no counts."""
    found, counts = await metric.compute(view), []
    for cell in cells:
        figure = found.get(cell, metric.empty(view))
        if isinstance(figure.numerator, int) and isinstance(figure.denominator, int):
            counts.append(Counted(figure.numerator, figure.denominator))
        elif figure.value is None:
            counts.append(Counted(0, 0))
        else:
            raise Invalid("metric_id", "divides counts: of money and times no interval is known")
    return counts


def _difference(metric: Metric, view: View, figure: Counted, other: Counted) -> DifferenceOut:
    ci95 = newcombe(other, figure)
    divided = figure.trials and other.trials
    return DifferenceOut(
        metric=metric.id,
        **basis(view),
        figure=rate(*figure),
        other=rate(*other),
        difference=figure.successes / figure.trials - other.successes / other.trials if divided else None,
        ci95=ci95,
        verdict=_verdict(ci95, min(figure.trials, other.trials) >= smallest(view)),
    )


def _verdict(ci95: tuple[float, float] | None, enough: bool) -> str:
    if ci95 is None or not enough:
        return TOO_FEW
    if ci95[0] > 0:
        return HIGHER
    return LOWER if ci95[1] < 0 else INCONCLUSIVE
