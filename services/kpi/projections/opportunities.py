"""One opportunity: its states, and its entries into opportunity, won and lost."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from services.kpi.projections import facts as told
from services.kpi.projections.dimensions import CHANNEL, Carried, Telling
from services.kpi.projections.facts import Amount, Fact
from services.kpi.projections.rows import OpportunityState, Passage
from services.kpi.projections.spells import Spell, follow, spells

OFFERED, OPEN, WON, LOST, RETURNED = "offered", "open", "won", "lost", "returned"
CLOSED = frozenset({WON, LOST})
FROM_THE_CHAIN = "sql"
RESULTS = {told.DEAL_WON: WON, told.DEAL_LOST: LOST}


@dataclass(frozen=True, slots=True)
class Link:
    """Whose opportunity it is, as the latest fact that says so tells."""

    opportunity_id: UUID
    lead_id: UUID | None
    cycle: int | None
    account_id: UUID | None


@dataclass(frozen=True, slots=True)
class Opportunity:
    link: Link
    states: Sequence[OpportunityState]
    passages: Sequence[Passage]


def company_of(facts: Sequence[Fact]) -> UUID | None:
    """The company a deal is with: whose contract came of it, else the latest told."""
    for known in (told.CONTRACT_STARTED, told.CUSTOMER_ACCEPTED, None):
        for fact in reversed(facts):
            if fact.account_id is not None and known in (fact.type, None):
                return fact.account_id
    return None


def fold_opportunity(facts: Sequence[Fact], link: Link, lead: Carried | None) -> Opportunity:
    """`facts` are the opportunity's own, in order; `lead` what its person is known by."""
    own = [fact for fact in facts if fact.publisher == "field_sales"]
    sliced = _Slices(own, lead)
    states = _states([fact for fact in facts if fact.publisher != "customer_success"], link, sliced)
    passages = _passages(own, link, sliced)
    for passage in passages:
        if passage.milestone == WON:
            passage.stays = _stays(states, passage.at)
    return Opportunity(link, states, passages)


class _Slices:
    """An opportunity's own values before its lead's, but for the channel: that is where the person came from."""

    def __init__(self, own: Sequence[Fact], lead: Carried | None) -> None:
        self._own = Carried(Telling(fact.occurred_at, fact.publisher, fact.dimensions) for fact in own)
        self._lead = lead

    def at(self, fact: Fact) -> dict[str, str]:
        mine = self._own.at(fact.occurred_at, fact.publisher, fact.dimensions)
        if self._lead is None:
            return mine
        return _under(self._lead.at(fact.occurred_at, fact.publisher, {}), mine)

    @property
    def latest(self) -> dict[str, str]:
        return {**(self._lead.latest if self._lead else {}), **self._own.latest}


def _under(lead: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    found = {**lead, **own}
    if CHANNEL in lead:
        found[CHANNEL] = lead[CHANNEL]
    return found


def _passages(own: Sequence[Fact], link: Link, sliced: _Slices) -> list[Passage]:
    opened = next((fact for fact in own if fact.type == told.OPPORTUNITY_OPENED), None)
    found = []
    if opened is not None:
        entry = _passage("opportunity", 0, Spell("opportunity", opened, None), link, sliced)
        entry.outside = opened.data.get("origin", FROM_THE_CHAIN) != FROM_THE_CHAIN
        entry.mrr, entry.amount = _value(own, opened)
        found.append(entry)
    numbers = {WON: 0, LOST: 0}
    for spell in spells(own, RESULTS, {name: {told.DEAL_REOPENED} for name in CLOSED}):
        fact, entry = spell.fact, _passage(spell.name, numbers[spell.name], spell, link, sliced)
        numbers[spell.name] += 1
        entry.mrr, entry.amount = _value(own, fact)
        entry.since = opened.occurred_at if opened and opened.occurred_at <= fact.occurred_at else None
        entry.starts_on = day(fact.data, "billing_starts_on") or day(fact.data, "starts_on")
        found.append(entry)
    return found


def _passage(name: str, ordinal: int, spell: Spell, link: Link, sliced: _Slices) -> Passage:
    return Passage(
        milestone=name,
        subject=link.opportunity_id,
        ordinal=ordinal,
        at=spell.fact.occurred_at,
        until=spell.until,
        event_id=spell.fact.id,
        lead_id=link.lead_id,
        cycle=link.cycle,
        opportunity_id=link.opportunity_id,
        account_id=link.account_id,
        reason=spell.fact.data.get("reason"),
        dimensions=sliced.at(spell.fact),
        latest=sliced.latest,
    )


def _value(own: Sequence[Fact], entry: Fact) -> tuple[Amount | None, Amount | None]:
    """MRR and amount as last told when `entry` was; what comes with another fact of the same moment counts."""
    mrr = amount = None
    for fact in own:
        if fact.occurred_at > entry.occurred_at:
            break
        mrr, amount = fact.mrr or mrr, fact.amount or amount
    return entry.mrr or mrr, entry.amount or amount


def _states(facts: Sequence[Fact], link: Link, sliced: _Slices) -> list[OpportunityState]:
    found: list[OpportunityState] = []
    state = _Progress()
    for fact in facts:
        state.take(fact)
        if state.status is None:
            continue
        follow(found, _state(state, fact, link, sliced))
    for before, this in pairwise([None, *found]):
        if this and this.status == OPEN:
            stayed = before and before.phase == this.phase and before.phase_since
            this.phase_since = stayed or this.at
    return found


def _stays(states: Sequence[OpportunityState], until: datetime) -> Mapping[str, float]:
    found: defaultdict[str, float] = defaultdict(float)
    for state in states:
        if state.status == OPEN and state.phase and state.at < until:
            found[state.phase] += (min(state.until or until, until) - state.at).total_seconds()
    return found


def _state(state: "_Progress", fact: Fact, link: Link, sliced: _Slices) -> OpportunityState:
    assert state.status is not None
    return OpportunityState(
        opportunity_id=link.opportunity_id,
        at=fact.occurred_at,
        until=None,
        status=state.status,
        lead_id=link.lead_id,
        cycle=link.cycle,
        account_id=link.account_id,
        origin=state.origin,
        opened_at=state.opened_at,
        closed_at=state.closed_at,
        reopens=state.reopens,
        phase=state.phase,
        forecast_category=state.forecast_category,
        expected_close_date=state.expected_close_date,
        mrr=state.mrr,
        amount=state.amount,
        dimensions=sliced.at(fact),
        latest=sliced.latest,
    )


class _Progress:
    """An opportunity while its facts are read in order. A fact that does not fit the status leaves it as it is."""

    def __init__(self) -> None:
        self.status: str | None = None
        self.origin: str | None = None
        self.opened_at: datetime | None = None
        self.closed_at: datetime | None = None
        self.reopens = 0
        self.phase: str | None = None
        self.forecast_category: str | None = None
        self.expected_close_date: date | None = None
        self.mrr: Amount | None = None
        self.amount: Amount | None = None

    def take(self, fact: Fact) -> None:
        self._move(fact)
        if fact.type == told.SQL_ACCEPTED:
            return
        self.phase = fact.data.get("phase") or self.phase
        self.forecast_category = fact.data.get("forecast_category") or self.forecast_category
        self.expected_close_date = day(fact.data, "expected_close_date") or self.expected_close_date
        self.mrr, self.amount = fact.mrr or self.mrr, fact.amount or self.amount

    def _move(self, fact: Fact) -> None:
        closed = self.status in CLOSED
        match fact.type:
            case told.SQL_ACCEPTED | told.SQL_RECEIVED if self.status in (None, RETURNED):
                self.status = OFFERED
            case told.OPPORTUNITY_OPENED:
                if self.opened_at is None:
                    self.opened_at, self.origin = fact.occurred_at, fact.data.get("origin", FROM_THE_CHAIN)
                self.status = self.status if closed else OPEN
            case told.SQL_RETURNED if self.status in (None, OFFERED):
                self.status = RETURNED
            case told.DEAL_WON | told.DEAL_LOST if self.status != RESULTS[fact.type]:
                self.status, self.closed_at = RESULTS[fact.type], fact.occurred_at
            case told.DEAL_REOPENED if closed:
                self.status, self.closed_at, self.reopens = OPEN, None, self.reopens + 1


def day(data: Mapping[str, Any], name: str) -> date | None:
    return date.fromisoformat(data[name]) if data.get(name) else None
