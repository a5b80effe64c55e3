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
from services.kpi.projections.facts import Fact, in_order
from services.kpi.projections.identity import fold_aliases, journeys
from services.kpi.projections.journeys import fold_journey
from services.kpi.projections.rows import BOOKED, FUNNEL, LIVE, CustomerSpan, Movement, OpportunityState, Passage, Place
from tests.support.facts import an_id
from tests.support.kpi_history import KpiHistory

Cycle = tuple[UUID, int]
RESULTS = {told.DEAL_WON: "won", told.DEAL_LOST: "lost"}
ENDS = {
    told.MQL_REJECTED: "mql_rejected",
    told.SQL_RETURNED: "sql_rejected",
    told.LEAD_DROPPED: "dropped",
    told.DEAL_LOST: "opp_lost",
}
STEPS = {
    told.LEAD_CREATED: "nurturing",
    told.LEAD_RECYCLED: "nurturing",
    told.MQL_CREATED: "mql_waiting",
    told.MQL_ACCEPTED: "mql_working",
    told.SQL_ACCEPTED: "sql_offered",
    told.SQL_RECEIVED: "sql_offered",
}
ORDER = ("nurturing", "mql_waiting", "mql_working", "sql_offered")
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

    @classmethod
    def of(cls, facts: Sequence[Fact]) -> "Folded":
        found = cls()
        for journey in map(fold_journey, journeys(facts)):
            found.passages += journey.passages
            found.states += journey.states
            found.places += journey.places
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
        return found

    def rows(self) -> list[str]:
        return sorted(map(repr, [*self.passages, *self.states, *self.places, *self.movements, *self.spans]))


class Model:
    """The same, read slowly: for each question all facts from the beginning."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self.facts = in_order(facts)
        self.deals = {fact.opportunity_id for fact in self.facts if fact.opportunity_id}

    def of_deal(self, deal: UUID) -> list[Fact]:
        """What the departments that sell told of it."""
        return [f for f in self.facts if f.opportunity_id == deal and f.publisher != "customer_success"]

    def whose(self, deal: UUID) -> Cycle | None:
        return next(((f.lead_id, f.cycle) for f in self.of_deal(deal) if f.lead_id and f.cycle), None)

    def status(self, deal: UUID) -> str | None:
        """A state and no counter: the last that was told of how it ended; to reopen, it must have been known."""
        known = [fact.type for fact in self.of_deal(deal)]
        ends = [kind for kind in known if kind in RESULTS or kind == told.DEAL_REOPENED]
        if ends and ends[-1] in RESULTS:
            return RESULTS[ends[-1]]
        if told.OPPORTUNITY_OPENED in known or set(ends) & RESULTS.keys():
            return "open"
        offers = [kind for kind in known if kind in (told.SQL_ACCEPTED, told.SQL_RECEIVED, told.SQL_RETURNED)]
        return None if not offers else "returned" if offers[-1] == told.SQL_RETURNED else "offered"

    def reopens(self, deal: UUID) -> int:
        ends = [f.type for f in self.of_deal(deal) if f.type in RESULTS or f.type == told.DEAL_REOPENED]
        return sum(1 for one, next in pairwise(ends) if one in RESULTS and next == told.DEAL_REOPENED)

    def mrr(self, deal: UUID) -> Any:
        named = [f.mrr for f in self.of_deal(deal) if f.mrr]
        return named[-1] if named else None

    def cycles(self) -> dict[Cycle, list[Fact]]:
        found: defaultdict[Cycle, list[Fact]] = defaultdict(list)
        for fact in self.facts:
            if fact.type in told.JOURNEY_TYPES and fact.publisher != "customer_success":
                own = (fact.lead_id, fact.cycle or 1) if fact.lead_id else None
                cycle = self.whose(fact.opportunity_id) if fact.opportunity_id else own
                if cycle and cycle[0]:
                    found[cycle].append(fact)
        return found

    def place(self, facts: Sequence[Fact]) -> str | None:
        """A deal's that is open or won; else the furthest step since the way last ended, else how it ended."""
        for deal in {fact.opportunity_id for fact in facts if fact.opportunity_id}:
            if (status := self.status(deal)) in ("open", "won"):
                return f"opp_{status}"
        ended = max((n for n, fact in enumerate(facts) if fact.type in ENDS), default=-1)
        since = [fact.type for fact in facts[ended + 1 :]]
        steps = {STEPS[kind] for kind in since if kind in STEPS}
        if told.MQL_CREATED in since and told.FIRST_CONTACT_MADE in since:
            steps.add("mql_working")
        return max(steps, key=ORDER.index) if steps else ENDS[facts[ended].type] if ended >= 0 else None

    def root(self, account: UUID) -> UUID:
        merged = any(fact.type == told.ACCOUNT_MERGED for fact in self.facts)
        return an_id("company 0") if merged and account == an_id("company 1") else account

    def customer(self, deal: UUID) -> UUID:
        """The company, where anybody named it; else who stands for it."""
        cycle = self.whose(deal)
        mine = [f for f in self.facts if f.opportunity_id == deal]
        mine += [f for f in self.facts if cycle and f.lead_id == cycle[0] and f.publisher != "customer_success"]
        known = next((fact.account_id for fact in mine if fact.account_id), None)
        return self.root(known or (cycle[0] if cycle else deal))

    def paid(self) -> dict[UUID, int]:
        """MRR by customer: the opening of each contract, by its own word before the deal's, and what changed since."""
        found: defaultdict[UUID, int] = defaultdict(int)
        for deal in self.deals:
            contract = next(
                (f for f in self.facts if f.type == told.CONTRACT_STARTED and f.opportunity_id == deal), None
            )
            ever_won = any(fact.type == told.DEAL_WON for fact in self.of_deal(deal))
            if self.status(deal) == "won":
                mrr = (contract and contract.mrr) or self.mrr(deal)
                found[self.customer(deal)] += mrr.amount if mrr else 0
            elif contract and contract.mrr and not ever_won:
                found[self.customer(deal)] += contract.mrr.amount
        for fact in self.facts:
            if fact.type == told.SUBSCRIPTION_CHANGED and fact.account_id and fact.mrr:
                found[self.root(fact.account_id)] += fact.mrr.amount
        return {customer: amount for customer, amount in found.items() if amount}


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
