"""How sure one can be that a rate lies below what it is held against.

A flat prior: the true rate of k out of n is Beta(1 + k, 1 + n - k). Several stages are looked at together, so that by
Benjamini and Hochberg (1995) at most one in ten of those called confirmed is so by chance.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from services.kpi.metrics.decomposition import probability_below

CONFIRMED, SUSPECTED, NO_EVIDENCE = "confirmed", "suspected", "none"
LIKELY, FALSE_SHARE = 0.70, 0.10
MOST_CASES = 10_000_000
GRID = (np.arange(512) + 0.5) / 512


class Evidence(NamedTuple):
    """`needed`: the probability from which this one would be confirmed, given the others."""

    level: str
    needed: float


def judged(probabilities: Mapping[str, float]) -> dict[str, Evidence]:
    """Each by its probability of lying below its reference: confirmed from 0.90 for one alone, of several the surest
    needs more; suspected from 0.70."""
    surest = sorted(probabilities, key=lambda name: -probabilities[name])
    needed = {name: 1 - FALSE_SHARE * place / len(surest) for place, name in enumerate(surest, 1)}
    passing = [place for place, name in enumerate(surest, 1) if probabilities[name] >= needed[name] - 1e-12]
    confirmed = set(surest[: max(passing, default=0)])
    return {
        name: Evidence(
            CONFIRMED if name in confirmed else SUSPECTED if chance >= LIKELY else NO_EVIDENCE,
            needed[name],
        )
        for name, chance in probabilities.items()
    }


def probability_lower(one: tuple[float, float], other: tuple[float, float]) -> float:
    """That the true rate of `one` (k, n) lies below that of `other`, which is no more certain itself."""
    from scipy.special import betainc, betaincinv  # a third of a second, and only this needs it

    (over, under), (above, below) = one, other
    thresholds = betaincinv(1 + above, 1 + max(below - above, 0), GRID)
    return float(np.mean(betainc(1 + over, 1 + max(under - over, 0), thresholds)))


def more_cases(counts: tuple[int, int], chance: Callable[[tuple[float, float]], float], needed: float) -> int | None:
    """How many more cases at the same rate would decide; None where no number of them would."""
    rate, low = counts[0] / counts[1], counts[1]

    def decides(cases: int) -> bool:
        return chance((rate * cases, cases)) >= needed

    high = low
    while not decides(high):
        if high >= MOST_CASES:
            return None
        low, high = high, min(2 * high, MOST_CASES)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle + 1, high)
    return high - counts[1]


def below(target: float) -> Callable[[tuple[float, float]], float]:
    """The chance that a rate lies below a target that is decided and therefore certain."""
    return lambda counts: probability_below(min(counts), counts[1], target)
