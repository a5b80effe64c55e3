"""Recycled cycles a plan counts on, which bring deals at rates of their own (metrics.md 2b)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.kpi.metrics.chain import ACCEPT, MQL, NOTHING, OUTSIDE, SQL, UPLIFT, VISITORS, WEB, WON, factors
from services.kpi.metrics.forecasting import won_worth
from services.kpi.metrics.grounds import Baseline
from services.kpi.metrics.question import ALL, View
from services.kpi.schemas.plans import RecycledIn
from shared.money import decimals

STRENGTH = 20  # how many cases everyone's rate weighs against those of a part
FEWEST_DEALS = 5  # below that a part's deals are worth what everyone's are
DRAWS, SEED = 10_000, 20_260_401
Draws = NDArray[np.float64]
RATES = {"mql": MQL, "sql": SQL, "opportunities": ACCEPT, "deals": WON}
"""Each step after the cycles and the share of the step before that comes to it."""


def beta(evidence: tuple[float, float], chance: np.random.Generator) -> Draws:
    """Beta(1 + successes, 1 + failures): what is known of a rate after a flat prior."""
    return chance.beta(1 + evidence[0], 1 + evidence[1], DRAWS)


@dataclass(frozen=True)
class Supply:
    """`evidence`: successes and failures behind each rate; a rate that somebody said has none."""

    cycles: float
    rates: Mapping[str, float]
    average: float
    evidence: Mapping[str, tuple[float, float]]

    def passes(self) -> dict[str, float]:
        """How many come to each step."""
        found, number = {"lead_cycles": self.cycles}, self.cycles
        for step, name in RATES.items():
            found[step] = number = number * self.rates[name]
        return found

    @property
    def worth(self) -> float:
        return self.passes()["deals"] * self.average

    def drawn(self, chance: np.random.Generator) -> dict[str, Draws]:
        """The same, were the true rates any that the evidence allows."""
        number = np.full(DRAWS, self.cycles)
        found = {"lead_cycles": number}
        for step, name in RATES.items():
            rate = beta(self.evidence[name], chance) if name in self.evidence else self.rates[name]
            found[step] = number = number * rate
        return found


async def supply(view: View, told: RecycledIn, before: Baseline, raised: Mapping[str, float]) -> Supply:
    """`view` is of the baseline. Rates are drawn towards everyone's, (k + 20 p) / (n + 20); `raised` so many times."""
    own = view.with_question(filters={**view.question.filters, "cycles": "recycled"}, interval=None, by=None)
    found, everyone = (await factors(own)).get(ALL, NOTHING), before.ground.rates
    rates, evidence = {str(name): rate for name, rate in told.rates.items()}, dict[str, tuple[float, float]]()
    for name in RATES.values():
        if name in rates:
            continue
        over, under = found.counts[name]
        drawn = STRENGTH * min(everyone[name], 1.0)
        rate = (over + drawn) / (under + STRENGTH)
        rates[name] = min(1.0, rate * raised.get(name, 1.0))
        if name not in raised and over <= under:
            evidence[name] = (over + drawn, under - over + STRENGTH - drawn)
    cycles = told.cycles if told.cycles is not None else found.counts[UPLIFT][0] * before.ratio
    return Supply(cycles, rates, await _average(own, before), evidence)


async def _average(own: View, before: Baseline) -> float:
    """What a deal of theirs is worth a month; everyone's below a few deals."""
    worth = (await won_worth(own)).get(ALL)
    if worth is None or worth.mean is None or worth.valued < FEWEST_DEALS:
        return before.ground.average
    return float(worth.mean / 10 ** decimals(own.question.currency))


def first_cycles(view: View) -> View:
    """The same, of nobody who came again."""
    return view.with_question(filters={**view.question.filters, "cycles": "first"}, interval=None, by=None)


async def without_recycled(view: View, before: Baseline) -> dict[str, tuple[int, int]]:
    """The counts of the chain of first cycles alone; visits and those who came by them are everyone's."""
    found, everyone = (await factors(first_cycles(view))).get(ALL, NOTHING).counts, before.found.counts
    kept = {name: found[name] for name in (MQL, SQL, ACCEPT, OUTSIDE, WON)}
    return {
        VISITORS: everyone[VISITORS],
        WEB: everyone[WEB],
        UPLIFT: (found[UPLIFT][0], everyone[WEB][0]),
        **kept,
    }
