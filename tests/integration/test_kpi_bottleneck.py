"""The bottleneck: both detectors, what each stage is held against, and what is known about the verdict."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.kpi.app import SERVICE
from shared.contracts import Event, customer_success, field_sales, inside_sales, marketing
from shared.ids import told_id
from tests.support import kpi as told
from tests.support.kpi import QUARTER
from tests.support.rig import MakeRig, Rig

MAY, JUNE = datetime(2026, 5, 4, 3, tzinfo=UTC), datetime(2026, 6, 8, 3, tzinfo=UTC)
ASKED = {"from": "2026-06-01", "to": "2026-07-01", "as_of": "2026-06-30T15:00:00Z"}


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


async def ask(rig: Rig, role: str = "viewer", **more: Any) -> dict[str, Any]:
    answer = await rig.client(role).get("/v1/bottleneck", params={**ASKED, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def named(found: dict[str, Any], factor: str) -> dict[str, Any]:
    (one,) = [each for each in found["factors"] if each["factor"] == factor]
    return dict(one)


def queue(found: dict[str, Any], name: str) -> dict[str, Any]:
    (one,) = [each for each in found["queues"] if each["queue"] == name]
    return dict(one)


async def way(
    rig: Rig, name: str, at: datetime, reach: str, *, outcome: Event | None = None, sliced: dict[str, str] | None = None
) -> None:
    """A lead that went as far as `reach` (lead, mql, sql, opportunity or won), an hour for each step."""
    lead, deal, dims = told_id("lead", name), told_id("opportunity", name), sliced or {}
    cycle = {"lead_id": lead, "cycle": 1, **dims}
    steps: list[Event] = [
        marketing.LeadCreated(**cycle),
        marketing.MqlCreated(**cycle),
        inside_sales.SqlAccepted(**cycle, opportunity_id=deal),
        field_sales.OpportunityOpened(**cycle, opportunity_id=deal, origin="sql"),
        field_sales.DealWon(**cycle, opportunity_id=deal, mrr={"amount": 100_000, "currency": "JPY"}),
    ]
    taken = steps[: ("lead", "mql", "sql", "opportunity", "won").index(reach) + 1]
    taken += [outcome] if outcome else []
    await rig.hand_over([rig.record(event, lead, at=at + timedelta(hours=n)) for n, event in enumerate(taken)])


async def many(rig: Rig, prefix: str, at: datetime, counts: Sequence[tuple[str, int]], **sliced: str) -> None:
    for reach, number in counts:
        for place in range(number):
            await way(rig, f"{prefix}-{reach}-{place}", at, reach, sliced=sliced)


async def test_an_empty_company_has_no_bottleneck(kpi: Rig) -> None:
    for more in ({}, {"by": "segment", "interval": "week"}, {"segment": "SMB"}, {"known_at": "2026-06-30T15:00:00Z"}):
        found = await ask(kpi, **more)
        assert (found["verdict"]["text"], found["verdict"]["detector"], found["reason"]) == ("none", None, "no_base")
        assert all(each["wip"] == 0 and each["speaks"] == [] for each in found["queues"])


async def test_the_worked_example_with_both_detectors_side_by_side(kpi: Rig) -> None:
    events, decisions = told.worked_example()
    await told.take(kpi, told.records(kpi, events))
    await told.decide(kpi, decisions)
    found = await ask(kpi, **QUARTER)
    verdict = found["verdict"]
    assert (verdict["text"], verdict["detector"]) == ("visitor_to_lead: suspected", "rate")
    assert (verdict["department"], verdict["deals"]) == ("marketing", pytest.approx(2.394066, abs=1e-6))
    assert verdict["worth"] == {"amount": 359_110, "currency": "JPY"}
    assert named(found, "visitor_to_lead")["more_cases"] > 0
    assert {each["reference_source"] for each in found["factors"]} == {"target", "none"}
    assert verdict["counter_metric"]["metric"] == "l2m"
    assert sum(each["contribution"] for each in found["factors"]) == pytest.approx(found["gap"])
    for by in ("channel", "segment", "owner"):
        sliced = await ask(kpi, **QUARTER, by=by, interval="month")
        assert sliced["verdict"] == verdict
        assert sorted(group["value"] for group in sliced["groups"]) == [group["value"] for group in sliced["groups"]]
        assert len(sliced["periods"]) == 3


async def test_the_front_page_names_the_department(kpi: Rig) -> None:
    events, decisions = told.worked_example()
    await told.take(kpi, told.records(kpi, events))
    await told.decide(kpi, decisions)
    page = await kpi.client("viewer").get("/", params={**QUARTER, "mode": "flow", "by": "channel", "lang": "en"})
    assert "Bottleneck: Marketing" in page.text


async def test_each_factor_says_what_it_is_held_against(kpi: Rig) -> None:
    """Decided, else the span before, else the other segments, else nothing."""
    await many(kpi, "may-s", MAY, [("lead", 2), ("mql", 2), ("sql", 6)], segment="SMB")
    await many(kpi, "june-s", JUNE, [("lead", 6), ("mql", 2), ("sql", 2)], segment="SMB")
    await many(kpi, "june-e", JUNE, [("lead", 1), ("mql", 1), ("sql", 8)], segment="ENT")
    before = named(await ask(kpi, segment="SMB"), "lead_to_mql")
    assert (before["reference_source"], before["reference"]) == ("previous", pytest.approx(0.8))
    assert (before["reference_numerator"], before["reference_denominator"]) == (8, 10)
    assert (before["numerator"], before["denominator"]) == (4, 10)
    low, high = before["difference_ci95"]
    assert low < -0.4 < high
    others = named(await ask(kpi, segment="ENT"), "lead_to_mql")
    assert (others["reference_source"], others["reference"]) == ("benchmark", pytest.approx(0.4)), "no ENT in May"
    assert named(await ask(kpi), "lead_cycles")["reference_source"] == "previous"
    assert named(await ask(kpi, segment="ENT"), "lead_cycles")["reference_source"] == "none"
    await told.decide(kpi, {"reference_rates": {"lead_to_mql": 0.9}})
    assert named(await ask(kpi, segment="SMB"), "lead_to_mql")["reference_source"] == "target"
    target = {"stage": "inside_sales", "segment": "SMB", "base": 10, "rate": 0.7}
    chain = [("marketing", "visitor", "lead"), ("inside_sales", "lead", "mql"), ("field_sales", "mql", "won")]
    stages = [*chain, ("customer_success", "won", "retained")]
    client = kpi.client("ops_lead")
    given = [dict(zip(("stage", "base", "goal"), cut, strict=True)) for cut in stages]
    assert (await client.put("/v1/stages", json={"stages": given})).status_code == 200
    assert (await client.put("/v1/targets/2026-06", json=target)).status_code == 200
    own = named(await ask(kpi, segment="SMB"), "lead_to_mql")
    assert (own["reference_source"], own["reference"]) == ("target", 0.7)


async def test_a_running_span_is_held_against_the_one_before_up_to_the_same_point(kpi: Rig) -> None:
    await many(kpi, "early", MAY, [("lead", 5)])
    await many(kpi, "late", MAY + timedelta(days=20), [("mql", 15)])
    await many(kpi, "june", JUNE, [("lead", 5)])
    whole = named(await ask(kpi), "lead_cycles")
    assert (whole["reference"], whole["actual"]) == (20, 5)
    running = await ask(kpi, as_of="2026-06-10T03:00:00Z")
    assert (named(running, "lead_cycles")["reference"], named(running, "lead_cycles")["actual"]) == (5, 5)
    assert named(running, "lead_to_mql")["reference_source"] == "none", "none of the five had become an MQL by then"


async def test_deals_still_on_their_way_confirm_nothing_against_a_target(kpi: Rig) -> None:
    """Two of twenty were won by now, which is far below four of five; but eighteen are still open."""
    await told.decide(kpi, {"reference_rates": {"opp_to_won": 0.8}})
    await many(kpi, "june", JUNE, [("won", 2), ("opportunity", 18)])
    open_yet = named(await ask(kpi), "opp_to_won")
    assert (open_yet["numerator"], open_yet["denominator"], open_yet["evidence"]) == (2, 20, "suspected")
    assert (open_yet["matured_numerator"], open_yet["matured_denominator"]) == (2, 2)
    assert open_yet["probability_below"] > 0.99
    for place in range(12):
        lost = field_sales.DealLost(
            lead_id=told_id("lead", f"june-opportunity-{place}"),
            cycle=1,
            opportunity_id=told_id("opportunity", f"june-opportunity-{place}"),
            reason="price",
        )
        await kpi.deliver(lost, lost.lead_id, at=JUNE + timedelta(days=5))
    through = named(await ask(kpi), "opp_to_won")
    assert (through["matured_denominator"], through["evidence"]) == (14, "confirmed")
    later = {"as_of": "2026-10-01T00:00:00Z"}
    old = named(await ask(kpi, **later), "opp_to_won")
    assert old["matured_denominator"] == 20, "after ninety days who is still open counts as not won"
    (period,) = (await ask(kpi, interval="month"))["periods"]
    assert period["verdict"]["evidence"] == "confirmed"


async def test_a_fall_of_the_mix_alone_is_no_fault_of_the_stage(kpi: Rig) -> None:
    """In each segment more become MQLs than before; but most leads are now of the one that seldom does."""
    await many(kpi, "may-e", MAY, [("lead", 8), ("mql", 32)], segment="ENT")
    await many(kpi, "may-s", MAY, [("lead", 9), ("mql", 1)], segment="SMB")
    await many(kpi, "june-e", JUNE, [("lead", 1), ("mql", 9)], segment="ENT")
    await many(kpi, "june-s", JUNE, [("lead", 34), ("mql", 6)], segment="SMB")
    found = await ask(kpi)
    factor = named(found, "lead_to_mql")
    assert (factor["evidence"], factor["mix"]["shifted"]) == ("confirmed", True)
    assert factor["mix"]["pooled"] == pytest.approx(15 / 50 - 33 / 50)
    assert factor["mix"]["within"] == pytest.approx((10 * 0.1 + 40 * 0.05) / 50)
    assert factor["mix"]["mix"] == pytest.approx(factor["mix"]["pooled"] - factor["mix"]["within"])
    assert found["verdict"]["factor"] != "lead_to_mql"


async def falling(kpi: Rig) -> None:
    """In June, of ads one of twenty MQLs becomes an SQL, of events most; in May nearly all did."""
    done = [("won", 10)]
    await many(kpi, "may", MAY, [("mql", 2), *done], channel="ads", owner="rep-1")
    await many(kpi, "may-e", MAY, [("mql", 2), *done], channel="event", owner="rep-2")
    await many(kpi, "june", JUNE, [("won", 1)], channel="ads", owner="rep-1")
    for place in range(19):
        name = f"june-{place}"
        dropped = inside_sales.LeadDropped(
            lead_id=told_id("lead", name), cycle=1, reason="no_budget", recyclable=True, channel="ads"
        )
        await way(kpi, name, JUNE, "mql", outcome=dropped, sliced={"channel": "ads", "owner": "rep-1"})
    await many(kpi, "june-e", JUNE, [("mql", 2), *done], channel="event", owner="rep-2")


async def test_the_verdict_says_what_it_costs_where_and_why_and_what_may_be_done(kpi: Rig) -> None:
    await falling(kpi)
    given = inside_sales.FeedbackGiven(
        feedback_id=told_id("feedback", "F"),
        sender="inside_sales",
        receiver="marketing",
        kind="reject",
        reason="no_budget",
    )
    later = field_sales.FeedbackGiven(
        feedback_id=told_id("feedback", "G"), sender="field_sales", receiver="marketing", kind="voice"
    )
    for event in (given, later):
        await kpi.deliver(event, told_id("lead", event.sender), at=JUNE)
    found = await ask(kpi, "ops_lead")
    verdict = found["verdict"]
    assert verdict["text"] == "mql_to_sql: confirmed"
    factor = named(found, "mql_to_sql")
    assert verdict["deals"] == pytest.approx(-factor["contribution"])
    assert verdict["worth"]["amount"] == pytest.approx(verdict["deals"] * 100_000, abs=1)
    assert [(each["by"], each["value"], each["numerator"], each["denominator"]) for each in verdict["slices"]] == [
        ("channel", "ads", 1, 20),
        ("owner", "rep-1", 1, 20),
    ]
    assert verdict["reasons"] == [{"reason": "no_budget", "cases": 19, "ended": 19}]
    assert [each["feedback_id"] for each in verdict["feedback"]] == [str(given.feedback_id)]
    assert verdict["counter_metric"]["metric"] == "sql_acc"
    form = verdict["suggestion"]["form"]
    assert form["metric"] == "sql_rate"
    made = await kpi.client("ops_lead").post("/v1/counter-measures", json=form)
    assert made.status_code == 201, made.text
    assert made.json()["feedback_ids"] == [str(given.feedback_id)]
    seen = (await ask(kpi))["verdict"]["slices"]
    assert {each["by"] for each in seen} == {"channel"}, "whose work it is, is told to those who plan it"


async def test_below_the_smallest_sample_nothing_is_said(kpi: Rig) -> None:
    await falling(kpi)
    await told.decide(kpi, {"smallest_sample": 1000})
    found = await ask(kpi)
    assert (found["verdict"]["text"], found["smallest_sample"]) == ("none", 1000)
    assert all(each["probability_below"] is None for each in found["factors"])


async def test_a_factor_at_zero_blocks_the_chain(kpi: Rig) -> None:
    await many(kpi, "may", MAY, [("mql", 2), ("won", 10)])
    await many(kpi, "june", JUNE, [("mql", 12)])
    found = await ask(kpi)
    assert (found["blocked"], found["verdict"]["text"]) == ("mql_to_sql", "mql_to_sql: blocked")
    assert found["verdict"]["deals"] == pytest.approx(10)
    assert (found["actual_won"], found["gap"]) == (0, pytest.approx(-10))


async def test_what_piles_up_is_found_even_where_the_rate_is_fine(kpi: Rig) -> None:
    """Two more MQLs wait at the end of each week than at its start."""
    end = datetime(2026, 6, 30, 15, tzinfo=UTC)
    for week in range(4):
        began = end - timedelta(days=28 - 7 * week - 1)
        await many(kpi, f"ads-{week}", began, [("mql", 2), ("won", 1)], channel="ads")
        await many(kpi, f"event-{week}", began, [("won", 2)], channel="event")
    await many(kpi, "new", end - timedelta(hours=2), [("mql", 1)], channel="event")
    found = await ask(kpi, "ops_lead")
    waiting = queue(found, "mql_waiting")
    counts = [(week["arrivals"], week["departures"], week["wip"]) for week in waiting["weeks"]]
    assert counts == [(5, 3, 2), (5, 3, 4), (5, 3, 6), (6, 3, 9)]
    assert (waiting["grew_weeks"], waiting["speaks"], waiting["department"]) == (4, ["growing"], "inside_sales")
    assert waiting["little_days"] == pytest.approx(9 / (12 / 28))
    assert waiting["age_p90_days"] == pytest.approx(27, abs=0.2)
    verdict = found["verdict"]
    assert (verdict["detector"], verdict["queue"], verdict["factor"]) == ("flow", "mql_waiting", None)
    assert (verdict["text"], verdict["deals"]) == ("mql_waiting: growing", pytest.approx(9 * 12 / 21))
    assert verdict["slices"] == [
        {"by": "channel", "value": "ads", "numerator": None, "denominator": 8, "deals": None, "worth": None}
    ]
    assert verdict["suggestion"]["form"]["metric"] == "sla60"
    made = await kpi.client("ops_lead").post("/v1/counter-measures", json=verdict["suggestion"]["form"])
    assert made.status_code == 201, made.text
    partly = await ask(kpi, as_of="2026-06-16T15:00:00Z")
    assert [week["wip"] for week in queue(partly, "mql_waiting")["weeks"]] == [0, 0, 2, 4], "as it stood then"


async def test_customers_wait_to_be_onboarded_and_no_longer(kpi: Rig) -> None:
    """One was onboarded, one left, one bought again after it had been onboarded; five wait."""
    end = datetime(2026, 6, 30, 15, tzinfo=UTC)
    for place in range(8):
        account, contract = told_id("account", f"A{place}"), told_id("contract", f"A{place}")
        at = end - timedelta(days=27 - 3 * place)
        paid = {"amount": 1000, "currency": "JPY"}
        opened = customer_success.ContractStarted(
            account_id=account, contract_id=contract, opening_key=str(contract), mrr=paid, starts_on=at.date()
        )
        accepted = customer_success.CustomerAccepted(
            account_id=account, opportunity_id=told_id("opportunity", f"A{place}")
        )
        onboarded = customer_success.OnboardingCompleted(account_id=account)
        gone = customer_success.SubscriptionChanged(
            account_id=account, contract_id=contract, delta={**paid, "amount": -1000}
        )
        events: list[Event] = [opened, accepted]
        if place == 2:
            events = [opened, onboarded, accepted]
        events += [onboarded] if place == 0 else [gone] if place == 1 else []
        await kpi.hand_over([kpi.record(each, account, at=at + timedelta(hours=n)) for n, each in enumerate(events)])
    found = await ask(kpi)
    waiting = queue(found, "onboarding")
    assert [week["wip"] for week in waiting["weeks"]] == [0, 2, 4, 5]
    assert [(week["arrivals"], week["departures"]) for week in waiting["weeks"]] == [(2, 2), (2, 0), (2, 0), (1, 0)]
    assert (waiting["department"], waiting["speaks"]) == ("customer_success", ["growing"])
    assert (found["verdict"]["text"], found["verdict"]["deals"]) == ("onboarding: growing", None)
    assert found["verdict"]["suggestion"]["form"]["metric"] == "onb"


async def test_slots_that_are_taken_up_are_found(kpi: Rig) -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    for rep, region, number in (("r1", "east", 1), ("r2", "west", 2)):
        event = field_sales.CapacityChanged(rep_id=rep, slots_per_week=number, region=region)
        await kpi.deliver(event, rep, at=at)
    await many(kpi, "east", JUNE, [("won", 4)], region="east")
    await many(kpi, "west", JUNE, [("won", 1)], region="west")
    whole = queue(await ask(kpi), "opp_open")
    assert (whole["utilisation"], whole["utilisation_source"]) == (pytest.approx(5 / 12), "slots")
    await told.decide(kpi, {"smallest_sample": 4})
    east = await ask(kpi, region="east")
    assert queue(east, "opp_open")["utilisation"] == pytest.approx(1.0)
    assert queue(east, "opp_open")["speaks"] == ["overloaded"]
    assert queue(east, "opp_open")["grew_weeks"] == 0, "what came went on"
    assert queue(await ask(kpi, channel="ads"), "opp_open")["utilisation"] is None, "slots are not of a channel"


async def test_without_slots_the_valve_tells_how_full_field_sales_is(kpi: Rig) -> None:
    await many(kpi, "june", JUNE, [("won", 6)])
    moved = inside_sales.ValveMoved(valve_id="v", threshold=50, utilisation=1.2, rule_version=1)
    await kpi.deliver(moved, "v", at=JUNE)
    found = queue(await ask(kpi), "opp_open")
    assert (found["utilisation"], found["utilisation_source"], found["speaks"]) == (1.2, "valve", ["overloaded"])
    assert queue(await ask(kpi, as_of="2026-06-07T15:00:00Z"), "opp_open")["utilisation"] is None


async def test_both_detectors_of_one_department(kpi: Rig) -> None:
    await many(kpi, "may", MAY, [("won", 30)])
    end = datetime(2026, 6, 30, 15, tzinfo=UTC)
    for week in range(4):
        await many(kpi, f"w{week}", end - timedelta(days=28 - 7 * week - 1), [("mql", 6), ("won", 1)])
    found = await ask(kpi)
    assert (found["verdict"]["factor"], found["verdict"]["detector"]) == ("mql_to_sql", "both")


async def test_too_many_periods_are_refused(kpi: Rig) -> None:
    answer = await kpi.client("viewer").get("/v1/bottleneck", params={**ASKED, "from": "2025-01-01", "interval": "day"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "interval")
