"""The folds, case by case: what each kind of news does to a journey and to an account."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.kpi.commands.reading import VERSIONS
from services.kpi.projections import facts as told
from services.kpi.projections.accounts import Account, fold_account
from services.kpi.projections.days import fold_days
from services.kpi.projections.facts import Fact
from services.kpi.projections.identity import fold_aliases, journeys
from services.kpi.projections.journeys import Journey, fold_journey
from services.kpi.projections.rows import BOOKED, LIVE, Passage
from shared.contracts import EVENTS
from tests.support.facts import a_fact, an_id, day

TOKYO = ZoneInfo("Asia/Tokyo")
L: dict[str, Any] = {"lead": "L", "cycle": 1}
D: dict[str, Any] = {**L, "opportunity": "D"}


def entries(journey: Journey, milestone: str) -> list[Passage]:
    return [passage for passage in journey.passages if passage.milestone == milestone]


def spans(journey: Journey, milestone: str) -> list[tuple[datetime, datetime | None]]:
    return [(passage.at, passage.until) for passage in entries(journey, milestone)]


def test_every_type_a_fold_listens_to_is_on_the_wire() -> None:
    names = {value for value in vars(told).values() if isinstance(value, str) and ".v" in value}
    assert names <= EVENTS.keys()
    assert {*told.JOURNEY_TYPES, *told.ACCOUNT_TYPES, *told.MERGE_TYPES, *told.DAY_TYPES} <= names
    assert VERSIONS["marketing.lead_created"] == 1


def test_a_milestone_is_entered_once_a_cycle_by_the_earliest_told() -> None:
    found = fold_journey([a_fact("mql_created", 5, **L), a_fact("mql_created", 2, **L), a_fact("lead_created", 1, **L)])
    assert spans(found, "mql") == [(day(2), None)]


def test_a_reopened_deal_was_not_lost_and_keeps_its_opening() -> None:
    found = fold_journey(
        [
            a_fact("opportunity_opened", 1, mrr=300, **D),
            a_fact("deal_lost", 10, reason="price", **D),
            a_fact("deal_reopened", 20, **D),
            a_fact("deal_won", 30, **D),
        ]
    )
    assert spans(found, "lost") == [(day(10), day(20))]
    assert spans(found, "won") == [(day(30), None)]
    won = entries(found, "won")[0]
    assert (won.since, won.mrr) == (day(1), (300, "JPY"))
    assert [(state.status, state.at, state.until, state.reopens) for state in found.states] == [
        ("open", day(1), day(10), 0),
        ("lost", day(10), day(20), 0),
        ("open", day(20), day(30), 1),
        ("won", day(30), None, 1),
    ]


def test_won_after_lost_without_a_reopening_told_ends_the_loss() -> None:
    found = fold_journey(
        [a_fact("deal_lost", 3, reason="x", **D), a_fact("deal_won", 5, **D), a_fact("deal_won", 6, **D)]
    )
    assert (spans(found, "lost"), spans(found, "won")) == ([(day(3), day(5))], [(day(5), None)])


def test_a_deals_value_is_what_was_told_last_until_then() -> None:
    facts = [
        a_fact("opportunity_opened", 1, mrr=100, **D),
        a_fact("opportunity_updated", 2, mrr=150, phase="proposal", **D),
        a_fact("deal_won", 3, **D),
        a_fact("opportunity_updated", 4, mrr=500, **D),
    ]
    found = fold_journey(facts)
    assert [entries(found, name)[0].mrr for name in ("opportunity", "won")] == [(100, "JPY"), (150, "JPY")]
    assert found.states[-1].phase == "proposal"


def test_a_recycled_lead_keeps_its_origin_and_names_its_source() -> None:
    found = fold_journey(
        [
            a_fact("lead_created", 1, channel="event", segment="ENT", owner="mk1", **L),
            a_fact("lead_recycled", 20, lead="L", cycle=2, channel="mail", cycle_source="deal_lost"),
            a_fact("mql_created", 21, lead="L", cycle=2, segment="SMB"),
            a_fact("opportunity_opened", 25, lead="L", cycle=2, opportunity="E", owner="fs1"),
            a_fact("deal_won", 30, lead="L", cycle=2, opportunity="E"),
        ]
    )
    recycled = entries(found, "lead")[1]
    assert (recycled.outside, recycled.cycle, recycled.cycle_source) == (True, 2, "deal_lost")
    won = entries(found, "won")[0]
    assert won.dimensions == {"channel": "event", "segment": "SMB", "owner": "fs1"}
    assert won.latest["channel"] == "mail"
    assert won.cycle_source == "deal_lost"
    assert entries(found, "mql")[0].dimensions["owner"] == "mk1"  # told by the same department


@pytest.mark.parametrize("origin", ["self_sourced", "partner", "referral", "expansion", "renewal"])
def test_an_opportunity_no_sql_preceded_came_from_outside_and_skipped_nothing(origin: str) -> None:
    found = fold_journey([a_fact("opportunity_opened", 1, opportunity="D", origin=origin, account="A")])
    entry = entries(found, "opportunity")[0]
    assert (entry.outside, entry.skipped, entry.customer) == (True, (), an_id("A"))


def test_steps_never_told_stay_empty_and_are_named() -> None:
    found = fold_journey(
        [a_fact("lead_created", 1, **L), a_fact("opportunity_opened", 2, **D), a_fact("deal_won", 3, **D)]
    )
    assert entries(found, "opportunity")[0].skipped == ("mql", "mql_accepted", "sql")
    assert entries(found, "won")[0].skipped == ("mql", "mql_accepted", "sql")
    assert not entries(found, "mql")


def test_an_sql_nobody_dated_is_no_entry() -> None:
    undated = a_fact("sql_received", 1, opportunity="D", dated=False)
    dated = a_fact("sql_received", 1, opportunity="E", dated=True)
    assert not entries(fold_journey([undated]), "sql")
    assert entries(fold_journey([dated]), "sql")[0].outside
    assert fold_journey([undated]).states[0].status == "offered"


@pytest.mark.parametrize(
    ("then", "current"),
    [
        ([a_fact("mql_created", 4, **L)], []),
        ([a_fact("mql_accepted", 4, **L)], []),
        ([a_fact("sql_accepted", 4, **L)], []),
        ([a_fact("lead_updated", 4, **L)], ["mql_rejected"]),
        ([a_fact("mql_created", 4, lead="L", cycle=2)], ["mql_rejected"]),
    ],
)
def test_a_rejection_is_taken_back_by_going_on(then: list[Fact], current: list[str]) -> None:
    found = fold_journey([a_fact("mql_created", 1, **L), a_fact("mql_rejected", 2, reason="x", **L), *then])
    assert [p.milestone for p in found.passages if p.milestone == "mql_rejected" and p.until is None] == current


def test_an_sql_handed_over_again_was_not_returned() -> None:
    handed, again = a_fact("sql_accepted", 1, **D), a_fact("sql_accepted", 5, lead="L", cycle=1, opportunity="E")
    returned = a_fact("sql_returned", 2, reason="no_budget", **D)
    assert spans(fold_journey([handed, returned, again]), "sql_returned") == [(day(2), day(5))]
    assert spans(fold_journey([handed, returned]), "sql_returned") == [(day(2), None)]
    assert spans(fold_journey([handed, returned, again]), "sql") == [(day(1), None)]


def test_a_lead_learned_later_joins_the_opportunity_to_its_way() -> None:
    alone = [a_fact("opportunity_opened", 3, opportunity="D"), a_fact("deal_won", 5, opportunity="D")]
    lead = [a_fact("lead_created", 1, channel="ads", **L)]
    link = a_fact("opportunity_linked", 9, **D)
    assert len(journeys([*alone, *lead])) == 2
    (group,) = journeys([*alone, *lead, link])
    won = entries(fold_journey(group), "won")[0]
    assert (won.lead_id, won.cycle, won.dimensions["channel"]) == (an_id("L"), 1, "ads")


def places(*facts: Fact) -> list[tuple[str, datetime, datetime | None]]:
    return [(place.place, place.at, place.until) for place in fold_journey(facts).places]


def test_a_cycle_is_in_one_place_after_the_other() -> None:
    found = places(
        a_fact("lead_created", 1, **L),
        a_fact("mql_created", 2, **L),
        a_fact("mql_accepted", 3, **L),
        a_fact("sql_accepted", 4, **L),
        a_fact("opportunity_opened", 5, **D),
        a_fact("deal_lost", 6, reason="x", **D),
        a_fact("deal_reopened", 7, **D),
        a_fact("deal_won", 8, **D),
    )
    names = ["nurturing", "mql_waiting", "mql_working", "sql_offered", "opp_open", "opp_lost", "opp_open", "opp_won"]
    assert found == [(n, day(i), None if i == 8 else day(i + 1)) for i, n in enumerate(names, 1)]


@pytest.mark.parametrize(
    ("last", "place"),
    [
        (a_fact("first_contact_made", 9, **L), "mql_working"),
        (a_fact("mql_rejected", 9, reason="x", **L), "mql_rejected"),
        (a_fact("lead_dropped", 9, reason="x", recyclable=True, **L), "dropped"),
        (a_fact("lead_dropped", 9, reason="x", recyclable=False, **L), "disqualified"),
        (a_fact("sql_returned", 9, reason="x", **L), "sql_rejected"),
        (a_fact("lead_created", 9, **L), "mql_waiting"),
    ],
)
def test_where_a_cycle_ends_up(last: Fact, place: str) -> None:
    assert places(a_fact("mql_created", 2, **L), last)[-1][0] == place


def test_an_ended_cycle_waits_for_its_day_until_the_next_begins() -> None:
    lost = a_fact("deal_lost", 10, reason="x", recyclable=True, revisit_on="2026-06-01", **D)
    ended = [a_fact("opportunity_opened", 5, **D), lost]
    assert places(*ended)[-1] == ("recycle_waiting", day(10), None)
    again = places(*ended, a_fact("lead_recycled", 40, lead="L", cycle=2))
    assert again[1:3] == [("recycle_waiting", day(10), day(40)), ("opp_lost", day(40), None)]
    assert again[3] == ("nurturing", day(40), None)
    unheard = places(*ended, a_fact("mql_created", 41, lead="L", cycle=2))
    assert unheard[2] == ("opp_lost", day(41), None), "it is its second, whoever did not tell that"


def account(*facts: Fact, won: tuple[Passage, ...] = ()) -> Account:
    return fold_account(an_id("A"), facts, won, TOKYO)


def booked(found: Account, basis: str = BOOKED) -> list[tuple[str, datetime, int]]:
    return [(row.kind, row.at, row.delta) for row in found.movements if row.basis == basis]


def deal(at: float, until: float | None = None, mrr: int | None = 100, name: str = "D", **more: Any) -> Passage:
    facts = [a_fact("deal_won", at, opportunity=name, account="A", **({"mrr": mrr} if mrr else {}), **more)]
    if until is not None:
        facts.append(a_fact("deal_reopened", until, opportunity=name, account="A"))
    return entries(fold_journey(facts), "won")[0]


def change(at: float, delta: int, **more: Any) -> Fact:
    return a_fact("subscription_changed", at, account="A", mrr=delta, **more)


def contract(at: float, mrr: int, key: str = "own", **more: Any) -> Fact:
    return a_fact(
        "contract_started", at, account="A", mrr=mrr, opening_key=key, contract=more.pop("contract", key), **more
    )


def test_an_accounts_course_names_its_movements() -> None:
    found = account(contract(1, 100), change(2, 20), change(3, -50), change(4, -70), change(9, 40))
    assert booked(found) == [
        ("new", day(1), 100),
        ("expansion", day(2), 20),
        ("contraction", day(3), -50),
        ("churn", day(4), -70),
        ("reactivation", day(9), 40),
    ]
    assert [(span.at, span.until) for span in found.spans] == [(day(1), day(4)), (day(9), None)]


def test_changes_of_one_moment_are_one_change() -> None:
    assert booked(account(contract(1, 100), change(5, -100), contract(5, 130, "second"))) == [
        ("new", day(1), 100),
        ("expansion", day(5), 30),
    ]


def test_the_contract_restates_the_deal_at_the_time_it_was_won() -> None:
    key = str(an_id("D"))
    assert booked(account(won=(deal(1),))) == [("new", day(1), 100)]
    assert booked(account(contract(3, 90, key), won=(deal(1),))) == [("new", day(1), 90)]
    assert booked(account(contract(3, 90, key), won=(deal(1, mrr=None),))) == [("new", day(1), 90)]
    assert booked(account(contract(3, 90, key))) == [("new", day(3), 90)]
    assert booked(account(won=(deal(1, mrr=None),))) == []


def test_a_won_deal_reopened_is_taken_back_at_that_time() -> None:
    key = str(an_id("D"))
    assert booked(account(contract(2, 90, key), won=(deal(1, until=7),))) == [
        ("new", day(1), 90),
        ("churn", day(7), -90),
    ]


def test_two_deals_of_an_account_are_new_and_expansion() -> None:
    found = booked(account(won=(deal(1), deal(4, name="E", mrr=30))))
    assert found == [("new", day(1), 100), ("expansion", day(4), 30)]


def test_on_the_live_basis_a_deal_counts_from_its_billing() -> None:
    won = deal(1, starts_on="2026-04-10", billing_starts_on="2026-05-01")
    first_of_may = datetime(2026, 4, 30, 15, tzinfo=UTC)
    assert booked(account(won=(won,)), LIVE) == [("new", first_of_may, 100)]
    restated = contract(3, 90, str(an_id("D")), starts_on="2026-04-20", contract="C")
    first = datetime(2026, 4, 19, 15, tzinfo=UTC)
    early = change(5, 10, contract="C")
    assert booked(account(restated, early, won=(won,)), LIVE) == [("new", first, 100)]
    assert booked(account(won=(deal(1, until=2, starts_on="2026-05-01"),)), LIVE) == []


def test_what_becomes_live_together_is_sliced_by_all_that_was_told() -> None:
    key = str(an_id("D"))
    restated = contract(9, 90, key, starts_on="2026-04-20", contract="C", product="crm")
    grown = change(12, 10, contract="C", segment="SMB")
    found = account(restated, grown, won=(deal(30, channel="ads", product="sfa"),))
    (first,) = [row for row in found.movements if row.basis == LIVE]
    assert first.delta == 100
    assert first.dimensions == {"channel": "ads", "segment": "SMB", "product": "sfa"}


def test_an_account_in_two_currencies_is_gone_when_both_are() -> None:
    dollars = a_fact("subscription_changed", 2, account="A", mrr=500, currency="USD")
    found = account(
        contract(1, 100),
        dollars,
        change(3, -100),
        a_fact("subscription_changed", 4, account="A", mrr=-500, currency="USD"),
    )
    assert [kind for kind, _, _ in booked(found)] == ["new", "expansion", "contraction", "churn"]


def test_a_customer_is_taken_over_once_a_deal_and_onboarded_once() -> None:
    taken = [
        a_fact("customer_accepted", at, account="A", opportunity=name) for at, name in ((2, "D"), (3, "D"), (5, "E"))
    ]
    done = [a_fact("onboarding_completed", at, account="A") for at in (9, 12)]
    found = account(*taken, *done, won=(deal(1, lead="L", cycle=2, channel="ads"),))
    assert [(p.milestone, p.at, p.ordinal) for p in found.passages] == [
        ("customer", day(2), 0),
        ("customer", day(5), 1),
        ("onboarded", day(9), 0),
    ]
    onboarded = found.passages[-1]
    assert (onboarded.lead_id, onboarded.cycle, onboarded.dimensions["channel"]) == (an_id("L"), 2, "ads")
    assert account(*done).passages[0].skipped == ("customer",)


def test_merged_people_stand_for_one_another_until_they_are_taken_apart() -> None:
    merges = [
        a_fact("lead_merged", 1, lead="A", merged_lead_id=str(an_id("B"))),
        a_fact("lead_merged", 2, lead="C", merged_lead_id=str(an_id("A"))),
        a_fact("account_merged", 3, account="X", merged_account_id=str(an_id("Y"))),
    ]
    found = {(alias.kind, alias.id): alias.canonical_id for alias in fold_aliases(merges)}
    assert found == {
        ("lead", an_id("B")): an_id("C"),
        ("lead", an_id("A")): an_id("C"),
        ("account", an_id("Y")): an_id("X"),
    }
    apart = a_fact("lead_unmerged", 4, lead="A", merged_lead_id=str(an_id("B")))
    assert {alias.id for alias in fold_aliases([*merges, apart])} == {an_id("A"), an_id("Y")}
    again = a_fact("lead_merged", 5, lead="A", merged_lead_id=str(an_id("B")))
    assert len(fold_aliases([again, apart, *merges])) == 3


def test_merges_in_a_circle_have_one_who_stays() -> None:
    around = [a_fact("lead_merged", 1, lead=one, merged_lead_id=str(an_id(two))) for one, two in ("AB", "BC", "CA")]
    assert len({alias.canonical_id for alias in fold_aliases(around)}) == 1
    assert not fold_aliases([a_fact("lead_merged", 1, lead="A", merged_lead_id=str(an_id("A")))])


def visits(at: float, visitors: int, recorded: float | None = None) -> Fact:
    data = {"date": "2026-04-01", "channel": "ads", "visitors": visitors}
    return a_fact("visits_recorded", at, recorded=recorded, reference="2026-04-01/ads/", **data)


def test_the_last_told_figure_of_a_day_holds() -> None:
    found = fold_days([visits(3, 30), visits(1, 10), visits(1, 20, recorded=2)])
    assert [(figure.figure, figure.at, figure.until) for figure in found] == [(20, day(1), day(3)), (30, day(3), None)]
