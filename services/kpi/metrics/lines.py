"""What a goal needs of each step: in one chain for everyone, or in one of each segment, added up (metrics.md 2b)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.kpi.metrics.chain import (
    ACCEPT,
    MQL,
    OUTSIDE,
    SHARES,
    SQL,
    UPLIFT,
    WEB,
    WON,
    factors,
    requirement,
)
from services.kpi.metrics.forecasting import won_worth
from services.kpi.metrics.question import View
from services.kpi.metrics.supply import DRAWS, FEWEST_DEALS, SEED, STRENGTH, Draws, Supply, beta
from shared.money import decimals

MISLEADING = 0.30  # segments whose rates differ by more than that are not planned in one chain
OF_SEGMENTS = (MQL, SQL, ACCEPT, OUTSIDE, WON)
"""Visits are told of by channel and campaign only: what lies before a lead is everyone's."""
STEPS: Mapping[str, Sequence[str]] = {
    "opportunities": (WON,),
    "sql": (ACCEPT, OUTSIDE),
    "mql": (SQL,),
    "lead_cycles": (MQL,),
    "web_leads": (UPLIFT,),
    "visitors": (WEB,),
}
"""Each step before the deals, last first, and the factors that turn it into the one after it."""


@dataclass(frozen=True)
class Line:
    """A chain and its share of the goal. `evidence`: successes and failures behind each rate that is a share of
    cases; a rate that somebody said has none."""

    segment: str | None
    rates: Mapping[str, float]
    average: float
    share: float
    evidence: Mapping[str, tuple[float, float]]

    def needs(self, goal: float) -> dict[str, float]:
        return requirement(self.rates, goal * self.share, self.average)

    def drawn(self, goal: Draws, chance: np.random.Generator, shared: Mapping[str, Draws]) -> dict[str, Draws]:
        """The needs, were the true rates any that the evidence allows; `shared` are draws of everyone's rates."""
        needed = goal * self.share / self.average
        found = {"deals": needed}
        for step, names in STEPS.items():
            for name in names:
                rates = beta(self.evidence[name], chance) if name in self.evidence else shared.get(name)
                needed = needed / (self.rates[name] if rates is None else rates)
            found[step] = needed
        return found


def everyone(
    counts: Mapping[str, tuple[int, int]], rates: Mapping[str, float], average: float, said: Collection[str]
) -> Line:
    """The one chain of a baseline; `rates` with those in `said` as somebody said them."""
    evidence = {
        name: (float(over), float(under - over))
        for name in SHARES
        if name not in said and 0 <= (over := counts[name][0]) <= (under := counts[name][1]) and under
    }
    return Line(None, rates, average, 1.0, evidence)


async def of_segments(view: View, whole: Line, said: Collection[str], raised: Mapping[str, float]) -> list[Line]:
    """A chain for each segment that anything of the baseline has: its rates drawn towards everyone's, (k + m p) /
    (n + m) with m = 20; those that are `raised` so many times, and `said` ones as said. Their shares of the goal are
    those of what was won."""
    own, minor = view.with_question(by="segment", interval=None), 10 ** decimals(view.question.currency)
    counts, worths = await factors(own), await won_worth(own)
    won = {cell.value: float(row.total or 0) for cell, row in worths.items() if cell.value is not None}
    total, found = sum(won.values()), []
    for cell, each in sorted(counts.items(), key=lambda item: item[0].value or ""):
        if cell.value is None or not any(each.counts[name][1] for name in OF_SEGMENTS):
            continue
        rates, evidence = dict(whole.rates), {}
        for name in OF_SEGMENTS:
            if name in said:
                continue
            over, under = each.counts[name]
            drawn = STRENGTH * whole.rates[name] / raised.get(name, 1.0)
            rate = (over + drawn) / (under + STRENGTH)
            rates[name] = min(max(rate, 1.0), rate * raised.get(name, 1.0))
            if name in whole.evidence and over <= under:
                evidence[name] = (over + drawn, under - over + STRENGTH - drawn)
        worth, share = worths.get(cell), won.get(cell.value, 0.0) / total if total else 0.0
        many = worth is not None and worth.mean is not None and each.counts[WON][0] >= FEWEST_DEALS
        average = float(worth.mean / minor) if many and worth is not None else whole.average
        found.append(Line(cell.value, rates, average, share, evidence))
    return found


def differing(lines: Sequence[Line]) -> dict[str, dict[str, float]]:
    """Of each factor by which segments differ by more than 30 %, the rate of each."""
    found = {}
    for name in (MQL, SQL, ACCEPT, WON):
        rates = {line.segment or "": line.rates[name] for line in lines}
        if rates and max(rates.values()) > (1 + MISLEADING) * min(rates.values()):
            found[name] = rates
    return found


def added(lines: Sequence[Line], goal: float) -> dict[str, float]:
    """What each step needs, last step first, in reals."""
    found: dict[str, float] = {}
    for line in lines:
        for step, needed in line.needs(goal).items():
            found[step] = found.get(step, 0.0) + needed
    return found


@dataclass(frozen=True)
class Uncertainty:
    """`p50` and `p80` are what each step needs to reach the goal with that chance; `p_goal` is the chance where as many
    visitors come as planned, `p_goal_as_before` where as many come as did."""

    p50: Mapping[str, float]
    p80: Mapping[str, float]
    p_goal: float
    p_goal_as_before: float


def uncertain(
    whole: Line, lines: Sequence[Line], goal: float, planned: float, before: float, supply: Supply | None = None
) -> Uncertainty:
    """`lines` and what recycled cycles bring add up to the goal; what they have no evidence of their own for is
    everyone's. The same draws every time: seeded."""
    chance, left = np.random.default_rng(SEED), np.full(DRAWS, goal)
    found = supply.drawn(chance) if supply else {}
    if supply:
        left = np.maximum(0.0, left - found["deals"] * supply.average)
    shared = {name: beta(told, chance) for name, told in whole.evidence.items() if name not in OF_SEGMENTS}
    for line in lines:
        for step, drawn in line.drawn(left, chance, shared).items():
            found[step] = found[step] + drawn if step in found else drawn
    return Uncertainty(
        {step: float(np.quantile(drawn, 0.5)) for step, drawn in found.items()},
        {step: float(np.quantile(drawn, 0.8)) for step, drawn in found.items()},
        float(np.mean(found["visitors"] <= planned)),
        float(np.mean(found["visitors"] <= before)),
    )
