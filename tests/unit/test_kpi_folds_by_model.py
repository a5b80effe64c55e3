"""The folds against a slow, obvious model: any history, in any order, told any number of times, at any moment."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.kpi.projections import facts as told
from services.kpi.projections.accounts import fold_account
from services.kpi.projections.facts import Fact, in_order
from services.kpi.projections.identity import journeys
from services.kpi.projections.journeys import Journey, fold_journey
from services.kpi.projections.rows import BOOKED, Movement, Passage
from tests.support.facts import a_fact, an_id, day

DAYS = 8
WAYS: list[dict[str, Any]] = [{"lead": "A", "cycle": 1}, {"lead": "A", "cycle": 2}, {"lead": "B", "cycle": 1}]
DEALS: list[dict[str, Any]] = [
    {"lead": "A", "cycle": 1, "opportunity": "D", "account": "X"},
    {"lead": "A", "cycle": 2, "opportunity": "E", "account": "X"},
    {"opportunity": "F", "account": "X"},
]
OF_LEADS = ("mql_created", "first_contact_made", "mql_accepted", "mql_rejected", "sql_accepted", "lead_dropped")
OF_DEALS = ("sql_returned", "opportunity_opened", "deal_won", "deal_lost", "deal_reopened")
SEGMENTS = st.sampled_from([{}, {"segment": "SMB"}, {"segment": "ENT", "channel": "ads"}, {"channel": "event"}])
MRR = st.sampled_from([{}, {"mrr": 100}, {"mrr": 250}])


@st.composite
def one_fact(draw: st.DrawFn) -> Fact:
    at = draw(st.integers(0, DAYS))
    recorded = at + draw(st.sampled_from([0, 0, 3]))
    group = draw(st.sampled_from(["lead", "lead", "deal", "deal", "account"]))
    if group == "lead":
        way = draw(st.sampled_from(WAYS))
        first = "lead_created" if way["cycle"] == 1 else "lead_recycled"
        values = {**way, **draw(SEGMENTS)}
        return a_fact(draw(st.sampled_from((first, *OF_LEADS))), at, recorded=recorded, **values)
    if group == "deal":
        values = {**draw(st.sampled_from(DEALS)), **draw(SEGMENTS), **draw(MRR)}
        return a_fact(draw(st.sampled_from(OF_DEALS)), at, recorded=recorded, **values)
    if draw(st.booleans()):
        return a_fact(
            "subscription_changed",
            at,
            recorded=recorded,
            account="X",
            mrr=draw(st.sampled_from([-70, -100, -250, 50, 70])),
        )
    key = draw(st.sampled_from([str(an_id("D")), str(an_id("F")), "own"]))
    return a_fact("contract_started", at, recorded=recorded, account="X", mrr=70, opening_key=key)


HISTORIES = st.lists(one_fact(), min_size=3, max_size=30)
MANY = settings(deadline=None, max_examples=150)


def folded(facts: Sequence[Fact]) -> Journey:
    whole = Journey()
    for group in journeys(facts):
        found = fold_journey(group)
        whole.passages += found.passages
        whole.states += found.states
        whole.places += found.places
    return whole


def movements(facts: Sequence[Fact]) -> list[Movement]:
    won = [passage for passage in folded(facts).passages if passage.milestone == "won"]
    mine = [fact for fact in facts if fact.type in told.ACCOUNT_TYPES]
    return [row for row in fold_account(an_id("X"), mine, won, UTC).movements if row.basis == BOOKED]


def ordered(rows: Sequence[Any]) -> list[str]:
    return sorted(map(repr, rows))


@MANY
@given(HISTORIES, st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(facts: list[Fact], chance: Any) -> None:
    other = facts + chance.choices(facts, k=5) if facts else []
    chance.shuffle(other)
    one, two = folded(facts), folded(other)
    assert ordered(one.passages) == ordered(two.passages)
    assert ordered(one.states) == ordered(two.states)
    assert ordered(one.places) == ordered(two.places)
    assert ordered(movements(facts)) == ordered(movements(other))


Unit = tuple[str, UUID | None, int | None]


def holding(passages: Sequence[Passage], moment: datetime) -> list[Unit]:
    return [
        (
            p.milestone,
            p.opportunity_id if p.milestone in ("opportunity", "won", "lost") else p.lead_id or p.subject,
            p.cycle,
        )
        for p in passages
        if p.at <= moment and (p.until is None or p.until > moment)
    ]


def model(facts: Sequence[Fact], moment: datetime) -> set[Unit]:
    """What holds at a moment, by reading everything up to it from the beginning."""
    found: set[Unit] = set()
    ways: defaultdict[tuple[UUID | None, int | None, UUID | None], list[Fact]] = defaultdict(list)
    deals: defaultdict[UUID, list[Fact]] = defaultdict(list)
    for fact in in_order(facts):
        if fact.occurred_at <= moment and fact.type in told.JOURNEY_TYPES and fact.publisher != "customer_success":
            ways[fact.lead_id, fact.cycle, None if fact.lead_id else fact.opportunity_id].append(fact)
            if fact.opportunity_id:
                deals[fact.opportunity_id].append(fact)
    for (lead, cycle, deal), mine in ways.items():
        found |= {(name, lead or deal, cycle) for name in _of_a_way([fact.type for fact in mine])}
    for deal, mine in deals.items():
        cycle = mine[0].cycle
        found |= {(name, deal, cycle) for name in _of_a_deal([fact.type for fact in mine])}
    return found


def _of_a_way(types: list[str]) -> set[str]:
    found = set()
    first = {
        "lead": (told.LEAD_CREATED, told.LEAD_RECYCLED),
        "mql": (told.MQL_CREATED,),
        "contacted": (told.FIRST_CONTACT_MADE,),
        "sql": (told.SQL_ACCEPTED,),
    }
    found |= {name for name, kinds in first.items() if set(kinds) & set(types)}
    decision = dropped = returned = None
    for kind in types:
        if kind in (told.MQL_ACCEPTED, told.MQL_REJECTED):
            decision = "mql_accepted" if kind == told.MQL_ACCEPTED else "mql_rejected"
        elif kind in (told.MQL_CREATED, told.SQL_ACCEPTED) and decision == "mql_rejected":
            decision = None
        if kind in (told.MQL_CREATED, told.MQL_ACCEPTED, told.SQL_ACCEPTED, told.OPPORTUNITY_OPENED):
            dropped = None
        if kind in (told.SQL_ACCEPTED, told.OPPORTUNITY_OPENED):
            returned = None
        dropped = "dropped" if kind == told.LEAD_DROPPED else dropped
        returned = "sql_returned" if kind == told.SQL_RETURNED else returned
    return found | {name for name in (decision, dropped, returned) if name}


def _of_a_deal(types: list[str]) -> set[str]:
    result = None
    for kind in types:
        result = {told.DEAL_WON: "won", told.DEAL_LOST: "lost", told.DEAL_REOPENED: None}.get(kind, result)
    return ({"opportunity"} if told.OPPORTUNITY_OPENED in types else set()) | ({result} if result else set())


@MANY
@given(HISTORIES)
def test_at_every_moment_the_rows_say_what_reading_from_the_beginning_says(facts: list[Fact]) -> None:
    passages = folded(facts).passages
    for number in range(DAYS + 1):
        found = holding(passages, day(number))
        assert len(found) == len(set(found)), "one entry counted twice"
        assert set(found) == model(facts, day(number))


@MANY
@given(HISTORIES, st.integers(0, DAYS))
def test_an_earlier_moment_is_as_if_nothing_had_occurred_since(facts: list[Fact], number: int) -> None:
    moment = day(number)
    before = [fact for fact in facts if fact.occurred_at <= moment]

    def seen(passages: Sequence[Passage]) -> list[str]:
        shown = [p for p in passages if p.at <= moment and (p.until is None or p.until > moment)]
        return ordered(
            [
                (p.milestone, p.subject, p.ordinal, p.at, p.dimensions, p.outside, p.skipped, p.since, p.mrr)
                for p in shown
            ]
        )

    assert seen(folded(facts).passages) == seen(folded(before).passages)


@MANY
@given(HISTORIES)
def test_every_known_cycle_is_in_exactly_one_place(facts: list[Fact]) -> None:
    places = folded(facts).places
    for number in range(DAYS + 1):
        here = [
            (p.lead_id, p.cycle) for p in places if p.at <= day(number) and (p.until is None or p.until > day(number))
        ]
        known = {(p.lead_id, p.cycle) for p in places if p.at <= day(number)}
        assert sorted(map(repr, here)) == sorted(map(repr, known))


@MANY
@given(HISTORIES)
def test_movements_add_up_to_what_is_paid_and_bear_the_right_names(facts: list[Fact]) -> None:
    rows = movements(facts)
    was_customer = False
    for number in range(DAYS + 1):
        moment = day(number)
        paid, before = _paid(facts, moment), _paid(facts, day(number - 1))
        assert sum(row.delta for row in rows if row.at <= moment) == paid
        kinds = {row.kind for row in rows if row.at == moment}
        assert len(kinds) == (0 if paid == before else 1)
        if kinds:
            gone, came = paid <= 0 < before, before <= 0 < paid
            name = "expansion" if paid > before else "contraction"
            name = "churn" if gone else ("reactivation" if was_customer else "new") if came else name
            assert kinds == {name}
        was_customer = was_customer or paid > 0


def _paid(facts: Sequence[Fact], moment: datetime) -> int:
    """MRR at a moment: deals won then, contracts nobody sold, changes; a contract's word on its deal always holds."""
    known = [fact for fact in in_order(facts) if fact.occurred_at <= moment]
    contracts = {fact.data["opening_key"]: fact for fact in in_order(facts) if fact.type == told.CONTRACT_STARTED}
    ever_won = {str(fact.opportunity_id) for fact in facts if fact.type == told.DEAL_WON}
    ever_won = {key for key in ever_won if any(_won_at(facts, key, day(number)) for number in range(DAYS + 1))}
    total = sum(fact.mrr.amount for fact in known if fact.type == told.SUBSCRIPTION_CHANGED and fact.mrr)
    for key in ever_won:
        entry = _won_at(facts, key, moment)
        if entry:
            amount = contracts[key].mrr if key in contracts else _told(facts, key, entry)
            total += amount.amount if amount else 0
    return total + sum(
        fact.mrr.amount
        for key, fact in contracts.items()
        if key not in ever_won and fact.occurred_at <= moment and fact.mrr
    )


def _won_at(facts: Sequence[Fact], key: str, moment: datetime) -> Fact | None:
    """The fact a deal is won by at a moment."""
    entry = None
    for fact in in_order(facts):
        if str(fact.opportunity_id) == key and fact.occurred_at <= moment:
            if fact.type == told.DEAL_WON:
                entry = entry or fact
            elif fact.type in (told.DEAL_LOST, told.DEAL_REOPENED):
                entry = None
    return entry


def _told(facts: Sequence[Fact], key: str, entry: Fact) -> Any:
    mine = [f for f in in_order(facts) if str(f.opportunity_id) == key and f.occurred_at <= entry.occurred_at and f.mrr]
    return entry.mrr or (mine[-1].mrr if mine else None)


@MANY
@given(HISTORIES)
def test_no_two_rows_have_one_key_and_every_row_lasts(facts: list[Fact]) -> None:
    whole = folded(facts)
    keys = [
        *[(p.milestone, p.subject, p.cycle if p.subject == p.lead_id else 0, p.ordinal) for p in whole.passages],
        *[("state", state.opportunity_id, state.at) for state in whole.states],
        *[("place", place.lead_id, place.cycle, place.at) for place in whole.places],
        *[("movement", row.at, row.currency) for row in movements(facts)],
    ]
    assert len(keys) == len(set(keys))
    lasting: list[Any] = [*whole.passages, *whole.states, *whole.places]
    assert all(row.until is None or row.until > row.at for row in lasting)
