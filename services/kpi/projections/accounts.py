"""A customer: what it pays each month, what every change of that is called, when it was under contract.

MRR comes from two kinds of facts only: the opening of a contract (a deal won, restated by the contract that started
of it) and changes of a subscription. Who told them never names the movement; the account's own course does.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from typing import Any, NamedTuple
from uuid import UUID

from services.kpi.projections import facts as told
from services.kpi.projections.dimensions import Carried, Telling
from services.kpi.projections.facts import Amount, Fact, in_order
from services.kpi.projections.opportunities import day
from services.kpi.projections.rows import BOOKED, LIVE, CustomerSpan, Movement, Passage, Term
from services.kpi.projections.spells import Spell
from services.kpi.projections.terms import fold_terms

NEW, EXPANSION, CONTRACTION, CHURN, REACTIVATION = "new", "expansion", "contraction", "churn", "reactivation"
KINDS = (NEW, EXPANSION, CONTRACTION, CHURN, REACTIVATION)


@dataclass
class Account:
    """The rows of one customer."""

    movements: list[Movement] = field(default_factory=list)
    spans: list[CustomerSpan] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)
    terms: list[Term] = field(default_factory=list)


class _Change(NamedTuple):
    """MRR up or down at a moment, and what it is sliced by: as was told, which may be before or after that moment."""

    at: datetime
    mrr: Amount
    told: Telling


def _of_deal(at: datetime, mrr: Amount, deal: Passage) -> _Change:
    return _Change(at, mrr, Telling(deal.at, "field_sales", deal.dimensions))


def _of_fact(at: datetime, mrr: Amount, fact: Fact) -> _Change:
    return _Change(at, mrr, Telling(fact.occurred_at, fact.publisher, fact.dimensions))


class _Deal(NamedTuple):
    """Whose account it is at a moment: the last deal won with it until then."""

    lead_id: UUID | None
    cycle: int | None
    opportunity_id: UUID | None


def fold_account(account_id: UUID, facts: Iterable[Fact], won: Iterable[Passage], zone: tzinfo) -> Account:
    """`facts` and the `won` passages of everyone who is this account, in any order; `zone` is where a day begins."""
    told_of_it = [fact for fact in in_order(facts) if fact.type in told.ACCOUNT_TYPES]
    ordered = [fact for fact in told_of_it if fact.type != told.CONTRACT_RENEWED]
    deals = sorted(won, key=lambda passage: (passage.at, passage.subject.int, passage.ordinal))
    about = _About(ordered, deals)
    found = Account(passages=_passages(account_id, ordered, about), terms=fold_terms(told_of_it, about.latest))
    for basis in (BOOKED, LIVE):
        changes = [*_openings(ordered, deals, basis, zone), *_subscriptions(ordered, deals, basis, zone)]
        course = _Course(account_id, basis, about)
        for at, together in _by_moment(changes):
            course.take(at, together)
        found.movements += course.movements
        found.spans += course.spans if basis == BOOKED else []
    return found


class _About:
    """What an account's rows are sliced by, and the deal they are credited to."""

    def __init__(self, facts: Sequence[Fact], deals: Sequence[Passage]) -> None:
        tellings = [Telling(fact.occurred_at, fact.publisher, fact.dimensions) for fact in facts]
        tellings += [Telling(deal.at, "field_sales", deal.dimensions) for deal in deals]
        self._known = Carried(sorted(tellings, key=lambda telling: telling.at))
        self._deals = deals

    def at(self, moment: datetime, publisher: str, told_then: Mapping[str, str]) -> dict[str, str]:
        return self._known.at(moment, publisher, told_then)

    @property
    def latest(self) -> dict[str, str]:
        return self._known.latest

    def deal(self, moment: datetime) -> _Deal:
        for deal in reversed(self._deals):
            if deal.at <= moment:
                return _Deal(deal.lead_id, deal.cycle, deal.opportunity_id)
        return _Deal(None, None, None)


def _openings(facts: Sequence[Fact], deals: Sequence[Passage], basis: str, zone: tzinfo) -> Iterator[_Change]:
    """Contracts opened, and taken back where the deal was reopened. The contract's amount wins over the deal's."""
    contracts = _contracts(facts)
    for deal in deals:
        contract = contracts.get(str(deal.opportunity_id))
        mrr = contract.mrr if contract and contract.mrr else deal.mrr
        if mrr is None:
            continue
        start = deal.at if basis == BOOKED else _billed(deal, contract, zone)
        if deal.until is None or start < deal.until:
            yield _of_deal(start, mrr, deal)
            if deal.until is not None:
                yield _of_deal(deal.until, Amount(-mrr.amount, mrr.currency), deal)
    sold = {str(deal.opportunity_id) for deal in deals}
    for key, contract in contracts.items():
        if key not in sold and contract.mrr is not None:
            start = contract.occurred_at if basis == BOOKED else _starts(contract, zone)
            yield _of_fact(start, contract.mrr, contract)


def _contracts(facts: Sequence[Fact]) -> dict[str, Fact]:
    """By opening key, as last told."""
    return {fact.data["opening_key"]: fact for fact in facts if fact.type == told.CONTRACT_STARTED}


def _billed(deal: Passage, contract: Fact | None, zone: tzinfo) -> datetime:
    if contract is not None:
        return _starts(contract, zone)
    return _midnight(deal.starts_on, zone) if deal.starts_on else deal.at


def _starts(contract: Fact, zone: tzinfo) -> datetime:
    starts = day(contract.data, "billing_starts_on") or day(contract.data, "starts_on")
    return _midnight(starts, zone) if starts else contract.occurred_at


def _midnight(starts: date, zone: tzinfo) -> datetime:
    return datetime(starts.year, starts.month, starts.day, tzinfo=zone).astimezone(UTC)


def _subscriptions(facts: Sequence[Fact], deals: Sequence[Passage], basis: str, zone: tzinfo) -> Iterator[_Change]:
    """Changes of a running contract; on the live basis none counts before its contract is billed."""
    billed: dict[Any, datetime] = {}
    if basis == LIVE:
        by_deal = {str(deal.opportunity_id): deal for deal in deals}
        for key, contract in _contracts(facts).items():
            deal = by_deal.get(key)
            billed[contract.contract_id] = _billed(deal, contract, zone) if deal else _starts(contract, zone)
    for fact in facts:
        if fact.type == told.SUBSCRIPTION_CHANGED and fact.mrr is not None:
            start = billed.get(fact.contract_id, fact.occurred_at) if fact.contract_id else fact.occurred_at
            yield _of_fact(max(fact.occurred_at, start), fact.mrr, fact)


def _by_moment(changes: Iterable[_Change]) -> list[tuple[datetime, list[_Change]]]:
    """Changes of one moment are one change: a plan exchanged for another is no churn."""
    moments: defaultdict[datetime, list[_Change]] = defaultdict(list)
    for change in changes:
        moments[change.at].append(change)
    return sorted(moments.items())


class _Course:
    """An account's MRR over time, per currency; a customer is who pays above zero in any."""

    def __init__(self, account_id: UUID, basis: str, about: _About) -> None:
        self._account_id, self._basis, self._about = account_id, basis, about
        self._balance: defaultdict[str, int] = defaultdict(int)
        self._last: dict[str, Movement] = {}
        self._was_customer = False
        self.movements: list[Movement] = []
        self.spans: list[CustomerSpan] = []

    def take(self, at: datetime, together: Sequence[_Change]) -> None:
        before = self._pays()
        deltas: defaultdict[str, int] = defaultdict(int)
        for change in together:
            deltas[change.mrr.currency] += change.mrr.amount
            self._balance[change.mrr.currency] += change.mrr.amount
        after = self._pays()
        tellings = sorted((change.told for change in together), key=lambda telling: telling.at)
        values = {name: value for telling in tellings for name, value in telling.values.items()}
        sliced = self._about.at(at, tellings[-1].publisher, values)
        deal = self._about.deal(at)
        for currency, delta in sorted(deltas.items()):
            if delta:
                about = (*deal, sliced, self._about.latest, self._balance[currency])
                kind = self._kind(before, after, delta)
                if currency in self._last:
                    self._last[currency].until = at
                self._last[currency] = Movement(self._account_id, self._basis, at, currency, kind, delta, *about)
                self.movements.append(self._last[currency])
        if after and not before:
            self.spans.append(CustomerSpan(self._account_id, at, None, *deal, sliced, self._about.latest))
        elif before and not after:
            self.spans[-1].until = at
        self._was_customer = self._was_customer or after

    def _pays(self) -> bool:
        return any(amount > 0 for amount in self._balance.values())

    def _kind(self, before: bool, after: bool, delta: int) -> str:
        if before and not after:
            return CHURN
        if after and not before:
            return REACTIVATION if self._was_customer else NEW
        return EXPANSION if delta > 0 else CONTRACTION


def _passages(account_id: UUID, facts: Sequence[Fact], about: _About) -> list[Passage]:
    """Taken over once a deal, onboarded once."""
    found: list[Passage] = []
    seen: set[tuple[str, UUID | None]] = set()
    names = {told.CUSTOMER_ACCEPTED: "customer", told.ONBOARDING_COMPLETED: "onboarded"}
    for fact in facts:
        name = names.get(fact.type)
        key = (name or "", fact.opportunity_id if name == "customer" else None)
        if name is None or key in seen:
            continue
        seen.add(key)
        accepted = any(p.milestone == "customer" and p.at <= fact.occurred_at for p in found)
        skipped = ("customer",) if name == "onboarded" and not accepted else ()
        ordinal = sum(1 for passage in found if passage.milestone == name)
        found.append(_passage(account_id, Spell(name, fact, None), ordinal, skipped, about))
    return found


def _passage(account_id: UUID, spell: Spell, ordinal: int, skipped: tuple[str, ...], about: _About) -> Passage:
    fact = spell.fact
    deal = about.deal(fact.occurred_at)
    return Passage(
        milestone=spell.name,
        subject=account_id,
        ordinal=ordinal,
        at=fact.occurred_at,
        until=None,
        event_id=fact.id,
        lead_id=fact.lead_id or deal.lead_id,
        cycle=fact.cycle or deal.cycle,
        opportunity_id=fact.opportunity_id or deal.opportunity_id,
        account_id=account_id,
        skipped=skipped,
        dimensions=about.at(fact.occurred_at, fact.publisher, fact.dimensions),
        latest=about.latest,
    )
