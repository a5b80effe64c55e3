"""Intervals and rounding."""

from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from math import sqrt

Z95 = 1.959963984540054


def wilson(successes: float, trials: int) -> tuple[float, float] | None:
    """Wilson's score interval at 95 % of a share; None where it is no share (nothing tried, or more than all).

    A success may be a part of one: the interval is then a little too wide."""
    if trials <= 0 or not 0 <= successes <= trials:
        return None
    share, z2 = successes / trials, Z95 * Z95
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z95 * sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials)) / (1 + z2 / trials)
    return max(0.0, centre - half), min(1.0, centre + half)


def half_even(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_HALF_EVEN))


def apportion(parts: Sequence[Decimal], total: int) -> list[int]:
    """Whole numbers near `parts` that add up to `total`: what is left over goes to the largest remainders."""
    floors = [int(part.to_integral_value(ROUND_FLOOR)) for part in parts]
    left = total - sum(floors)
    remainders = sorted(range(len(parts)), key=lambda place: (floors[place] - parts[place], place))
    for place in remainders[: max(0, min(left, len(parts)))]:
        floors[place] += 1
    return floors


def newcombe(first: tuple[float, int], second: tuple[float, int]) -> tuple[float, float] | None:
    """95 % of the difference second - first of two shares k / n (Newcombe 1998, method 10); None without trials."""
    one, other = wilson(*first), wilson(*second)
    if one is None or other is None:
        return None
    before, after = first[0] / first[1], second[0] / second[1]
    difference = after - before
    low = difference - sqrt((after - other[0]) ** 2 + (one[1] - before) ** 2)
    high = difference + sqrt((other[1] - after) ** 2 + (before - one[0]) ** 2)
    return low, high


def net_promoters(promoters: int, passives: int, detractors: int) -> tuple[float, float] | None:
    """95 % of the net promoter score, in points (adjusted Wald, Rocks 2016); None without answers."""
    if not promoters + passives + detractors:
        return None
    up, down = promoters + 0.75, detractors + 0.75
    whole = up + passives + 1.5 + down
    score = (up - down) / whole
    half = Z95 * sqrt(((up + down) / whole - score**2) / whole)
    return max(-100.0, 100 * (score - half)), min(100.0, 100 * (score + half))
