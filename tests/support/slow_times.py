"""Times until something happens, worked out slowly: who still waits is at risk for as long as it waited."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TypeVar

Number = TypeVar("Number", float, Fraction)


def middle(numbers: Iterable[Number]) -> Number | None:
    found = sorted(numbers)
    return (found[(len(found) - 1) // 2] + found[len(found) // 2]) / 2 if found else None


def kaplan_meier_median(times: Sequence[tuple[float, bool]]) -> float | None:
    """When half had come to it."""
    left = Fraction(1)
    for moment in sorted({time for time, happened in times if happened}):
        at_risk = sum(time >= moment for time, _ in times)
        left *= 1 - Fraction(sum(happened and time == moment for time, happened in times), at_risk)
        if left <= Fraction(1, 2):
            return moment
    return None


def aalen_johansen(times: Sequence[tuple[float, str]], within: float) -> float:
    """The share that came to its `goal` within so long, where another `end` may come first."""
    left, reached = Fraction(1), Fraction(0)
    for moment in sorted({time for time, what in times if what != "open" and time <= within}):
        at_risk = sum(time >= moment for time, _ in times)
        goals, ends = (sum(what == name and time == moment for time, what in times) for name in ("goal", "end"))
        reached += left * Fraction(goals, at_risk)
        left *= 1 - Fraction(goals + ends, at_risk)
    return float(reached)
