"""What kpi was told to count by: settings, targets and the chain, as they hold on a day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

from services.kpi.domain.periods import Period, fiscal_year
from services.kpi.domain.stages import Chain

PLAN_RATES, FIRST_MONTH, WEB_CHANNELS = "plan_rates", "fiscal_year_first_month", "web_channels"
BUSINESS_HOURS, RESPONSE_SLA, UNFOLLOWED_FACTOR = "business_hours", "response_sla_minutes", "unfollowed_factor"
ONBOARDING_DAYS, GROSS_MARGIN, PHASE_PROBABILITIES = "onboarding_target_days", "gross_margin", "phase_probabilities"
RENEWAL_GRACE_DAYS, PRIOR_CHURN, SMALLEST_SAMPLE = "renewal_grace_days", "prior_monthly_churn", "smallest_sample"
OBLIGATION_DAYS, REFERENCE_RATES = "obligation_sla_days", "reference_rates"
REVERSE_FLOW_TARGET, CREDIT_WEIGHTS = "reverse_flow_target", "credit_weights"
HEADCOUNT, VALID_OPPORTUNITY, ONBOARDING_CAPACITY = "headcount", "valid_opportunity", "onboarding_capacity"


class Version(NamedTuple):
    """A setting from a day on."""

    valid_from: date
    value: Any


@dataclass(frozen=True, slots=True)
class Target:
    """What a stage is to reach in a period; for everyone where `segment` is empty.

    So is what a metric is to reach: `stage` is then its id, and the goal is in major units where it is money.
    """

    period: Period
    stage: str
    segment: str
    base: float | None
    rate: float | None
    goal: float | None

    @property
    def wanted(self) -> float | None:
        """The goal, said or implied by base and rate."""
        if self.goal is not None or self.base is None or self.rate is None:
            return self.goal
        return self.base * self.rate


@dataclass(frozen=True)
class Decisions:
    """Everything decided, read once for an answer. Settings are lists of versions, oldest first; `segments` are the
    chains of those segments that have one of their own."""

    chain: Chain
    definition_version: int
    settings: Mapping[str, Sequence[Version]] = field(default_factory=dict)
    targets: Sequence[Target] = ()
    segments: Mapping[str, Chain] = field(default_factory=dict)

    def chain_of(self, segment: str | None) -> Chain:
        """A segment's own chain, or everyone's."""
        return self.segments.get(segment or "", self.chain)

    def setting(self, name: str, day: date) -> Any:
        """What holds on `day`: the last version that began by then, or the first that began later."""
        versions = self.settings.get(name, ())
        begun = [version for version in versions if version.valid_from <= day]
        found = begun[-1] if begun else next(iter(versions), None)
        return found.value if found else None

    @property
    def first_month(self) -> int:
        """The month a fiscal year begins with; it is not changed by the day it is asked for."""
        versions = self.settings.get(FIRST_MONTH, ())
        return int(versions[-1].value) if versions else 4

    def plan_rate(self, currency: str, target: str, company: str, day: date) -> Decimal | None:
        """`target` per one major unit of `currency`, as planned for the fiscal year of `day`; None where not planned.

        The rates of a year are those in force on its first day, or the first decided within it.
        """
        if currency == target:
            return Decimal(1)
        year = fiscal_year(day, self.first_month)
        versions = self.settings.get(PLAN_RATES, ())
        begun = [version for version in versions if version.valid_from <= year.start]
        within = [version for version in versions if year.start < version.valid_from < year.end]
        found = begun[-1:] or within[:1]
        rates = {company: 1, **(found[0].value if found else {})}
        if currency not in rates or target not in rates:
            return None
        return Decimal(str(rates[currency])) / Decimal(str(rates[target]))

    def target(self, stage: str, segment: str, period: Period, *, kept: bool = False) -> Target | None:
        """The target of exactly this period, or of the shorter ones that fill it without a gap.

        Where the goal is what is `kept`, a state and no entry, the last of them says what it is to be in the end, and
        what each begins with is what the one before was to end with.
        """
        mine = [t for t in self.targets if t.stage == stage and t.segment == segment]
        exact = next((t for t in mine if t.period == period), None)
        return exact or (_last if kept else _sum)(_tiles(mine, period), period)


def _tiles(targets: Sequence[Target], period: Period) -> list[Target]:
    """From the start of `period`, always the longest target that still fits; empty where one is missing."""
    found: list[Target] = []
    start = period.start
    while start < period.end:
        fitting = [t for t in targets if t.period.start == start and t.period.end <= period.end]
        if not fitting:
            return []
        found.append(max(fitting, key=lambda t: t.period.end))
        start = found[-1].period.end
    return found


def _sum(parts: Sequence[Target], period: Period) -> Target | None:
    if not parts:
        return None
    bases = [part.base for part in parts if part.base is not None]
    goals = [goal for part in parts if (goal := part.wanted) is not None]
    base = sum(bases) if len(bases) == len(parts) else None
    goal = sum(goals) if len(goals) == len(parts) else None
    rate = goal / base if goal is not None and base else None
    return Target(period, parts[0].stage, parts[0].segment, base, rate, goal)


def _last(parts: Sequence[Target], period: Period) -> Target | None:
    if not parts:
        return None
    base, goal = parts[0].base, parts[-1].wanted
    for before, part in pairwise(parts):
        if base is not None:
            base = None if part.base is None or before.wanted is None else base + part.base - before.wanted
    rate = goal / base if goal is not None and base else None
    return Target(period, parts[0].stage, parts[0].segment, base, rate, goal)
