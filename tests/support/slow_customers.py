"""What customers pay, worked out slowly from what was told: see slow_book."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from deploy.history.telling import Telling
from shared.money import Money
from tests.support.slow_book import OF_CUSTOMERS, Entry, SlowBook, Span
from tests.support.slow_stories import UNSET, department, kind, said

TOKYO = ZoneInfo("Asia/Tokyo")
KINDS = ("new", "expansion", "contraction", "churn", "reactivation")
DIMENSIONS = ("channel", "campaign", "segment", "industry", "product", "price_band", "region", "owner")


class Change(NamedTuple):
    """Of what a company pays; `sliced` is what it is sliced by, `by` the department that told it, and when."""

    at: datetime
    money: Money
    sliced: dict[str, str]
    by: str
    told_at: datetime


@dataclass
class Course:
    """One company in a span."""

    start: Fraction = Fraction(0)
    moved: dict[str, Fraction] = field(default_factory=lambda: dict.fromkeys(KINDS, Fraction(0)))
    names: set[str] = field(default_factory=set)

    @property
    def end(self) -> Fraction:
        return self.start + sum(self.moved.values())


class SlowCustomers:
    def __init__(self, book: SlowBook, basis: str = "booked") -> None:
        self.book, self._basis = book, basis
        self._sliced: dict[tuple[UUID, str], str] = {}
        self._courses: dict[Span, dict[UUID, Course]] = {}
        self.wins = self._wins()
        self.changes: defaultdict[UUID, list[Change]] = defaultdict(list)
        self._open()
        self._open_unsold()
        for one in book.told:
            if kind(one) == "subscription_changed":
                at = max(one.at, self._billed_from(said(one, "contract_id"))) if basis == "live" else one.at
                change = Change(at, said(one, "delta"), _dimensions(one), department(one), one.at)
                self.changes[book.same(said(one, "account_id"))].append(change)

    def _wins(self) -> list[tuple[Entry, datetime | None]]:
        """Every deal that was ever won, and when that was taken back."""
        found: list[tuple[Entry, datetime | None]] = []
        for deal in {said(one, "opportunity_id") for one in self.book.told if kind(one) == "deal_won"}:
            way, won = self.book.way_of(deal), None
            for one in self.book.sold_by(deal):
                if kind(one) == "deal_won" and won is None:
                    won = Entry("won", one, way, deal)
                elif kind(one) in ("deal_reopened", "deal_lost") and won is not None:
                    found.append((won, one.at))
                    won = None
            found += [(won, None)] if won else []
        return found

    def _contract(self, deal: UUID) -> Telling | None:
        told = [one for one in self.book.told if kind(one) == "contract_started"]
        return next((one for one in reversed(told) if said(one, "opening_key") == str(deal)), None)

    def _billed_from(self, contract: UUID | None) -> datetime:
        told = [one for one in self.book.told if kind(one) == "contract_started"]
        started = next((one for one in reversed(told) if said(one, "contract_id") == contract), None)
        return _midnight(said(started, "billing_starts_on") or said(started, "starts_on")) if started else _NEVER

    def _open(self) -> None:
        """By the win with what the contract says of it, whenever it says so; away again when the deal is reopened."""
        for won, until in self.wins:
            assert won.deal
            contract = self._contract(won.deal)
            money = said(contract, "mrr") if contract else self._recurring(won)
            if money is None:
                continue
            start = won.at
            if self._basis == "live" and contract:
                start = self._billed_from(said(contract, "contract_id"))
            elif self._basis == "live" and said(won.told, "billing_starts_on"):
                start = _midnight(said(won.told, "billing_starts_on"))
            company = self.book.company_of(won.way, won.deal)
            told = {name: self.book.value(won, name) for name in DIMENSIONS}
            if until is None or start < until:
                self.changes[company].append(Change(start, money, told, "field_sales", won.at))
                if until:
                    back = Money(amount=-money.amount, currency=money.currency)
                    self.changes[company].append(Change(until, back, told, "field_sales", won.at))

    def _open_unsold(self) -> None:
        """A contract nobody won the deal of opens by itself."""
        sold = {str(won.deal) for won, _ in self.wins}
        for one in self.book.told:
            if kind(one) == "contract_started" and said(one, "opening_key") not in sold:
                start = one.at if self._basis == "booked" else self._billed_from(said(one, "contract_id"))
                change = Change(start, said(one, "mrr"), _dimensions(one), department(one), one.at)
                self.changes[self.book.same(said(one, "account_id"))].append(change)

    def _recurring(self, won: Entry) -> Money | None:
        assert won.deal
        told = [said(one, "mrr") for one in self.book.sold_by(won.deal) if one.at <= won.at and said(one, "mrr")]
        return told[-1] if told else None

    def courses(self, span: Span) -> dict[UUID, Course]:
        """Every company that ever paid, in a span that ends at as_of if not before."""
        begin, end = (min(each, self.book.as_of) for each in span)
        if span not in self._courses:
            self._courses[span] = {each: self._course(changes, begin, end) for each, changes in self.changes.items()}
        return self._courses[span]

    def _course(self, changes: list[Change], begin: datetime, end: datetime) -> Course:
        found, balance, was = Course(), {"JPY": 0, "USD": 0}, False
        moments = sorted({change.at for change in changes if change.at < end})
        for moment in moments:
            before, deltas = any(amount > 0 for amount in balance.values()), {"JPY": 0, "USD": 0}
            for change in changes:
                if change.at == moment:
                    deltas[change.money.currency] += change.money.amount
            for currency, delta in deltas.items():
                balance[currency] += delta
            after = any(amount > 0 for amount in balance.values())
            for currency, delta in deltas.items():
                worth = self.book.yen(Money(amount=delta, currency=currency))
                if moment < begin:
                    found.start += worth
                elif delta:
                    name = _movement(before, after, was, delta)
                    found.moved[name] += worth
                    found.names.add(name)
            was = was or after
        return found

    def value(self, company: UUID, dimension: str) -> str:
        """An account is in the slice it began in."""
        asked = company, dimension
        if asked not in self._sliced:
            self._sliced[asked] = self._value(company, dimension)
        return self._sliced[asked]

    def _value(self, company: UUID, dimension: str) -> str:
        moment = min(change.at for change in self.changes[company])
        first = sorted((each for each in self.changes[company] if each.at == moment), key=lambda each: each.told_at)
        own = [each.sliced[dimension] for each in first if each.sliced.get(dimension, UNSET) != UNSET]
        return self._known(company, dimension, moment, first[-1].by, [UNSET, *own][-1])

    def _known(self, company: UUID, dimension: str, moment: datetime, by: str, own: str) -> str:
        """What was known of a company by then: of its deals won, and by customer success."""
        carried = [
            (one.at, department(one), _dimensions(one).get(dimension, UNSET))
            for one in self.book.told
            if kind(one) in OF_CUSTOMERS and self.book.same(said(one, "account_id")) == company
        ]
        for won, _ in self.wins:
            if self.book.company_of(won.way, won.deal) == company:
                carried.append((won.at, "field_sales", self.book.value(won, dimension)))
        known = [one for one in sorted(carried) if one[0] <= moment and one[2] != UNSET]
        if dimension == "channel":
            return [*(value for _, _, value in known), own][0]
        mine = [value for _, department, value in known if dimension != "owner" or department == by]
        return own if own != UNSET else [UNSET, *mine][-1]


_NEVER = datetime(1, 1, 1, tzinfo=UTC)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=TOKYO)


def _movement(before: bool, after: bool, was: bool, delta: int) -> str:
    if before and not after:
        return "churn"
    if after and not before:
        return "reactivation" if was else "new"
    return "expansion" if delta > 0 else "contraction"


def _dimensions(told: Telling) -> dict[str, str]:
    return {name: said(told, name) for name in DIMENSIONS if said(told, name)}
