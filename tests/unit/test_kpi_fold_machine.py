"""The folds over a history that could have been, of which anything may not have come yet, or came twice: what they say
is what a slow and obvious reading of the facts that came says, and in the end what the same facts say in their order.

`test_kpi_folds_by_model.py` has what holds of any facts, also of such as no company ever tells.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis.stateful import invariant

from services.kpi.projections import facts as told
from services.kpi.projections.accounts import fold_account
from services.kpi.projections.facts import Fact
from services.kpi.projections.identity import fold_aliases, journeys
from services.kpi.projections.journeys import fold_journey
from services.kpi.projections.rows import (
    BOOKED,
    FUNNEL,
    LIVE,
    Appointment,
    CustomerSpan,
    Movement,
    OpportunityState,
    Passage,
    Place,
    Term,
)
from tests.support.kpi_history import KpiHistory
from tests.support.kpi_model import RESULTS, Model

ENTRIES = {
    "lead": (told.LEAD_CREATED, told.LEAD_RECYCLED),
    "mql": (told.MQL_CREATED,),
    "sql": (told.SQL_ACCEPTED, told.SQL_RECEIVED),
    "opportunity": (told.OPPORTUNITY_OPENED,),
}


@dataclass
class Folded:
    """What the folds make of some facts."""

    passages: list[Passage] = field(default_factory=list)
    states: list[OpportunityState] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    movements: list[Movement] = field(default_factory=list)
    spans: list[CustomerSpan] = field(default_factory=list)
    appointments: list[Appointment] = field(default_factory=list)
    terms: list[Term] = field(default_factory=list)

    @classmethod
    def of(cls, facts: Sequence[Fact]) -> "Folded":
        found = cls()
        for journey in map(fold_journey, journeys(facts)):
            found.passages += journey.passages
            found.states += journey.states
            found.places += journey.places
            found.appointments += journey.appointments
        roots = {alias.id: alias.canonical_id for alias in fold_aliases(f for f in facts if f.type in told.MERGE_TYPES)}
        of: defaultdict[UUID, tuple[list[Fact], list[Passage]]] = defaultdict(lambda: ([], []))
        for fact in facts:
            if fact.type in told.ACCOUNT_TYPES and fact.account_id:
                of[roots.get(fact.account_id, fact.account_id)][0].append(fact)
        for passage in found.passages:
            if passage.milestone == "won" and passage.customer:
                of[roots.get(passage.customer, passage.customer)][1].append(passage)
        for root, (mine, won) in of.items():
            account = fold_account(root, mine, won, UTC)
            found.movements += account.movements
            found.spans += account.spans
            found.passages += account.passages
            found.terms += account.terms
        return found

    def rows(self) -> list[str]:
        rows = (self.passages, self.states, self.places, self.movements, self.spans, self.appointments, self.terms)
        return sorted(repr(row) for kind in rows for row in kind)


def holds(rows: Sequence[Any]) -> list[Any]:
    return [row for row in rows if row.until is None]


def agree_on_ways(found: Folded, model: Model) -> None:
    places = {(place.lead_id, place.cycle): place.place for place in holds(found.places)}
    assert len(places) == len(holds(found.places)), "a cycle is in two places"
    assert places == {cycle: place for cycle, facts in model.cycles().items() if (place := model.place(facts))}
    for milestone, kinds in ENTRIES.items():
        deals = milestone == "opportunity"
        told_at: defaultdict[Any, list[datetime]] = defaultdict(list)
        for cycle, facts in model.cycles().items():
            for fact in facts:
                if fact.type in kinds:
                    told_at[fact.opportunity_id if deals else cycle].append(fact.occurred_at)
        entries = [p for p in found.passages if p.milestone == milestone and p.lead_id]
        assert {p.opportunity_id if deals else (p.lead_id, p.cycle): p.at for p in entries} == {
            unit: min(times) for unit, times in told_at.items()
        }
        assert len(entries) == len(told_at), "one entry is counted twice"


def agree_on_deals(found: Folded, model: Model) -> None:
    states = {state.opportunity_id: state for state in holds(found.states)}
    statuses = {deal: status for deal in model.deals if (status := model.status(deal))}
    assert {deal: state.status for deal, state in states.items()} == statuses
    assert {d: s.reopens for d, s in states.items()} == {d: model.reopens(d) for d in statuses}
    named = {deal for deal, status in statuses.items() if status not in ("offered", "returned")}
    assert {deal: states[deal].mrr for deal in named} == {deal: model.mrr(deal) for deal in named}
    for result in RESULTS.values():
        now = [passage.opportunity_id for passage in holds(found.passages) if passage.milestone == result]
        assert sorted(now, key=str) == sorted((d for d, status in statuses.items() if status == result), key=str)


def agree_on_money(found: Folded, model: Model) -> None:
    for basis in (BOOKED, LIVE):
        sums: defaultdict[UUID, int] = defaultdict(int)
        for row in found.movements:
            sums[row.account_id] += row.delta if row.basis == basis else 0
        assert {customer: amount for customer, amount in sums.items() if amount} == model.paid()
    under_contract = [span.account_id for span in holds(found.spans)]
    assert sorted(under_contract, key=str) == sorted((c for c, paid in model.paid().items() if paid > 0), key=str)


def agree_on_appointments_and_terms(found: Folded, model: Model) -> None:
    meetings = holds(found.appointments)
    assert {
        str(m.appointment_id): (m.start_at.isoformat(), m.held, m.missed, m.cancelled, m.moves) for m in meetings
    } == model.appointments()
    assert {(t.contract_id, str(t.due_on)): t.term_months for t in holds(found.terms)} == model.terms()
    assert len(holds(found.terms)) == len(model.terms()), "one term is told twice"


def nothing_exceeds_what_came_before_it(found: Folded) -> None:
    """A later milestone implies the earlier ones, entered or skipped: no rate of who got so far is above 100 %."""
    reached: defaultdict[str, set[Any]] = defaultdict(set)
    outside = {p.opportunity_id for p in found.passages if p.milestone == "opportunity" and p.outside}
    for passage in found.passages:
        if passage.milestone in FUNNEL and passage.lead_id and passage.opportunity_id not in outside:
            for milestone in (passage.milestone, *passage.skipped):
                reached[milestone].add((passage.lead_id, passage.cycle))
    for earlier, later in pairwise(FUNNEL[:6]):
        assert reached[later] <= reached[earlier], f"{later} without {earlier}"


class Folds(KpiHistory):
    @invariant()
    def the_folds_say_what_reading_all_of_it_says(self) -> None:
        found, model = Folded.of(self.heard), Model(self.heard)
        agree_on_ways(found, model)
        agree_on_deals(found, model)
        agree_on_money(found, model)
        agree_on_appointments_and_terms(found, model)
        nothing_exceeds_what_came_before_it(found)

    def teardown(self) -> None:
        self.hear(self.the_rest())
        self.the_folds_say_what_reading_all_of_it_says()
        found = Folded.of(self.heard)
        assert found.rows() == Folded.of(self.told).rows(), "another order, other figures"
        balances: defaultdict[Any, int] = defaultdict(int)
        for row in sorted((row for row in found.movements if row.basis == BOOKED), key=lambda row: row.at):
            balances[row.account_id] += row.delta
            assert balances[row.account_id] >= 0, "nobody pays less than nothing"


Folds.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestFolds = Folds.TestCase
