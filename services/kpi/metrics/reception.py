"""What the next department says of what it was handed, against what it should be (metrics.md C3)."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.kpi.domain.goals import NEXT
from services.kpi.domain.periods import Period
from services.kpi.metrics.catalogue import CATALOGUE, whole
from services.kpi.metrics.question import View
from services.kpi.metrics.statistics import newcombe
from services.kpi.schemas.figures import Figure

TARGET, EARLIER = "target", "earlier"


@dataclass(frozen=True)
class Reference:
    value: float
    source: str


@dataclass(frozen=True)
class Reception:
    """`below` only where the 95 % interval leaves no doubt; None while one of both is not known."""

    metric: str
    actual: Figure
    reference: Reference | None
    below: bool | None


async def reception(view: View, department: str, wanted: Mapping[str, Reference]) -> Reception:
    """Held against the reference wanted of the metric; without one against the span of the same length before."""
    metric = CATALOGUE[NEXT[department]]
    now = await whole(metric, view)
    if (reference := wanted.get(metric.id)) is not None:
        return Reception(metric.id, now, reference, now.ci95[1] < reference.value if now.ci95 else None)
    asked = view.question.whole
    before = await whole(metric, view.with_question(whole=Period(asked.start - (asked.end - asked.start), asked.start)))
    sides = _counts(before), _counts(now)
    interval = newcombe(sides[0], sides[1]) if sides[0] and sides[1] else None
    found = Reference(float(before.value), EARLIER) if isinstance(before.value, int | float) else None
    return Reception(metric.id, now, found, interval[1] < 0 if interval else None)


def _counts(figure: Figure) -> tuple[float, int] | None:
    over, under = figure.numerator, figure.denominator
    return (over, under) if isinstance(over, int | float) and isinstance(under, int) and under else None
