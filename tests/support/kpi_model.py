"""What facts say of a history as `kpi_history` tells it, read slowly: for each question from the beginning."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

from services.kpi.projections import facts as told
from services.kpi.projections.facts import Fact, in_order
from tests.support.facts import an_id

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


class Model:
    """Of some facts, in any order, whatever is missing among them."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self.facts = [fact for fact in in_order(facts) if fact.type not in told.APPOINTMENT_TYPES]
        self._meetings = [fact for fact in in_order(facts) if fact.type in told.APPOINTMENT_TYPES]
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

    def won_with(self, deal: UUID) -> Any:
        """The MRR named by the time it was won; a second win is none while nobody has told that it was reopened."""
        named = won = None
        is_won = False
        for fact in self.of_deal(deal):
            named = fact.mrr or named
            if fact.type == told.DEAL_WON and not is_won:
                won = named
            is_won = fact.type == told.DEAL_WON or (is_won and fact.type not in (told.DEAL_LOST, told.DEAL_REOPENED))
        return won

    def appointments(self) -> dict[str, tuple[str, bool, bool, bool, int]]:
        """When each was to be, whether it was held, missed or cancelled, and how often it was moved."""
        first: dict[str, Fact] = {}
        for fact in self._meetings:
            if fact.type == told.APPOINTMENT_SET:
                first.setdefault(fact.data["appointment_id"], fact)
        words: defaultdict[str, list[Fact]] = defaultdict(list)
        for fact in self._meetings:
            before = [
                key
                for key, set_ in first.items()
                if set_.opportunity_id == fact.opportunity_id and set_.occurred_at <= fact.occurred_at
            ]
            words[fact.data.get("appointment_id") or (before[-1] if before else "")].append(fact)
        found = {}
        for key, set_ in first.items():
            kinds = [word.type for word in words[key]]
            moved = [word.data["start_at"] for word in words[key] if word.type == told.APPOINTMENT_RESCHEDULED]
            held = told.APPOINTMENT_HELD in kinds
            missed, cancelled = (
                kind in kinds and not held for kind in (told.APPOINTMENT_MISSED, told.APPOINTMENT_CANCELLED)
            )
            start = (moved or [set_.data["start_at"]])[-1]
            found[key] = start, held, missed, cancelled, len(moved)
        return found

    def terms(self) -> dict[tuple[UUID, str], int | None]:
        """Of each contract the days a term of it was told to end on, with its length as last told."""
        found: dict[tuple[UUID, str], int | None] = {}
        for fact in self.facts:
            if fact.type in told.TERM_TYPES and fact.contract_id:
                starts, months = fact.data.get("starts_on"), fact.data.get("term_months")
                named = fact.data.get("renewal_on")
                if end := named or (_months_on(starts, months) if starts and months else None):
                    found[fact.contract_id, end] = months
        return found

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
                mrr = (contract and contract.mrr) or self.won_with(deal)
                found[self.customer(deal)] += mrr.amount if mrr else 0
            elif contract and contract.mrr and not ever_won:
                found[self.customer(deal)] += contract.mrr.amount
        for fact in self.facts:
            if fact.type == told.SUBSCRIPTION_CHANGED and fact.account_id and fact.mrr:
                found[self.root(fact.account_id)] += fact.mrr.amount
        return {customer: amount for customer, amount in found.items() if amount}


def _months_on(starts: str, months: int) -> str:
    """Contracts of these histories start on the first of a month."""
    year, month, day = map(int, starts.split("-"))
    return f"{year + (month + months - 1) // 12}-{(month + months - 1) % 12 + 1:02}-{day:02}"
