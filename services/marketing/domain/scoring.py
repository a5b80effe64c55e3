"""The score: how well a lead fits, plus how lively it is; interest halves with every half-life that passes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.marketing.domain.document import Document
from services.marketing.domain.folding import folded

FIT_FIELDS = frozenset(
    (
        *("industry", "segment", "product", "price_band", "region", "channel", "campaign", "job_title", "department"),
        *("employees", "prefecture", "company", "email", "phone", "consent"),
    )
)
MOST_POINTS = 1_000_000
NEGLIGIBLE_AFTER = 20  # half-lives: a touch is then worth a millionth of its points

Known = str | int | bool | None
Facts = Mapping[str, Known]


def _refuse_absurd(points: float) -> None:
    if not -MOST_POINTS <= points <= MOST_POINTS:
        raise ValueError(f"points are from -{MOST_POINTS:,} to {MOST_POINTS:,}")


@dataclass(frozen=True)
class FitRule(Document):
    """`points` when `field` is one of `any_of`, or contains one of `contains`, or lies between `at_least` and
    `at_most`; with none of these given it only has to be known. Texts are compared folded."""

    field: str
    points: int
    any_of: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        if self.field not in FIT_FIELDS:
            raise ValueError(f"{self.field} is none of {', '.join(sorted(FIT_FIELDS))}")
        _refuse_absurd(self.points)

    def holds(self, facts: Facts) -> bool:
        value = facts.get(self.field)
        if value is None or value is False:
            return False
        text = folded(str(value))
        if self.any_of or self.contains:
            return text in map(folded, self.any_of) or any(folded(part) in text for part in self.contains)
        if self.at_least is None and self.at_most is None:
            return True
        if isinstance(value, str):
            return False
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


@dataclass(frozen=True)
class TouchPoints(Document):
    """`points` for a touch; only the newest `at_most` of a kind count."""

    points: float
    at_most: int = 100

    def __post_init__(self) -> None:
        if self.at_most < 1:
            raise ValueError("at_most is 1 or more")
        _refuse_absurd(self.points)


@dataclass(frozen=True)
class ScoringRules(Document):
    """`carry_over` is what interest shown before a recycled lead's new cycle is still worth, 0 to 1."""

    half_life_days: float
    fit: tuple[FitRule, ...] = ()
    touches: dict[str, TouchPoints] = field(default_factory=dict)
    other_touch: TouchPoints = TouchPoints(1)
    most_fit: int = 100
    most_engagement: int = 100
    carry_over: float = 0.0

    def __post_init__(self) -> None:
        if not 0.01 <= self.half_life_days <= 36_500:
            raise ValueError("half_life_days is from 0.01 to 36,500")
        for most in (self.most_fit, self.most_engagement):
            _refuse_absurd(most)
        if not 0 <= self.carry_over <= 1:
            raise ValueError("carry_over is from 0 to 1")

    @property
    def half_life(self) -> timedelta:
        return timedelta(days=self.half_life_days)


@dataclass(frozen=True, slots=True)
class Touch:
    kind: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Score:
    fit: int
    engagement: float

    @property
    def total(self) -> int:
        return self.fit + round(self.engagement)


def fit(facts: Facts, rules: ScoringRules) -> int:
    points = sum(rule.points for rule in rules.fit if rule.holds(facts))
    return min(max(points, 0), rules.most_fit)


def engagement(touches: Iterable[Touch], rules: ScoringRules, *, at: datetime, cycle_began: datetime | None) -> float:
    """Σ points · ½^(age ÷ half-life) over the touches until `at`; `cycle_began` is None for a first cycle."""
    by_kind: dict[str, list[datetime]] = defaultdict(list)
    for touch in touches:
        if touch.at <= at:
            by_kind[touch.kind].append(touch.at)
    total = 0.0
    for kind in sorted(by_kind):
        worth = rules.touches.get(kind, rules.other_touch)
        for moment in sorted(by_kind[kind], reverse=True)[: worth.at_most]:
            earlier = cycle_began is not None and moment < cycle_began
            weight = rules.carry_over if earlier else 1.0
            total += weight * worth.points * 0.5 ** ((at - moment) / rules.half_life)
    return min(max(total, 0.0), float(rules.most_engagement))
