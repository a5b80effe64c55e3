"""The way back (リサイクル): which ended cycles open again as the next one, and when."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal, get_args

from services.marketing.domain.document import Document
from services.marketing.domain.lifecycle import Fact, Milestone

CycleSource = Literal["mql_rejected", "no_opportunity", "unfollowed", "sql_returned", "deal_lost", "dormant_customer"]
SOURCES: tuple[CycleSource, ...] = get_args(CycleSource)
NOT_ICP = "not_icp"
UNFOLLOWED = "unfollowed"

_SOURCE_OF: dict[Milestone, CycleSource] = {
    Milestone.REJECTED: "mql_rejected",
    Milestone.DROPPED: "no_opportunity",
    Milestone.RETURNED: "sql_returned",
    Milestone.LOST: "deal_lost",
    Milestone.WON: "dormant_customer",
    Milestone.DORMANT: "dormant_customer",
    Milestone.CHURNED: "dormant_customer",
}


@dataclass(frozen=True)
class SourceRule(Document):
    """`wait_days` where no date was agreed; `hand_over`: inside sales re-approaches, without a new score hurdle."""

    recycle: bool = True
    wait_days: int = 0
    hand_over: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.wait_days <= 3650:
            raise ValueError("wait_days is from 0 to 3650")


@dataclass(frozen=True)
class RecyclingRules(Document):
    """`never` are the reasons with which nobody comes back (対象外)."""

    sources: dict[CycleSource, SourceRule] = field(default_factory=dict)
    never: tuple[str, ...] = (NOT_ICP,)

    def __post_init__(self) -> None:
        if NOT_ICP not in self.never:
            raise ValueError(f"{NOT_ICP} never comes back")

    def of(self, source: CycleSource) -> SourceRule:
        return self.sources.get(source, SourceRule())


@dataclass(frozen=True, slots=True)
class Return:
    """`on` is the day to come back; None is at once."""

    source: CycleSource
    on: date | None
    hand_over: bool


def source_of(end: Fact) -> CycleSource:
    if end.kind is Milestone.DROPPED and end.reason == UNFOLLOWED:
        return "unfollowed"
    return _SOURCE_OF[end.kind]


def way_back(end: Fact, ended_on: date, rules: RecyclingRules) -> Return | None:
    """How an ended cycle comes back by rule; None when it does not. A won customer only after they left or slept."""
    source = source_of(end)
    rule = rules.of(source)
    if end.kind is Milestone.WON or not end.recyclable or not rule.recycle or end.reason in rules.never:
        return None
    waits = ended_on + timedelta(days=rule.wait_days) if rule.wait_days else None
    return Return(source, end.revisit_on or waits, rule.hand_over)
