"""What may come of it: a forecast as many draws, from which P10, P50 and P90 are read."""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DRAWS, SEED = 10_000, 20_260_401
QUANTILES = (0.1, 0.5, 0.9)
SINGLY = 400  # the largest deals are drawn one by one; of many small ones only mean and spread of the sum matter


def drawn(total: float, deals: Sequence[tuple[float, float]], new: tuple[float, float], place: int = 0) -> Floats:
    """Sums of so many draws: each deal, with its chance and worth, is won or not; `new` is how many come new (Poisson)
    and their worth. Parts drawn with a `place` of their own vary independently."""
    chance = np.random.default_rng([SEED, place] if place else SEED)
    sums = np.full(DRAWS, total)
    ordered = sorted(deals, key=lambda deal: -deal[1]) if len(deals) > SINGLY else deals
    for probability, worth in ordered[:SINGLY]:
        sums += (chance.random(DRAWS) < probability) * worth
    if rest := ordered[SINGLY:]:
        odds, worths = np.array(rest).T
        spread = float(np.sqrt(np.sum(odds * (1 - odds) * worths**2)))
        sums += chance.normal(float(np.sum(odds * worths)), spread, DRAWS)
    if new[0] > 0:
        sums += chance.poisson(new[0], DRAWS) * new[1]
    return sums


def quantiles(sums: Floats) -> tuple[Decimal, Decimal, Decimal]:
    """P10, P50 and P90."""
    low, middle, high = (Decimal(str(value)) for value in np.quantile(sums, QUANTILES))
    return low, middle, high
