"""What a metric of the catalogue is made of, and small makers of figures."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from services.kpi.domain.decisions import SMALLEST_SAMPLE
from services.kpi.metrics.exchange import NO_PLAN_RATE, money
from services.kpi.metrics.question import Cell, View
from services.kpi.metrics.rates import NO_BASE, rate
from services.kpi.metrics.records import Records
from services.kpi.schemas.figures import Figure

Figures = Mapping[Cell, Figure]
Compute = Callable[[View], Awaitable[Figures]]
FLOW, COHORT, CLOSED, STOCK = "flow", "cohort", "closed", "stock"
DEFAULT_SAMPLE = 5
HELD = "at the end of the span, or at as_of where that is earlier"


@dataclass(frozen=True)
class Metric:
    """`compute` answers the cells that have anything; `empty` is what all others are; `records` are those counted."""

    id: str
    ja: str
    en: str
    unit: str  # count, ratio, days, money, places
    formula: str
    compute: Compute
    empty: Callable[[View], Figure]
    modes: Sequence[str] = (FLOW,)
    additive: bool = False
    records: Records = field(kw_only=True)


def least_sample(view: View) -> int:
    """Below so many nothing is ranked."""
    found: int | None = view.decisions.setting(SMALLEST_SAMPLE, view.question.whole.start)
    return found or DEFAULT_SAMPLE


def count(value: int) -> Figure:
    return Figure(value=value)


def ratio(successes: int, trials: int) -> Figure:
    found = rate(successes, trials)
    return Figure(
        value=found.value,
        numerator=successes,
        denominator=trials,
        ci95=found.ci95,
        reason=found.reason,
    )


def unpriced() -> Figure:
    return Figure(value=None, reason=NO_PLAN_RATE)


def zero(_: View) -> Figure:
    return count(0)


def nothing(_: View) -> Figure:
    return ratio(0, 0)


def no_value(_: View) -> Figure:
    return Figure(value=None, reason=NO_BASE)


def no_money(view: View) -> Figure:
    return Figure(value=money(None, view))
