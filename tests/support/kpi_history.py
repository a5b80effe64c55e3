"""A company's history as it could have been, told step by step, and brought to kpi in any other order, again, late or
never. What kpi makes of it is looked at elsewhere.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from services.kpi.projections.facts import Fact
from tests.support.facts import a_fact, an_id, day

NEW, MQL, CONTACTED, ACCEPTED, HANDED, RETURNED = "new", "mql", "contacted", "accepted", "handed", "returned"
OPEN, LOST, WON, CUSTOMER, ENDED = "open", "lost", "won", "customer", "ended"
Step = tuple[str, str]
"""What is told, and where the way is after it."""
AGAIN: Step = ("lead_recycled", NEW)
NEXT: dict[str, Sequence[Step]] = {
    NEW: [("mql_created", MQL), ("lead_updated", NEW)],
    MQL: [("first_contact_made", CONTACTED), ("mql_accepted", ACCEPTED), ("mql_rejected", ENDED)],
    CONTACTED: [("mql_accepted", ACCEPTED), ("mql_rejected", ENDED), ("lead_dropped", ENDED)],
    ACCEPTED: [("sql_accepted", HANDED), ("sql_accepted", HANDED), ("lead_dropped", ENDED)],
    HANDED: [
        ("sql_received", HANDED),
        ("opportunity_opened", OPEN),
        ("opportunity_opened", OPEN),
        ("sql_returned", RETURNED),
    ],
    RETURNED: [("sql_accepted", HANDED), AGAIN],
    OPEN: [("deal_won", WON), ("deal_lost", LOST), ("opportunity_updated", OPEN)],
    LOST: [("deal_reopened", OPEN), AGAIN],
    WON: [("deal_reopened", OPEN), ("contract_started", CUSTOMER), ("contract_started", CUSTOMER)],
    CUSTOMER: [
        ("subscription_changed", CUSTOMER),
        ("customer_accepted", CUSTOMER),
        ("onboarding_completed", CUSTOMER),
        ("contract_renewed", CUSTOMER),
        AGAIN,
    ],
    ENDED: [AGAIN],
}
OF_DEAL = {HANDED, RETURNED, OPEN, LOST, WON, CUSTOMER}
OF_ACCOUNT = {"subscription_changed", "customer_accepted", "onboarding_completed", "contract_renewed"}
OF_NO_DEAL = OF_ACCOUNT - {"customer_accepted"}
WORDS = ("appointment_held", "appointment_missed", "appointment_cancelled", "appointment_rescheduled")
TOWARDS = ("marketing.touch_recorded.v1", "inside_sales.feedback_given.v1", "customer_success.ticket_closed.v1")
MONEY = {"opportunity_opened", "opportunity_updated", "deal_won", "contract_started"}
AMOUNTS = st.sampled_from([None, 100, 250])
PAUSES = st.sampled_from([0.01, 0.5, 3.0])
LATE = st.sampled_from([0.0, 0.0, 0.5, 1.0])


@dataclass
class Way:
    """A person's latest cycle, or a deal nobody is known behind; `at` is its last step, `pays` its contract's MRR."""

    name: str
    lead: str | None
    cycle: int | None
    stage: str
    at: float
    pays: int = 0

    @property
    def deal(self) -> str:
        return f"deal of {self.name} {self.cycle or 1}"

    @property
    def account(self) -> str:
        """Two persons are of one company."""
        return f"company {sum(map(ord, self.name)) % 2}"


class KpiHistory(RuleBasedStateMachine):
    """`told` is what occurred, in order; `waiting` are those that kpi has not heard of, `heard` what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Fact] = []
        self.waiting: list[Fact] = []
        self.heard: list[Fact] = []
        self.ways: list[Way] = []
        self.now = 0.0
        self.merged = False
        self._numbers: Counter[tuple[str, str]] = Counter()

    def hear(self, facts: Sequence[Fact]) -> None:
        """kpi is given these, in this order."""
        self.heard += facts

    def tell(self, kind: str, at: float, journey: str, **values: Any) -> Fact:
        """It occurred `at`, and is recorded now."""
        made = a_fact(kind, at, recorded=self.now, **values)
        self._numbers[made.publisher, journey] += 1
        fact = replace(
            made,
            id=an_id(f"told {len(self.told)}"),
            source=f"/{made.publisher}",
            stream=str(an_id(journey)),
            sequence=self._numbers[made.publisher, journey],
        )
        self.told.append(fact)
        self.waiting.append(fact)
        return fact

    def _later(self, pause: float) -> float:
        self.now = round(self.now + pause, 2)
        return self.now

    # What occurs

    @precondition(lambda self: len(self.ways) < 5)
    @rule(pause=PAUSES, company=st.booleans(), channel=st.sampled_from([None, "ads", "event"]))
    def a_lead_is_created(self, pause: float, company: bool, channel: str | None) -> None:
        name = f"lead {len(self.ways)}"
        way = Way(name, name, 1, NEW, self._later(pause))
        known = ({"account": way.account} if company else {}) | ({"channel": channel} if channel else {})
        self.tell("lead_created", way.at, name, lead=name, cycle=1, **known)
        self.ways.append(way)

    @precondition(lambda self: len(self.ways) < 5)
    @rule(pause=PAUSES, mrr=AMOUNTS)
    def a_deal_is_opened_that_nobody_is_known_behind(self, pause: float, mrr: int | None) -> None:
        way = Way(f"own {len(self.ways)}", None, None, OPEN, self._later(pause))
        money = {"mrr": mrr} if mrr else {}
        self.tell("opportunity_opened", way.at, way.name, opportunity=way.deal, origin="partner", **money)
        self.ways.append(way)

    @precondition(lambda self: any(way.lead is None for way in self.ways))
    @rule(pause=PAUSES)
    def its_lead_becomes_known(self, pause: float) -> None:
        way = next(way for way in self.ways if way.lead is None)
        self.tell("lead_created", self._later(pause), way.name, lead=way.name, cycle=1)
        way.at = self._later(0.01)
        self.tell("opportunity_linked", way.at, way.name, lead=way.name, cycle=1, opportunity=way.deal)
        way.lead, way.cycle = way.name, 1

    @precondition(lambda self: self.ways)
    @rule(
        which=st.integers(0, 4),
        turns=st.lists(st.integers(0, 3), min_size=1, max_size=8),
        pause=PAUSES,
        late=LATE,
        mrr=AMOUNTS,
    )
    def a_way_goes_on(self, which: int, turns: Sequence[int], pause: float, late: float, mrr: int | None) -> None:
        """By steps that may follow; `late`: how much of the time since its last step each was told after."""
        way = self.ways[which % len(self.ways)]
        for turn in turns:
            kind, stage = NEXT[way.stage][turn % len(NEXT[way.stage])]
            if (kind, stage) == AGAIN and way.lead is None:
                return
            now = self._later(pause)
            way.at = max(round(way.at + 0.01, 2), round(now - late * (now - way.at), 2))
            self.now = max(self.now, way.at)
            self.tell(kind, way.at, way.name, **self._values(way, kind, stage, mrr))
            way.stage = stage

    def _values(self, way: Way, kind: str, stage: str, mrr: int | None) -> dict[str, Any]:
        if kind == "lead_recycled":
            assert way.cycle
            way.cycle, way.pays = way.cycle + 1, 0
        values: dict[str, Any] = {"lead": way.lead, "cycle": way.cycle} if way.lead else {}
        if kind in OF_ACCOUNT:
            values = (values if kind == "customer_accepted" else {}) | {"account": way.account, "contract": way.deal}
        if stage in OF_DEAL and kind not in OF_NO_DEAL:
            values["opportunity"] = way.deal
        if kind == "contract_started":
            values |= {"account": way.account, "contract": way.deal, "opening_key": str(an_id(way.deal))}
            values |= {"starts_on": str(day(way.at).date().replace(day=1)), "term_months": mrr and mrr // 50}
            way.pays = mrr = mrr or 70
        if kind == "contract_renewed":
            values |= {"renewal_on": "2027-05-01" if mrr else None, "term_months": mrr and mrr // 50}
        if kind == "subscription_changed":
            values["mrr"] = {None: -way.pays, 100: 100, 250: -(way.pays // 2)}[mrr] or 50
            way.pays += values["mrr"]
        elif kind in MONEY and mrr:
            values["mrr"] = mrr
        return values

    @precondition(lambda self: any(way.lead and way.stage in OF_DEAL for way in self.ways))
    @rule(which=st.integers(0, 4), word=st.sampled_from([None, *WORDS]), name=st.sampled_from("NM"), pause=PAUSES)
    def a_first_meeting_is_told_of(self, which: int, word: str | None, name: str, pause: float) -> None:
        """It is set, or a word comes of it: of this one, or of whichever there is."""
        ways = [way for way in self.ways if way.lead and way.stage in OF_DEAL]
        way = ways[which % len(ways)]
        at = self._later(pause)
        values: dict[str, Any] = {"opportunity": way.deal, "start_at": day(at + 2).isoformat()}
        if word is None or name == "M":
            values["appointment_id"] = str(an_id(f"{name} of {way.deal}"))
        if word is None:
            values |= {"lead": way.lead, "cycle": way.cycle}
        self.tell(word or "appointment_set", at, way.name, **values)

    @precondition(lambda self: self.ways)
    @rule(
        which=st.integers(0, 4),
        kind=st.sampled_from(TOWARDS),
        to=st.sampled_from(["lead", "opportunity", "account"]),
        back=st.sampled_from([0.0, 3.0, 400.0]),
        pause=PAUSES,
    )
    def somebody_does_something_towards(self, which: int, kind: str, to: str, back: float, pause: float) -> None:
        """A person, a deal or a company; told `back` days after it was done."""
        way = self.ways[which % len(self.ways)]
        names = {"lead": way.lead, "opportunity": way.deal, "account": way.account}
        if names[to]:
            self.tell(kind, round(self._later(pause) - back, 2), way.name, **{to: names[to]})

    @precondition(lambda self: self.ways)
    @rule(which=st.integers(0, 4), week=st.sampled_from(["2026-04-06", "2026-04-13"]), used=st.sampled_from([0, 7]))
    def a_week_of_use_is_summed_up(self, which: int, week: str, used: int) -> None:
        """Or again, otherwise."""
        account = self.ways[which % len(self.ways)].account
        told = {"week": week, "count": used, "active_days": used, "reference": f"{an_id(account)}/{week}"}
        self.tell("usage_summarised", self._later(0.5), f"use by {account}", account=account, **told)

    @precondition(lambda self: sum(way.lead is not None for way in self.ways) > 1)
    @rule(pause=PAUSES, kind=st.sampled_from(["lead_merged", "lead_merged", "lead_unmerged"]))
    def two_people_turn_out_to_be_one(self, pause: float, kind: str) -> None:
        """Or to be two after all."""
        one, other = [way.lead for way in self.ways if way.lead][:2]
        self.tell(kind, self._later(pause), "people", lead=one, merged_lead_id=str(an_id(str(other))))

    @precondition(lambda self: self.ways and not self.merged)
    @rule(pause=PAUSES)
    def the_companies_turn_out_to_be_one(self, pause: float) -> None:
        merged = str(an_id("company 1"))
        self.tell("account_merged", self._later(pause), "companies", account="company 0", merged_account_id=merged)
        self.merged = True

    # What comes to kpi, and when

    @precondition(lambda self: self.waiting)
    @rule(places=st.lists(st.integers(0, 30), min_size=1, max_size=4))
    def some_arrive(self, places: Sequence[int]) -> None:
        """Whichever, from any topic."""
        found = [self.waiting.pop(place % len(self.waiting)) for place in places if self.waiting]
        self.hear(found)

    @precondition(lambda self: self.waiting)
    @rule(topic=st.sampled_from(["marketing", "inside_sales", "field_sales", "customer_success"]))
    def all_of_one_topic_arrive(self, topic: str) -> None:
        found = [fact for fact in self.waiting if fact.publisher == topic]
        self.waiting = [fact for fact in self.waiting if fact.publisher != topic]
        if found:
            self.hear(found)

    @precondition(lambda self: self.heard)
    @rule(places=st.lists(st.integers(0, 30), min_size=1, max_size=3))
    def some_arrive_again(self, places: Sequence[int]) -> None:
        self.hear([self.heard[place % len(self.heard)] for place in places])

    def the_rest(self) -> list[Fact]:
        """What never came until now, the last first."""
        found, self.waiting = self.waiting[::-1], []
        return found


def ids(facts: Sequence[Fact]) -> set[UUID]:
    return {fact.id for fact in facts}
