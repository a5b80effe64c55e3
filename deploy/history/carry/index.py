"""What the whole history knows: names by id, and what is told of a thing further on."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from deploy.history.telling import Telling
from shared.contracts.customer_success import CustomerChurned, PromiseReviewed, SubscriptionChanged
from shared.contracts.feedback import FeedbackGivenBase, FeedbackUpdatedBase
from shared.contracts.field_sales import CapacityChanged
from shared.contracts.inside_sales import SqlAccepted
from shared.contracts.marketing import AccountCreated, MqlCreated, SpendRecorded, VisitsRecorded
from shared.ids import told_id

Cycle = tuple[str, int]


@dataclass
class Index:
    """`mqls` and `sqls` are the cycles told to be such, `promises` how many are spoken of, by account.

    `finals` are the last values told of what is replaced, `deltas` the sums of what changed in one moment.
    """

    names: dict[tuple[str, UUID], str] = field(default_factory=dict)
    mqls: set[Cycle] = field(default_factory=set)
    sqls: set[Cycle] = field(default_factory=set)
    promises: dict[str, int] = field(default_factory=dict)
    companies: dict[str, str] = field(default_factory=dict)
    churns: dict[tuple[UUID, datetime], CustomerChurned] = field(default_factory=dict)
    journeys: dict[UUID, str] = field(default_factory=dict)
    finals: dict[tuple[Any, ...], Any] = field(default_factory=dict)
    deltas: Counter[tuple[Any, ...]] = field(default_factory=Counter)

    @classmethod
    def of(cls, tellings: Iterable[Telling]) -> "Index":
        index, told = cls(), list(tellings)
        for telling in told:
            for kind, name in telling.names.items():
                index.names[kind, told_id(kind, name)] = name
        for telling in told:
            index._learn(telling)
            if replaced := _replaced(telling.event):
                index.finals[replaced[0]] = replaced[1]
            if isinstance(telling.event, SubscriptionChanged):
                index.deltas[_moment(telling)] += telling.event.delta.amount
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

    def final(self, event: Any) -> Any:
        """The last value the history tells of what this event sets."""
        replaced = _replaced(event)
        return self.finals[replaced[0]] if replaced else None

    def delta(self, telling: Telling) -> int:
        """By how much the same contract changed in that moment, in however many lines."""
        return self.deltas[_moment(telling)]

    def journey(self, telling: Telling) -> str:
        """Whose order it follows: all that is told of a person, a deal or a customer follows each other."""
        return next((self.journeys[thing] for thing in _things(telling.event) if thing in self.journeys), telling.key)


def _things(event: Any) -> list[UUID]:
    """What it tells of, a person first. Feedback goes its own way, whatever it speaks of."""
    if isinstance(event, FeedbackGivenBase | FeedbackUpdatedBase):
        return []
    found = (getattr(event, f"{name}_id", None) for name in ("lead", "opportunity", "account"))
    return [thing for thing in found if isinstance(thing, UUID)]


def _replaced(event: Any) -> tuple[tuple[Any, ...], Any] | None:
    """Of an event that sets a value again and again: of what, and the value."""
    match event:
        case VisitsRecorded():
            return ("visits", event.date, event.channel, event.campaign), event.visitors
        case SpendRecorded():
            return ("spend", event.date, event.channel, event.campaign), event.spend.model_dump()
        case CapacityChanged():
            return ("capacity", event.rep_id), event.slots_per_week
        case PromiseReviewed():
            return ("promise", event.account_id, event.number), event.kept
    return None


def _moment(telling: Telling) -> tuple[Any, ...]:
    event: Any = telling.event
    return event.account_id, event.contract_id, event.delta.currency, telling.at
