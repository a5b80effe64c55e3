"""Why a product of rates came out lower than planned, in parts that add up; and what it takes to reach a goal.

Logarithmic mean Divisia index (Ang 2004; zeros: Wood and Lenzen 2006): contribution of a factor = L(actual, plan) x
ln(factor / planned factor), L being the logarithmic mean. The parts add up to the gap exactly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, exp, isclose, log, prod, sqrt

TINY = 1e-9
Z_PRODUCT = 1.96  # as the book rounds it here; the intervals of one share take 1.959964


def logarithmic_mean(one: float, other: float) -> float:
    """(a - b) / (ln a - ln b), and a where both are the same."""
    return one if isclose(one, other, rel_tol=1e-12) else (one - other) / (log(one) - log(other))


@dataclass(frozen=True)
class Gap:
    """`parts` add up to actual - planned. `blocked`: the first factor that is zero; then there are no parts."""

    actual: float
    planned: float
    parts: Mapping[str, float]
    blocked: str | None = None

    @property
    def total(self) -> float:
        return self.actual - self.planned


def decompose(actual: Mapping[str, float], planned: Mapping[str, float]) -> Gap:
    """By factor, in the order of the chain. Both have the same factors."""
    one, other = prod(actual.values()), prod(planned.values())
    blocked = next((name for name in planned if actual[name] <= 0 or planned[name] <= 0), None)
    if blocked is not None:
        return Gap(one, other, {}, blocked)
    mean = logarithmic_mean(one, other)
    return Gap(one, other, {name: mean * log(actual[name] / planned[name]) for name in planned})


def worst_first(gap: Gap) -> list[str]:
    """Factors that cost, the dearest first; of equals the one further up the chain."""
    places = {name: place for place, name in enumerate(gap.parts)}
    costing = [name for name, part in gap.parts.items() if part < 0]
    return sorted(costing, key=lambda name: (round(gap.parts[name], 9), places[name]))


def probability_below(successes: float, trials: float, target: float) -> float:
    """That the true rate lies below `target`: Beta(1 + k, 1 + n - k), a flat prior."""
    from scipy.special import betainc  # a third of a second, and only this needs it

    return float(betainc(1 + successes, 1 + max(trials - successes, 0), min(max(target, 0.0), 1.0)))


def backwards(goal: float, rates: Mapping[str, float]) -> dict[str, float]:
    """What each step needs so that `goal` comes out at the end, last step first; in reals, never rounded between.

    `rates` in the order of the chain: each by the name of what it is a rate of.
    """
    needed, found = goal, dict[str, float]()
    for name, rate in reversed(list(rates.items())):
        needed = needed / rate
        found[name] = needed
    return found


def shown(needed: float) -> int:
    """Whole things to show; what is whole but for the last bit stays as it is."""
    return round(needed) if isclose(needed, round(needed), rel_tol=TINY) else ceil(needed)


def product_interval(rates: Mapping[str, tuple[int, int]]) -> tuple[float, float] | None:
    """95 % of a product of independent rates k / n, by the delta method on its logarithm: Var = Σ (1 - p) / (n p)."""
    if any(successes <= 0 or trials <= 0 for successes, trials in rates.values()):
        return None
    centre = prod(successes / trials for successes, trials in rates.values())
    variance = sum((1 - successes / trials) / successes for successes, trials in rates.values())
    width = Z_PRODUCT * sqrt(max(variance, 0.0))
    return centre * exp(-width), min(1.0, centre * exp(width))
