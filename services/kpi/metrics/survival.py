"""Times until something happens, where for some it has not happened yet.

Who is still on the way is censored, not left out: Kaplan and Meier (1958). Where another end may come first (a deal
lost), that is a competing end and no censoring: Aalen and Johansen (1978). One minus Kaplan-Meier with losses taken
as censored says too much.
"""

from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from numpy.typing import NDArray

from services.kpi.metrics.statistics import Z95

OPEN, REACHED, OTHER = 0, 1, 2
"""What became of one: still on the way, the goal, another end."""

LEAST_AT_RISK = 5
_HALF = 0.5 + 1e-12

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Incidence:
    """Steps of the two cumulative incidences, one for each different time at which anything happened.

    `at_risk` had not ended just before; `reached` and `other` are shares of everyone, `left` the share not yet ended.
    """

    times: Floats
    at_risk: Floats
    goals: Floats
    ends: Floats
    left: Floats
    reached: Floats
    other: Floats

    def at(self, time: float) -> tuple[float, float]:
        """The shares that had reached the goal, and another end, by `time`."""
        place = int(np.searchsorted(self.times, time, side="right")) - 1
        return (0.0, 0.0) if place < 0 else (float(self.reached[place]), float(self.other[place]))

    def eventual(self) -> float | None:
        """The share at the last time with enough still at risk to say so; None where there never were."""
        enough = np.flatnonzero(self.at_risk >= LEAST_AT_RISK)
        return float(self.reached[enough[-1]]) if len(enough) else None

    def median(self) -> float | None:
        """When half of all had ended one way or the other; None while more than half are on the way."""
        halved = np.flatnonzero(self.left <= _HALF)
        return float(self.times[halved[0]]) if len(halved) else None

    def ci95(self, time: float) -> tuple[float, float] | None:
        """Log-log interval of the share that had reached the goal by `time`.

        Variance by the delta method (Marubini and Valsecchi 1995, chapter 10). None at 0 and 1, where it says nothing.
        """
        share = self.at(time)[0]
        upto = self.times <= time
        if not 0 < share < 1:
            return None
        n, d, ended = self.at_risk[upto], self.goals[upto], (self.goals + self.ends)[upto]
        before = np.concatenate(([1.0], self.left[upto][:-1]))
        rest = share - self.reached[upto]
        alive = np.where(n > ended, n * (n - ended), np.inf)
        variance = float(
            np.sum(rest**2 * ended / alive)
            + np.sum(before**2 * (n - d) * d / n**3)
            - 2 * np.sum(rest * before * d / n**2)
        )
        width = Z95 * sqrt(max(variance, 0.0)) / (share * log(share))
        low, high = share ** exp(-width), share ** exp(width)
        return min(low, high), max(low, high)


def incidence(times: Floats, kinds: NDArray[np.int_], numbers: Floats | None = None) -> Incidence:
    """`times` since the beginning of each, until its end or until now; `kinds` what became of it; `numbers` of how many
    each speaks, default one.

    Who is censored at a moment is still at risk for what happens at it.
    """
    numbers = np.ones(len(times)) if numbers is None else numbers
    order = np.argsort(times)
    gone = np.concatenate(([0.0], np.cumsum(numbers[order])))
    steps = np.unique(times[kinds != OPEN])
    at_risk = gone[-1] - gone[np.searchsorted(times[order], steps, side="left")]
    goals, ends = (_counts(times[kinds == kind], numbers[kinds == kind], steps) for kind in (REACHED, OTHER))
    left = np.cumprod(1 - (goals + ends) / at_risk)
    before = np.concatenate(([1.0], left[:-1])) if len(left) else left
    reached, other = np.cumsum(before * goals / at_risk), np.cumsum(before * ends / at_risk)
    return Incidence(steps, at_risk, goals, ends, left, reached, other)


def _counts(times: Floats, numbers: Floats, steps: Floats) -> Floats:
    return np.bincount(np.searchsorted(steps, times), numbers, minlength=len(steps)).astype(float)


def censored_median(times: Floats, happened: NDArray[np.bool_]) -> float | None:
    """Kaplan-Meier's median; None while it has not happened to half of them."""
    return incidence(times, np.where(happened, REACHED, OPEN)).median()
