"""Whether a department can do what is asked of it: required ÷ (heads x productivity x ramp), in hours and in money."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from services.kpi.domain.periods import MONTH_DAYS, Period, months

TINY = 1e-9


@dataclass(frozen=True, slots=True)
class People:
    """So many heads from a day on, until another; without days they were and stay there, fully ramped."""

    heads: float
    from_date: date | None = None
    to_date: date | None = None

    def months(self, span: Period, ramp_months: float = 0.0) -> float:
        """Head-months in the span; who joined counts in full after the ramp, and rises to that in a straight line."""
        began = self.from_date or span.start
        start, end = max(began, span.start), min(self.to_date or span.end, span.end)
        if start >= end:
            return 0.0
        ramp = ramp_months * MONTH_DAYS if self.from_date else 0.0
        days = _ramped((end - began).days, ramp) - _ramped((start - began).days, ramp)
        return self.heads * days / (span.end - span.start).days * months(span)


def _ramped(days: float, ramp: float) -> float:
    """Full days in the first so many, rising from none to all over `ramp` of them."""
    return days * days / (2 * ramp) if days < ramp else days - ramp / 2


@dataclass(frozen=True, slots=True)
class Team:
    """What a department has. A case is one of what its stage's goal counts; of customer success a customer a month.

    `productivity` is cases a month of a ramped head, `hours` are (those of a head a month, those of a case), `budget`
    is (what there is for the period, what a case costs); None where nobody told.
    """

    department: str
    people: Sequence[People]
    ramp_months: float = 0.0
    productivity: float | None = None
    hours: tuple[float, float] | None = None
    budget: tuple[float, float] | None = None

    def head_months(self, span: Period) -> float:
        return sum(group.months(span) for group in self.people)

    def ramped(self, span: Period) -> float:
        return sum(group.months(span, self.ramp_months) for group in self.people)

    def loads(self, cases: float, span: Period) -> dict[str, "Load"]:
        """Of people, hours and budget, as far as they were told."""
        there, found = self.ramped(span), {}
        if self.productivity is not None:
            found["people"] = Load(cases, there * self.productivity)
        if self.hours is not None:
            found["hours"] = Load(cases * self.hours[1], there * self.hours[0])
        if self.budget is not None:
            found["budget"] = Load(cases * self.budget[1], self.budget[0])
        return found

    def limit(self, span: Period) -> float | None:
        """The most cases it can do; None where nothing limits it."""
        of_one = self.loads(1.0, span).values()
        return min((load.available / load.required for load in of_one), default=None)


@dataclass(frozen=True, slots=True)
class Load:
    """Heads' cases, hours or money: how much is needed, and how much there is."""

    required: float
    available: float

    @property
    def utilisation(self) -> float | None:
        """None where there is nothing."""
        return self.required / self.available if self.available > TINY else None

    @property
    def feasible(self) -> bool:
        return self.required <= self.available * (1 + TINY)
