"""How good forecasts and chances were (metrics.md section 3 and 4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum


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
    ones = [chance for chance, one in zip(chances, came, strict=True) if one]
    others = [chance for chance, one in zip(chances, came, strict=True) if not one]
    if not ones or not others:
        return None
    better = fsum(1.0 if one > other else 0.5 if one == other else 0.0 for one in ones for other in others)
    return better / (len(ones) * len(others))
