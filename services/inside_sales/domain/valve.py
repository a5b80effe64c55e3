"""The opportunity-supply valve (商談供給の調節弁): the busier field sales is, the more score an MQL needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import floor
from typing import Literal

from services.inside_sales.domain.rules import Rule

COMPANY = "company"
"""The valve of the whole company."""
REGION = "region/"


def valve_of(region: str) -> str:
    """The name of a region's own valve."""
    return REGION + region


class Why(StrEnum):
    NO_CAPACITY = "no_capacity_told"  # nobody said how much field sales can take: nothing is held
    NO_SLOTS = "no_slots"  # field sales takes nothing at all
    IDLE = "idle"
    BALANCED = "balanced"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class ValveRule(Rule):
    """Between `low` and `high` utilisation an MQL needs the score `base`; outside, `step` less or more at once and
    for every further `width` of utilisation. `origins` are the opportunities that take capacity, `per` says whether
    regions have valves of their own."""

    low: float
    high: float
    width: float
    base: int
    step: int
    minimum: int
    maximum: int
    origins: tuple[str, ...]
    per: Literal["company", "region"] = "company"

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high <= 100 or not 0 < self.width <= 100:
            raise ValueError("0 < low < high, and a width above 0")
        if not 0 <= self.minimum <= self.base <= self.maximum <= 1_000_000:
            raise ValueError("0 ≤ minimum ≤ base ≤ maximum")
        if self.step < 1:
            raise ValueError("a step is at least 1")


@dataclass(frozen=True, slots=True)
class Load:
    """Of a week: SQLs field sales has not decided on, opportunities it opened, and its slots (None: never told)."""

    offered: int
    opened: int
    slots: int | None

    @property
    def utilisation(self) -> float | None:
        return (self.offered + self.opened) / self.slots if self.slots else None


@dataclass(frozen=True, slots=True)
class Position:
    threshold: int
    why: Why


def position(rule: ValveRule, load: Load) -> Position:
    """Where the valve stands under `load`: a function of it alone, so the order of events does not matter."""
    if load.slots is None:
        return Position(rule.minimum, Why.NO_CAPACITY)
    used = load.utilisation
    if used is None:
        return Position(rule.maximum, Why.NO_SLOTS)
    if used < rule.low:
        steps = 1 + floor((rule.low - used) / rule.width)
        return Position(max(rule.minimum, rule.base - steps * rule.step), Why.IDLE)
    if used > rule.high:
        steps = 1 + floor((used - rule.high) / rule.width)
        return Position(min(rule.maximum, rule.base + steps * rule.step), Why.BUSY)
    return Position(rule.base, Why.BALANCED)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The score an MQL needs now: of its region's valve, else of the company's."""

    company: int
    regions: Mapping[str, int]

    def holds(self, score: int, region: str | None) -> bool:
        return score < self.regions.get(region or "", self.company)
