"""Simpson's check: did a rate fall, or did only the mix of those it is counted of change?

Within each segment and channel the rate is held against its own before. Where the whole fell below its reference
although the slices, weighted as they are now, did not fall, it is the mix and no fault of the stage.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from services.kpi.metrics.chain import ACCEPT, MQL, SQL, WON
from services.kpi.metrics.entries import counted, entered
from services.kpi.metrics.question import View

_EDGES: Mapping[str, tuple[tuple[str, str], tuple[str, str]]] = {
    MQL: (("mql", "value"), ("lead", "value")),
    SQL: (("sql", "value"), ("mql", "value")),
    ACCEPT: (("opportunity", "chained"), ("sql", "value")),
    WON: (("won", "value"), ("opportunity", "value")),
}
"""The factors that are told by segment and channel: what they count above and below."""
Slice = tuple[str, str]


class Pair(NamedTuple):
    """k and n of one slice now and before."""

    now: tuple[int, int]
    before: tuple[int, int]


@dataclass(frozen=True)
class Mix:
    """The change of a rate = `within` the slices + that of their `mix`; in points (0.1 is ten)."""

    pooled: float
    within: float
    slices: int

    @property
    def mix(self) -> float:
        return self.pooled - self.within

    def shifted(self, rate: float, before: float, reference: float) -> bool:
        """Is the fall below the reference one of the mix alone?"""
        return rate < reference <= before + 1e-12 and self.pooled < 0 <= self.within


def mixed(pairs: list[Pair]) -> Mix | None:
    """Of the slices of one factor; None where there was nothing before or is nothing now."""
    now = [sum(pair.now[side] for pair in pairs) for side in (0, 1)]
    before = [sum(pair.before[side] for pair in pairs) for side in (0, 1)]
    both = [pair for pair in pairs if pair.now[1] and pair.before[1]]
    if not (now[1] and before[1] and both):
        return None
    within = sum(pair.now[1] * (pair.now[0] / pair.now[1] - pair.before[0] / pair.before[1]) for pair in both) / now[1]
    return Mix(now[0] / now[1] - before[0] / before[1], within, len(both))


async def mixes(view: View, earlier: View) -> Mapping[str, Mix]:
    """By factor, of the span against the one before."""
    now, then = await _counts(view), await _counts(earlier)
    found = {}
    for factor in _EDGES:
        pairs = [Pair(_pair(now.get(key, {}), factor), _pair(then.get(key, {}), factor)) for key in {*now, *then}]
        if mix := mixed(pairs):
            found[factor] = mix
    return found


def _pair(counts: Mapping[tuple[str, str], int], factor: str) -> tuple[int, int]:
    over, under = _EDGES[factor]
    return counts.get(over, 0), counts.get(under, 0)


async def _counts(view: View) -> dict[Slice, dict[tuple[str, str], int]]:
    whole = view.with_question(by=None, interval=None)
    query = f"""
        SELECT {view.sliced("segment")} AS segment, {view.sliced("channel")} AS channel, p.milestone,
               {counted(view)} AS value, {counted(view, "NOT p.outside")} AS chained
        FROM ({entered(whole)}) AS p GROUP BY 1, 2, 3
    """
    bound = {"milestones": ["lead", "mql", "sql", "opportunity", "won"], "starts": whole.starts}
    found: dict[Slice, dict[tuple[str, str], int]] = {}
    for row in await view.rows(query, bound):
        counts = found.setdefault((row.segment, row.channel), {})
        counts[row.milestone, "value"], counts[row.milestone, "chained"] = row.value, row.chained
    return found
