"""The rate detector: the gap of deals won to what was to be won, taken apart by factor, each with its evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from services.kpi.metrics.bottleneck.evidence import CONFIRMED, NO_EVIDENCE, SUSPECTED, Evidence, judged, more_cases
from services.kpi.metrics.bottleneck.matured import STEPS, Known
from services.kpi.metrics.bottleneck.references import NO_REFERENCE, STARTS, TARGET, Reference
from services.kpi.metrics.chain import SHARES
from services.kpi.metrics.decomposition import Gap, decompose, worst_first
from services.kpi.metrics.statistics import newcombe, wilson

UNJUDGED = Evidence(NO_EVIDENCE, 1.0)


@dataclass(frozen=True)
class Suspect:
    """One factor of a gap. `probability` that its true rate lies below the reference; None where it is no share.

    `few`: too few cases for anything to be said of it. `needed`: the probability from which it would be confirmed.
    `matured`: k of n of those whose fate is known, where it is held against a target; they must confirm it too.
    """

    factor: str
    contribution: float
    counts: tuple[int, int]
    reference: Reference
    probability: float | None
    evidence: str
    few: bool
    needed: float
    matured: tuple[int, int] | None = None

    @property
    def actual(self) -> float:
        return self.counts[0] / self.counts[1] if self.counts[1] else 0.0

    @property
    def more(self) -> int | None:
        """How many more cases at this rate would decide what is suspected."""
        return more_cases(self.counts, self.reference.chance, self.needed) if self.evidence == SUSPECTED else None

    @property
    def ci95(self) -> tuple[float, float] | None:
        return wilson(*self.counts) if self.factor in SHARES else None

    @property
    def difference_ci95(self) -> tuple[float, float] | None:
        """Of the difference to the reference, where that is a share too."""
        return newcombe(self.reference.sample, self.counts) if self.reference.sample else None


@dataclass(frozen=True)
class Chain:
    """`suspects` in the order of the chain; `rank` names those that cost, the dearest first."""

    gap: Gap
    won: int
    suspects: Sequence[Suspect]

    @property
    def rank(self) -> list[str]:
        return worst_first(self.gap)

    @property
    def rates(self) -> dict[str, float]:
        return {each.factor: each.actual for each in self.suspects}

    def named(self, factor: str) -> Suspect:
        return next(each for each in self.suspects if each.factor == factor)

    def after(self, factor: str) -> float:
        """Deals won from each that got past `factor`, at the rates of the span."""
        names = [each.factor for each in self.suspects]
        return prod(each.actual for each in self.suspects[names.index(factor) + 1 :])

    @property
    def blocker(self) -> Suspect | None:
        """The first factor that is zero, where that could have been otherwise."""
        found = self.named(self.gap.blocked) if self.gap.blocked else None
        silent = found is None or found.few or (found.factor in STARTS and found.reference.source == NO_REFERENCE)
        return None if silent else found


def examined(
    counts: Mapping[str, tuple[int, int]], references: Mapping[str, Reference], won: int, least: int, known: Known
) -> Chain:
    """The gap, and what can be said of each of its factors; of fewer than `least` cases nothing.

    A target is the rate of those that are through. Against the span before, counted to the same point of it, and
    against others of the same span all are equally far.
    """
    own = {name: over / under if under else 0.0 for name, (over, under) in counts.items()}
    gap = decompose(own, {name: references[name].rate for name in counts})
    chances = {
        name: references[name].chance((min(pair), pair[1]))
        for name, pair in counts.items()
        if name in SHARES and pair[1] >= least and references[name].source != NO_REFERENCE
    }
    evidence = judged(chances)
    suspects = []
    for name, pair in counts.items():
        level, needed = evidence.get(name, UNJUDGED)
        few = name not in STARTS and pair[1] < least
        part = gap.parts.get(name, 0.0)
        through = known.get(name, (0, 0)) if references[name].source == TARGET and name in STEPS else None
        if level == CONFIRMED and through and not _confirms(through, references[name], needed, least):
            level = SUSPECTED
        suspects.append(Suspect(name, part, pair, references[name], chances.get(name), level, few, needed, through))
    return Chain(gap, won, suspects)


def _confirms(through: tuple[int, int], reference: Reference, needed: float, least: int) -> bool:
    """Whether those whose fate is known are enough, and as surely below."""
    return through[1] >= least and reference.chance(through) >= needed
