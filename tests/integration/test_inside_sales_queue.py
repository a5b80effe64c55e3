"""The queue, who gets what of it, the valve before it, and what nobody followed up."""

import asyncio
import base64
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.inside_sales.app import SERVICE
from shared import clock
from shared.contracts import field_sales as fs
from shared.contracts.marketing import MqlCreated
from shared.ids import new_id
from tests.support.inside_sales import BANT, Desk, wire
from tests.support.rig import MakeRig


@pytest.fixture
async def desk(make_rig: MakeRig) -> Desk:
    return Desk(await make_rig(SERVICE))


async def queue(desk: Desk, query: str = "") -> Any:
    answer = await desk.sato.get(f"/v1/queue?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def leads(desk: Desk, query: str = "") -> list[UUID]:
    return [UUID(item["lead_id"]) for item in (await queue(desk, query))["items"]]


async def set_rule(desk: Desk, name: str, **changes: Any) -> Any:
    body = (await desk.sato.get(f"/v1/rules/{name}")).json()["rule"]
    answer = await desk.sato.put(f"/v1/rules/{name}", json={"rule": {**body, **changes}})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_queue_puts_score_age_and_sla_in_order_and_says_why(desk: Desk) -> None:
    now = clock.utc_now()
    fresh = await desk.mql(score=50, at=now)
    old = await desk.mql(score=50, at=now - timedelta(hours=8))
    hot = await desk.mql(score=90, at=now)
    overdue = await desk.mql(score=50, at=now - timedelta(days=20))
    unknown = await desk.mql(score=None, at=now)
    await desk.act(
        overdue, "activities", {"kind": "call"}, status=201
    )  # its clock is stopped: age counts, the SLA no more
    items = {UUID(item["lead_id"]): item for item in (await queue(desk))["items"]}
    factors = {lead: items[lead]["why"] for lead in items}
    assert factors[hot]["score"] == 0.9
    assert factors[unknown]["score"] == 0.5, "the rule's default score"
    assert factors[old]["age"] == pytest.approx(2, abs=0.01)
    assert factors[overdue] == {"score": 0.5, "age": 4.0, "sla": 1.0, "valve": 1.0}
    for lead, item in items.items():
        why = factors[lead]
        assert item["priority"] == pytest.approx(why["score"] * why["age"] * why["sla"] * why["valve"])
        assert item["sla_due_at"] is not None
    assert items[old]["waiting_minutes"] == 480
    assert items[overdue]["waiting_minutes"] is None
    assert await leads(desk) == sorted(items, key=lambda lead: (-items[lead]["priority"], lead))
    assert (await leads(desk)).index(hot) < (await leads(desk)).index(fresh)


async def test_an_overdue_sla_weighs_more(desk: Desk) -> None:
    rule = await set_rule(desk, "queue", age_cap=0, sla_overdue=5)
    late = await desk.mql(at=clock.utc_now() - timedelta(days=10))
    fresh = await desk.mql(score=99)
    assert await leads(desk) == [late, fresh]
    found = await queue(desk)
    assert found["items"][0]["why"]["sla"] == 5
    assert found["rule_version"] == rule["version"] == 2


async def test_the_queue_is_what_is_free_and_with_an_owner_what_is_theirs(desk: Desk) -> None:
    free = await desk.mql(segment="smb", channel="web", region="kanto")
    mine = await desk.mql(segment="smb")
    await desk.act(mine, "claim")
    handed_back = await desk.accepted()
    await desk.act(handed_back, "release")
    assert set(await leads(desk)) == {free, handed_back}
    assert await leads(desk, "owner=sato") == [mine]
    assert await leads(desk, "segment=smb") == await leads(desk, "channel=web&region=kanto") == [free]
    assert await leads(desk, "region=kansai") == []
    assert (await desk.sato.get("/v1/queue?colour=red")).status_code == 422


async def test_pages_keep_the_order_of_the_first_one(desk: Desk) -> None:
    known = [await desk.mql(score=score) for score in (10, 30, 30, 70, 90)]
    found: list[UUID] = []
    cursor = ""
    while True:
        page = await queue(desk, f"limit=2{cursor}")
        found += [UUID(item["lead_id"]) for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
        await desk.mql(score=100)  # what comes meanwhile disturbs nobody who was on his way
    assert [lead for lead in found if lead in known] == [known[4], known[3], *sorted(known[1:3]), known[0]]
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    "cursor",
    [[1], {}, ["2026-01-01", 1, str(UUID(int=1))], ["9999-12-31T23:59:59-09:00", 1, str(UUID(int=1))], ["x", 1, "y"]],
)
async def test_a_cursor_of_somebody_else_is_malformed(desk: Desk, cursor: Any) -> None:
    given = base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode()
    assert (await desk.sato.get(f"/v1/queue?cursor={given}")).status_code == 422


async def test_two_who_ask_at_once_get_two_different_ones(desk: Desk) -> None:
    waiting = {await desk.mql(score=score) for score in (50, 60, 70)}
    people = [desk.person(f"p{n}") for n in range(5)]
    answers = await asyncio.gather(*(person.post("/v1/queue/next") for person in people))
    given = [UUID(answer.json()["id"]) for answer in answers if answer.status_code == 200]
    assert set(given) == waiting
    assert len(given) == 3
    assert {a.json()["type"] for a in answers if a.status_code == 404} == {"/problems/queue_empty"}
    for answer in answers:
        if answer.status_code == 200:
            assert answer.json()["status"] == "claimed"


async def test_next_gives_the_best_within_the_wish(desk: Desk) -> None:
    await desk.mql(score=99, segment="enterprise")
    low, best = await desk.mql(score=40, segment="smb"), await desk.mql(score=80, segment="smb")
    for expected in (best, low):
        found = (await desk.sato.post("/v1/queue/next", json={"segment": "smb"})).json()
        assert (UUID(found["id"]), found["claimed_by"]) == (expected, "sato")
    answer = await desk.sato.post("/v1/queue/next", json={"segment": "smb"})
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/queue_empty")


async def test_without_a_word_of_capacity_nothing_is_held(desk: Desk) -> None:
    lead = await desk.mql(score=1)
    valve = (await desk.sato.get("/v1/valve")).json()
    assert {"threshold": 0, "utilisation": None, "why": "no_capacity_told", "held": []}.items() <= valve.items()
    assert await leads(desk) == [lead]


async def test_the_valve_follows_field_sales_load(desk: Desk) -> None:
    low, high = await desk.mql(score=30), await desk.mql(score=95)
    await desk.capacity("suzuki", 2, region="kanto")
    valve = (await desk.sato.get("/v1/valve")).json()
    assert (valve["threshold"], valve["utilisation"], valve["why"]) == (0, 0, "idle")
    assert await desk.rig.told("inside_sales.valve_moved.v1") == [], "it stood at 0 before"
    handed = [await desk.handed_over() for _ in range(3)]
    valve = (await desk.sato.get("/v1/valve")).json()
    assert (valve["threshold"], valve["utilisation"], valve["why"]) == (60, 1.5, "busy")
    assert (valve["offered"], valve["opened"], valve["slots"]) == (3, 0, 2)
    assert [item["lead_id"] for item in valve["held"]] == [str(low)]
    assert [event.data["threshold"] for event in await desk.rig.told("inside_sales.valve_moved.v1")] == [20, 40, 60]
    assert [event.key for event in await desk.rig.told("inside_sales.valve_moved.v1")] == ["company"] * 3

    found = await queue(desk)
    assert [item["lead_id"] for item in found["items"]] == [str(high)]
    assert found["held"] == {"count": 1, "threshold": 60}
    (held,) = (await queue(desk, "held=true"))["items"]
    assert (held["lead_id"], held["held"], held["why"]["valve"]) == (str(low), True, 0.1)
    assert (await desk.prospect(low))["held"] is True
    await desk.sato.post("/v1/queue/next")
    answer = await desk.sato.post("/v1/queue/next")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/nothing_released")

    for lead, opportunity in handed:
        await desk.field_sales(fs.SqlReturned, lead, opportunity, reason="no_budget")
    assert (await desk.sato.get("/v1/valve")).json()["threshold"] == 0
    assert await leads(desk) == [low]


async def test_opportunities_opened_this_week_take_capacity_and_those_of_last_week_do_not(desk: Desk) -> None:
    await desk.capacity("suzuki", 4)
    for origin, days in (("self_sourced", 0), ("partner", 0), ("renewal", 0), ("referral", 15)):
        opportunity = new_id()
        event = fs.OpportunityOpened(opportunity_id=opportunity, origin=origin)
        await desk.rig.deliver(event, opportunity, at=clock.utc_now() - timedelta(days=days))
    valve = (await desk.sato.get("/v1/valve")).json()
    assert (valve["opened"], valve["utilisation"]) == (2, 0.5)
    await desk.rig.run_rule("valve", clock.utc_now() + timedelta(days=7))
    assert (await desk.sato.get("/v1/valve")).json()["opened"] == 0, "a new week has begun"


async def test_regions_may_have_valves_of_their_own(desk: Desk) -> None:
    await set_rule(desk, "valve", per="region")
    await desk.capacity("suzuki", 1, region="kanto")
    await desk.capacity("kato", 1, region="kansai")
    await desk.handed_over(region="kanto")
    await desk.handed_over(region="kanto")
    busy, idle = await desk.mql(score=50, region="kanto"), await desk.mql(score=50, region="kansai")
    nowhere = await desk.mql(score=50)
    valve = (await desk.sato.get("/v1/valve")).json()
    assert {region["id"]: region["threshold"] for region in valve["regions"]} == {
        "region/kanto": 80,
        "region/kansai": 0,
    }
    assert valve["threshold"] == 40
    assert await leads(desk, "held=true") == [busy]
    assert set(await leads(desk)) == {idle, nowhere}
    await set_rule(desk, "valve", per="company")
    assert await leads(desk, "held=true") == []


async def test_what_nobody_contacted_is_dropped_as_unfollowed(desk: Desk) -> None:
    long_ago = clock.utc_now() - timedelta(days=10)
    waiting, claimed, accepted, contacted = [await desk.mql(at=long_ago) for _ in range(4)]
    await desk.act(claimed, "claim")
    await desk.act(accepted, "accept")
    await desk.act(contacted, "activities", {"kind": "call"}, status=201)
    fresh = await desk.mql()
    assert await desk.rig.run_rule("unfollowed") == 3
    dropped = await desk.rig.told("inside_sales.lead_dropped.v1")
    assert {(event.data["lead_id"], event.data["reason"], event.data["recyclable"]) for event in dropped} == {
        (str(lead), "unfollowed", True) for lead in (waiting, claimed, accepted)
    }
    assert [(await desk.prospect(lead))["status"] for lead in (contacted, fresh)] == ["waiting", "waiting"]
    assert await desk.rig.run_rule("unfollowed") == 0


async def test_history_from_a_file_has_the_whole_time_again(desk: Desk) -> None:
    """Nobody judged it by criteria, and what was done about it may stand in the next file."""
    lead = new_id()
    long_ago = clock.utc_now() - timedelta(days=400)
    await desk.rig.deliver(MqlCreated(lead_id=lead, cycle=1), lead, at=long_ago)
    assert await desk.rig.run_rule("unfollowed") == 0
    assert await desk.rig.run_rule("unfollowed", clock.utc_now() + timedelta(days=10)) == 1


async def test_an_mql_told_late_is_followed_from_its_telling_on(desk: Desk) -> None:
    lead = new_id()
    event = MqlCreated(lead_id=lead, cycle=1, criteria_version=1)
    await desk.rig.deliver(event, lead, at=clock.utc_now() - timedelta(days=30))
    assert await desk.rig.run_rule("unfollowed", clock.utc_now() + timedelta(hours=20)) == 0
    assert await desk.rig.run_rule("unfollowed", clock.utc_now() + timedelta(days=10)) == 1


async def test_events_for_replay_only_make_no_work(desk: Desk) -> None:
    lead = new_id()
    long_ago = clock.utc_now() - timedelta(days=30)
    await desk.rig.deliver(MqlCreated(lead_id=lead, cycle=1), lead, at=long_ago, replay_only=True)
    assert await desk.rig.run_rule("unfollowed", clock.utc_now() + timedelta(days=60)) == 0
    assert (await desk.sato.get(f"/v1/prospects/{lead}")).status_code == 404


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("sla", {"minutes": 0}),
        ("sla", {"mood": 1}),
        ("sla", {"timezone": "Moon/Base"}),
        ("queue", {"age_minutes": 0}),
        ("valve", {"low": 9}),
        ("hand_over", {"required": ["mood"]}),
        ("hand_over", {"passes": {"budget": ["a_lot"]}}),
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused(desk: Desk, name: str, changes: dict[str, Any]) -> None:
    body = (await desk.sato.get(f"/v1/rules/{name}")).json()["rule"]
    answer = await desk.sato.put(f"/v1/rules/{name}", json={"rule": {**body, **changes}})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith("rule")


async def test_the_sla_in_force_dates_the_due_instant(desk: Desk) -> None:
    await set_rule(desk, "sla", minutes=10, opens="00:00", closes="23:59:59", days=[1, 2, 3, 4, 5, 6, 7])
    now = clock.utc_now()
    lead = await desk.mql(at=now)
    found = await desk.prospect(lead)
    due = (now + timedelta(minutes=10)).isoformat().replace("+00:00", "Z")
    assert found["sla_due_at"] >= due
    assert found["sla_due_at"] <= wire(now + timedelta(minutes=11))


async def test_the_criteria_in_force_decide_what_is_an_sql(desk: Desk) -> None:
    await set_rule(desk, "hand_over", required=["need", "product"], passes={"need": ["explicit"]})
    lead = await desk.accepted()
    found = await desk.act(lead, "hand-over", {"need": "latent"}, status=409)
    assert (found["missing"], found["criteria_version"]) == (["need", "product"], 2)
    assert (await desk.act(lead, "hand-over", {"need": "explicit", "product": "crm"}))["criteria_version"] == 2
    assert await desk.refused(await desk.accepted(), "hand-over", BANT) == "criteria_not_met"
