"""How good forecasts and chances were (metrics.md section 3 and 4)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import fsum
from operator import itemgetter
from typing import NamedTuple


@dataclass(frozen=True)
class Accuracy:
    """Over pairs of forecast and actual. `wape` = Σ|F - A| ÷ ΣA, `bias` = ΣF ÷ ΣA - 1, `mape` over those with A ≠ 0,
    of which `excluded` are left out: where nothing came, no share of it can be wrong. None where there is no base.
    """

    wape: float | None
    bias: float | None
    mape: float | None
    excluded: int


def accuracy(forecasts: Sequence[float], actuals: Sequence[float]) -> Accuracy:
    pairs = list(zip(forecasts, actuals, strict=True))
    base = fsum(abs(actual) for actual in actuals)
    shares = [abs(forecast - actual) / abs(actual) for forecast, actual in pairs if actual]
    return Accuracy(
        wape=fsum(abs(forecast - actual) for forecast, actual in pairs) / base if base else None,
        bias=fsum(forecasts) / fsum(actuals) - 1 if fsum(actuals) else None,
        mape=fsum(shares) / len(shares) if shares else None,
        excluded=len(pairs) - len(shares),
    )


def brier(chances: Sequence[float], came: Sequence[int]) -> float | None:
    """Mean squared difference of chance and what came (Brier 1950); 0 is perfect."""
    if not chances:
        return None
    return fsum((chance - one) ** 2 for chance, one in zip(chances, came, strict=True)) / len(chances)


def brier_skill(chances: Sequence[float], came: Sequence[int]) -> float | None:
    """1 - Brier ÷ that of saying the base rate each time; 0 is no better, None where all came or none."""
    found, rate = brier(chances, came), fsum(came) / len(came) if came else 0.0
    known = brier([rate] * len(came), came)
    return 1 - found / known if found is not None and known else None


def auc(chances: Sequence[float], came: Sequence[int]) -> float | None:
    """The share of pairs in which who came had the higher chance, ties half (Mann and Whitney 1947)."""
    return auc_of([Scored(chance, 1, one) for chance, one in zip(chances, came, strict=True)])


class Scored(NamedTuple):
    """So many with this score, and how many of them came."""

    score: float
    trials: int
    successes: int


def auc_of(scored: Iterable[Scored]) -> float | None:
    """The same, of counts by score."""
    better, ones, others = 0.0, 0, 0
    for _, together in groupby(sorted(scored), key=itemgetter(0)):
        same = list(together)
        came = sum(each.successes for each in same)
        not_come = sum(each.trials for each in same) - came
        better += came * (others + not_come / 2)
        ones, others = ones + came, others + not_come
    return better / (ones * others) if ones and others else None


def brier_of(scored: Sequence[Scored]) -> float | None:
    """Mean squared difference of chance and what came, of counts by chance."""
    trials = sum(each.trials for each in scored)
    if not trials:
        return None
    missed = (each.successes * (1 - each.score) ** 2 for each in scored)
    false = ((each.trials - each.successes) * each.score**2 for each in scored)
    return (fsum(missed) + fsum(false)) / trials


def top_of(scored: Iterable[Scored], parts: int) -> Scored:
    """The best of `parts` equal parts by score: its lowest score, its number, and how many of them came.

    Who has the lowest score too belongs to it, so it may be larger.
    """
    ordered = sorted(scored, reverse=True)
    whole, found = sum(each.trials for each in ordered), Scored(0.0, 0, 0)
    for score, together in groupby(ordered, key=itemgetter(0)):
        if parts * found.trials >= whole:
            break
        same = list(together)
        trials, came = sum(each.trials for each in same), sum(each.successes for each in same)
        found = Scored(score, found.trials + trials, found.successes + came)
    return found
