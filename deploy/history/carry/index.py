"""What the whole history knows: names by id, and what is told of a thing further on."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from deploy.history.telling import Telling
from shared.contracts.customer_success import CustomerChurned, PromiseReviewed
from shared.contracts.feedback import FeedbackGivenBase, FeedbackUpdatedBase
from shared.contracts.inside_sales import SqlAccepted
from shared.contracts.marketing import AccountCreated, MqlCreated
from shared.ids import told_id

Cycle = tuple[str, int]


@dataclass
class Index:
    """`mqls` and `sqls` are the cycles told to be such, `promises` how many are spoken of, by account."""

    names: dict[tuple[str, UUID], str] = field(default_factory=dict)
    mqls: set[Cycle] = field(default_factory=set)
    sqls: set[Cycle] = field(default_factory=set)
    promises: dict[str, int] = field(default_factory=dict)
    companies: dict[str, str] = field(default_factory=dict)
    churns: dict[tuple[UUID, datetime], CustomerChurned] = field(default_factory=dict)
    journeys: dict[UUID, str] = field(default_factory=dict)

    @classmethod
    def of(cls, tellings: Iterable[Telling]) -> "Index":
        index, told = cls(), list(tellings)
        for telling in told:
            for kind, name in telling.names.items():
                index.names[kind, told_id(kind, name)] = name
        for telling in told:
            index._learn(telling)
        for telling in told:
            for thing in _things(telling.event):
                index.journeys.setdefault(thing, telling.key)
        return index

    def _learn(self, telling: Telling) -> None:
        match telling.event:
            case MqlCreated(lead_id=lead, cycle=cycle):
                self.mqls.add((self.name("lead", lead), cycle))
            case SqlAccepted(lead_id=lead, cycle=cycle):
                self.sqls.add((self.name("lead", lead), cycle))
            case PromiseReviewed(account_id=account, number=number):
                name = self.name("account", account)
                self.promises[name] = max(number, self.promises.get(name, 0))
            case AccountCreated(account_id=account, account_name=str(company)):
                self.companies[self.name("account", account)] = company
            case FeedbackGivenBase(feedback_id=item, external_id=str(name)):
                self.names["feedback", item] = name
            case CustomerChurned() as churned:
                self.churns[churned.account_id, telling.at] = churned

    def name(self, kind: str, ours: UUID | None) -> str:
        """The outside id behind an id; the id itself where the history has no other."""
        return self.names.get((kind, ours), str(ours)) if ours else ""

    def outside(self, kind: str, ours: str) -> str:
        """The same for an id that came as text, or is an outside one already."""
        try:
            return self.name(kind, UUID(ours))
        except ValueError:
            return ours

    def is_lead(self, name: str) -> bool:
        return ("lead", told_id("lead", name)) in self.names

    def journey(self, telling: Telling) -> str:
        """Whose order it follows: all that is told of a person, a deal or a customer follows each other."""
        return next((self.journeys[thing] for thing in _things(telling.event) if thing in self.journeys), telling.key)


def _things(event: Any) -> list[UUID]:
    """What it tells of, a person first. Feedback goes its own way, whatever it speaks of."""
    if isinstance(event, FeedbackGivenBase | FeedbackUpdatedBase):
        return []
    found = (getattr(event, f"{name}_id", None) for name in ("lead", "opportunity", "account"))
    return [thing for thing in found if isinstance(thing, UUID)]
