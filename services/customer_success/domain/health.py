"""The health score: a weighted mean of what is known, explained input by input.

score = Σ wᵢ·sᵢ / Σ wᵢ over the inputs that are known: missing is not zero. coverage = Σ wᵢ known ÷ Σ wᵢ; below the
formula's minimum the score is unknown. contributionᵢ = wᵢ/Σw·(sᵢ − baseline), so that they sum to score − baseline.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.customer_success.domain.conditions import Condition


class Band(StrEnum):
    HEALTHY = "healthy"
    WATCH = "watch"
    RISK = "risk"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Fact:
    """`age_days` since it was last told; 0 for what is always current."""

    value: float
    age_days: float = 0


Facts = Mapping[str, Fact]


@dataclass(frozen=True, slots=True)
class Measure:
    """How one fact becomes 0 to 100: straight lines between the points of `curve`, flat beyond its ends."""

    fact: str
    curve: tuple[tuple[float, float], ...]
    valid_days: float

    def score(self, facts: Facts) -> float | None:
        """None where the fact is not known or older than it is valid."""
        fact = facts.get(self.fact)
        if fact is None or fact.age_days > self.valid_days:
            return None
        places = [x for x, _ in self.curve]
        right = bisect_right(places, fact.value)
        if right in (0, len(places)):
            return self.curve[min(right, len(places) - 1)][1]
        (x0, y0), (x1, y1) = self.curve[right - 1], self.curve[right]
        return y0 + (y1 - y0) * (fact.value - x0) / (x1 - x0)


@dataclass(frozen=True, slots=True)
class Input:
    """One part of the score: the mean of its measures that are known."""

    name: str
    weight: float
    measures: tuple[Measure, ...]

    def score(self, facts: Facts) -> float | None:
        known = [score for measure in self.measures if (score := measure.score(facts)) is not None]
        return sum(known) / len(known) if known else None


@dataclass(frozen=True, slots=True)
class Profile:
    """The formula for some customers: of these segments (empty: all), up to this age in days (None: any)."""

    name: str
    segments: frozenset[str]
    until_day: int | None
    baseline: float
    healthy: float  # from here on
    watch: float  # from here on; below is risk
    inputs: tuple[Input, ...]

    def fits(self, segment: str | None, age_days: int) -> bool:
        return (not self.segments or segment in self.segments) and (self.until_day is None or age_days < self.until_day)


@dataclass(frozen=True, slots=True)
class Override:
    """Where its condition holds, the score is at most `cap`."""

    code: str
    condition: Condition
    cap: float


@dataclass(frozen=True, slots=True)
class Formula:
    version: int
    minimum_coverage: float
    hysteresis: float
    profiles: tuple[Profile, ...]
    overrides: tuple[Override, ...]

    def profile(self, segment: str | None, age_days: int) -> Profile:
        """The first that fits, else the last."""
        return next((found for found in self.profiles if found.fits(segment, age_days)), self.profiles[-1])


@dataclass(frozen=True, slots=True)
class Reason:
    """Points against the baseline; of an override, what it took away."""

    input: str
    contribution: float


@dataclass(frozen=True, slots=True)
class Health:
    """`inputs` has every input, None where it is missing."""

    score: float | None
    band: Band
    coverage: float
    reasons: tuple[Reason, ...]
    inputs: Mapping[str, float | None]


def judge(formula: Formula, profile: Profile, facts: Facts, before: Band = Band.UNKNOWN) -> Health:
    """The health of a customer; `before` is the band it was in, which it leaves only by more than the hysteresis."""
    inputs = {found.name: found.score(facts) for found in profile.inputs}
    return weigh(formula, profile, inputs, facts, before)


def weigh(
    formula: Formula,
    profile: Profile,
    inputs: Mapping[str, float | None],
    facts: Facts,
    before: Band = Band.UNKNOWN,
) -> Health:
    weights = {found.name: found.weight for found in profile.inputs}
    known = {name: score for name, score in inputs.items() if score is not None}
    total = sum(weights[name] for name in known)
    coverage = round(total / sum(weights.values()), 6)
    if not total or coverage < formula.minimum_coverage:
        return Health(None, Band.UNKNOWN, coverage, (), inputs)
    score = sum(weights[name] * value for name, value in known.items()) / total
    parts = [
        Reason(name, round(weights[name] / total * (value - profile.baseline), 6)) for name, value in known.items()
    ]
    numbers = {name: fact.value for name, fact in facts.items()}
    for override in formula.overrides:
        if score > override.cap and override.condition.holds(numbers):
            parts.append(Reason(override.code, round(override.cap - score, 6)))
            score = override.cap
    reasons = tuple(sorted((part for part in parts if part.contribution), key=lambda part: -abs(part.contribution)))
    return Health(round(score, 6), band(profile, score, before, formula.hysteresis), coverage, reasons, inputs)


def band(profile: Profile, score: float, before: Band, hysteresis: float) -> Band:
    """A score near a border stays where it was; it crosses only `hysteresis` points beyond."""
    reached = _band(profile, score)
    if before is Band.UNKNOWN or reached is before:
        return reached
    order = (Band.RISK, Band.WATCH, Band.HEALTHY)
    rising = order.index(reached) > order.index(before)
    damped = _band(profile, score - hysteresis if rising else score + hysteresis)
    crossed = order.index(damped) > order.index(before) if rising else order.index(damped) < order.index(before)
    return damped if crossed else before


def _band(profile: Profile, score: float) -> Band:
    if score >= profile.healthy:
        return Band.HEALTHY
    return Band.WATCH if score >= profile.watch else Band.RISK


def moved(before_score: float | None, before_band: str, now: Health) -> bool:
    """Worth telling: another rounded score, or another band."""
    rounded = None if before_score is None else round(before_score)
    return (None if now.score is None else round(now.score)) != rounded or now.band != before_band
