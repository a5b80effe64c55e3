"""What each factor of the chain is held against: the target decided for it, else the span before, else the others.

A span that is not over is held against the one before up to the same elapsed point, never against a whole one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add

from services.kpi.domain.decisions import REFERENCE_RATES, SMALLEST_SAMPLE
from services.kpi.domain.periods import preceding
from services.kpi.metrics.bottleneck.evidence import below, probability_lower
from services.kpi.metrics.chain import (
    ACCEPT,
    MQL,
    NOTHING,
    OUTSIDE,
    SHARES,
    SQL,
    UPLIFT,
    VISITORS,
    WEB,
    WON,
    Factors,
    factors,
)
from services.kpi.metrics.question import ALL, Cell, View
from shared.contracts.base import DIMENSIONS

TARGET, PREVIOUS, BENCHMARK, NO_REFERENCE = "target", "previous", "benchmark", "none"
DEFAULT_SAMPLE = 5
LEADS, MQLS, SQLS, OPPORTUNITIES = "lead_cycles", "mql", "sql", "opportunities"
STARTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    VISITORS: (VISITORS, (WEB, UPLIFT, MQL, SQL, ACCEPT, OUTSIDE, WON)),
    LEADS: (UPLIFT, (MQL, SQL, ACCEPT, OUTSIDE, WON)),
    MQLS: (MQL, (SQL, ACCEPT, OUTSIDE, WON)),
    SQLS: (SQL, (ACCEPT, OUTSIDE, WON)),
    OPPORTUNITIES: (OUTSIDE, (WON,)),
}
"""What a chain may begin with: the factor whose numerator counts it, and the factors that follow."""
_TARGETS = {("lead", "mql"): MQL, ("mql", "sql"): SQL, ("sql", "opportunity"): ACCEPT, ("opportunity", "won"): WON}
"""The stages whose decided rate is that of one factor."""


@dataclass(frozen=True)
class Reference:
    """`sample` is k and n where the reference is itself counted, and no more certain than what is held against it."""

    rate: float
    source: str
    sample: tuple[int, int] | None = None

    @property
    def chance(self) -> Callable[[tuple[float, float]], float]:
        """The chance that the rate behind k out of n lies below it."""
        sample = self.sample
        return below(self.rate) if sample is None else lambda counts: probability_lower(counts, sample)


def smallest(view: View) -> int:
    """How many cases are the fewest anything is said about."""
    found: int | None = view.decisions.setting(SMALLEST_SAMPLE, view.question.whole.start)
    return found or DEFAULT_SAMPLE


def chain_of(found: Factors, *, visits: bool) -> dict[str, tuple[int, int]]:
    """k and n of each factor, from the first thing that was told: a company may have begun with its deals. `visits`:
    may it begin with visitors? They are told by day, channel and campaign only."""
    possible = list(STARTS) if visits else list(STARTS)[1:]
    first = next((name for name in possible if _volume(found, name)), possible[0])
    return {first: (_volume(found, first), 1), **{name: found.counts[name] for name in STARTS[first][1]}}


def _volume(found: Factors, name: str) -> int:
    return found.counts[STARTS[name][0]][0]


def before(view: View) -> View:
    """The comparable span before: of the same length, up to the point this one has come to."""
    asked = view.question
    earlier = view.with_question(whole=preceding(asked.whole))
    elapsed = asked.as_of - view.start
    return earlier.with_question(as_of=min(earlier.end, max(earlier.start, earlier.start + elapsed)))


async def others(view: View) -> Factors | None:
    """The other slices of the dimension that was filtered by, together; never the other people."""
    filters = view.question.filters
    by = next((name for name in ("segment", *DIMENSIONS) if name in filters and name != "owner"), None)
    if by is None:
        return None
    rest = {name: value for name, value in filters.items() if name != by}
    found = await factors(view.with_question(filters=rest, by=by, interval=None))
    return together(found) - found.get(Cell(None, filters[by]), NOTHING)


def together(found: Mapping[Cell, Factors]) -> Factors:
    """All slices as one."""
    return reduce(
        add, (each for cell, each in found.items() if cell.period is None and cell.value is not None), NOTHING
    )


async def references(
    view: View, counts: Mapping[str, tuple[int, int]], earlier: Factors, peers: Factors | None = None
) -> dict[str, Reference]:
    """Of every factor of `counts`; `earlier` are those of the span before, `peers` the others where they are known."""
    found = {name: decided(view, name) or _counted(view, name, earlier, PREVIOUS) for name in counts}
    if None in found.values():
        rest = peers or await others(view)
        for name, reference in found.items():
            if reference is None and rest is not None and name not in STARTS:
                found[name] = _counted(view, name, rest, BENCHMARK)
    own = {name: over / under if under else 0.0 for name, (over, under) in counts.items()}
    return {name: reference or Reference(own[name], NO_REFERENCE) for name, reference in found.items()}


def _counted(view: View, name: str, found: Factors, source: str) -> Reference | None:
    """None where it was too few, or nothing of them went on."""
    over, under = (_volume(found, name), 1) if name in STARTS else found.counts[name]
    if over <= 0 or (over if name in STARTS else under) < smallest(view):
        return None
    return Reference(over / under, source, (over, under) if name in SHARES and over <= under else None)


def any_decided(view: View) -> bool:
    """Whether anything may be held against a target: else nobody need be followed for it."""
    return bool(view.decisions.targets or view.decisions.settings.get(REFERENCE_RATES))


def decided(view: View, name: str) -> Reference | None:
    """The target of the stage in exactly this span, else the rate decided for everyone. Of visitors so many as were to
    come until now; they are decided for the company as a whole only."""
    asked, filters = view.question, view.question.filters
    rates: Mapping[str, float] = view.decisions.setting(REFERENCE_RATES, asked.whole.start) or {}
    wanted = None
    if name not in STARTS:
        wanted = (_stage_rate(view, name) if filters.keys() <= {"segment"} else None) or rates.get(name)
    elif name == VISITORS and not filters:
        wanted = rates.get(name, 0) * view.elapsed(asked.whole)
    return Reference(wanted, TARGET) if wanted else None


def _stage_rate(view: View, name: str) -> float | None:
    segment = view.question.filters.get("segment", "")
    for cut in view.chain():
        if _TARGETS.get((cut.base, cut.goal)) == name:
            target = view.decisions.target(cut.stage, segment, view.question.whole)
            return target.rate if target else None
    return None


async def now_and_before(view: View) -> tuple[Mapping[Cell, Factors], Mapping[Cell, Factors]]:
    """The factors of the span and of the one before, by cell; the whole is always among them."""
    return {ALL: NOTHING, **await factors(view)}, {ALL: NOTHING, **await factors(before(view))}
