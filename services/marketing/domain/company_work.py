"""A company somebody already works for: who has it, and whose work a new lead of that company joins."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.marketing.domain.document import Document


class WorkKind(StrEnum):
    CONTRACT = "contract"
    OPPORTUNITY = "opportunity"
    CLAIMED_LEAD = "claimed_lead"


@dataclass(frozen=True)
class CompanyRules(Document):
    """`joins`: the kinds of work a new lead of the company joins instead of becoming new work, the first one first."""

    joins: tuple[WorkKind, ...] = tuple(WorkKind)


@dataclass(frozen=True, slots=True)
class Work:
    """`ref` is the contract's or the opportunity's id, or `<lead id>/<cycle>`."""

    kind: WorkKind
    ref: str
    account: UUID
    lead: UUID | None
    owner: str | None
    since: datetime


def joined(works: Iterable[Work], rules: CompanyRules) -> Work | None:
    """The work a lead joins: by the order of the rule, then the newest."""
    found = [work for work in works if work.kind in rules.joins]
    return min(found, key=lambda work: (rules.joins.index(work.kind), -work.since.timestamp()), default=None)
