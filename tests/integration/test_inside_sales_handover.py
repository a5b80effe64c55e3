"""The hand-over to field sales: criteria, appointment, what goes on the wire, and what field sales makes of it."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.inside_sales.app import SERVICE
from shared import clock
from shared.contracts import field_sales as fs
from shared.ids import new_id
from tests.support.inside_sales import BANT, Desk, next_week, wire
from tests.support.rig import MakeRig


@pytest.fixture
async def desk(make_rig: MakeRig) -> Desk:
    return Desk(await make_rig(SERVICE))


def appointment(**more: Any) -> dict[str, Any]:
    return {"start_at": wire(next_week()), "minutes": 60, "rep": "suzuki", "place": "online", **more}


async def test_the_hand_over_tells_codes_and_keeps_texts(desk: Desk) -> None:
    lead = await desk.accepted(channel="web", external_id="L-1", product="crm")
    body = {
        **BANT,
        "product": "suite",
        "size": "up_to_99",
        "comment": "山田部長は慎重",
        "expected_mrr": 120000,
        "appointment": appointment(place="東京都千代田区1-1"),
    }
    found = await desk.act(lead, "hand-over", body)
    assert (found["status"], found["expected_mrr"]) == ("handed_over", {"amount": 120000, "currency": "JPY"})
    sql, booked = (await desk.rig.told())[-2:]
    assert sql.type == "inside_sales.sql_accepted.v1"
    assert sql.data == {
        **BANT,
        "lead_id": str(lead),
        "external_id": "L-1",
        "cycle": 1,
        "channel": "web",
        "product": "suite",
        "size": "up_to_99",
        "owner": "sato",
        "opportunity_id": found["opportunity_id"],
        "expected_mrr": {"amount": 120000, "currency": "JPY"},
        "criteria_version": 1,
    }
    assert booked.type == "inside_sales.appointment_set.v1"
    expected = {"minutes": 60, "rep": "suzuki", "place": "visit", "opportunity_id": found["opportunity_id"]}
    assert expected.items() <= booked.data.items()
    assert booked.data["appointment_id"] == found["appointment"]["id"]
    assert {sql.key, booked.key} == {str(lead)}
    assert found["comment"] == "山田部長は慎重"
    assert found["appointment"]["place"] == "東京都千代田区1-1"
    for role in ("viewer", "executive"):
        seen = (await desk.person("x", role).get(f"/v1/prospects/{lead}")).json()
        assert (seen["comment"], seen["appointment"]["place"]) == (None, None)
    assert await desk.refused(lead, "hand-over", BANT) == "already_handed_over"
    assert len(await desk.rig.told("inside_sales.sql_accepted.v1")) == 1


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, ["budget", "authority", "need", "timing"]),
        ({"budget": "secured", "need": "explicit"}, ["authority", "timing"]),
        ({**BANT, "need": "none"}, ["need"]),
        ({**BANT, "timing": "undecided", "authority": "unknown"}, ["authority", "timing"]),
    ],
)
async def test_criteria_that_are_not_met_are_listed(desk: Desk, given: dict[str, str], missing: list[str]) -> None:
    lead = await desk.accepted()
    found = await desk.act(lead, "hand-over", given, status=409)
    assert (found["type"], found["missing"]) == ("/problems/criteria_not_met", missing)
    assert (await desk.prospect(lead))["status"] == "accepted"
    assert await desk.rig.told("inside_sales.sql_accepted.v1") == []


async def test_an_mql_must_be_accepted_first(desk: Desk) -> None:
    lead = await desk.mql()
    found = await desk.act(lead, "hand-over", BANT, status=409)
    assert (found["type"], found["missing"]) == ("/problems/not_accepted", ["accept"])


async def test_what_was_noted_before_counts(desk: Desk) -> None:
    lead = await desk.mql()
    patch = {"budget": "planned", "need": "latent", "expected_mrr": {"amount": 200050, "currency": "USD"}}
    answer = await desk.sato.patch(f"/v1/prospects/{lead}", json=patch)
    assert (answer.status_code, answer.json()["budget"]) == (200, "planned")
    answer = await desk.sato.patch(f"/v1/prospects/{lead}", json={"need": None})
    assert (answer.json()["budget"], answer.json()["need"]) == ("planned", None)
    assert (await desk.sato.patch(f"/v1/prospects/{lead}", json={"mood": "good"})).status_code == 422
    await desk.act(lead, "accept")
    given = {"authority": "recommender", "timing": "within_6_months", "need": "explicit", "budget": None}
    found = await desk.act(lead, "hand-over", given)
    assert (found["budget"], found["expected_mrr"]) == ("planned", {"amount": 200050, "currency": "USD"})
    assert (await desk.sato.patch(f"/v1/prospects/{lead}", json=patch)).json()[
        "type"
    ] == "/problems/already_handed_over"


async def test_a_bare_amount_is_in_major_units(desk: Desk) -> None:
    lead = await desk.accepted()
    found = await desk.act(lead, "hand-over", {**BANT, "expected_mrr": 2000.5, "currency": "USD"})
    assert found["expected_mrr"] == {"amount": 200050, "currency": "USD"}


async def test_a_rep_is_not_booked_twice_at_once(desk: Desk) -> None:
    first, second = await desk.accepted(), await desk.accepted()
    body = {**BANT, "appointment": appointment()}
    await desk.act(first, "hand-over", body)
    overlapping = {**BANT, "appointment": appointment(start_at=wire(next_week() + timedelta(minutes=59)))}
    found = await desk.act(second, "hand-over", overlapping, status=409)
    assert (found["type"], found["rep"]) == ("/problems/double_booked", "suzuki")
    assert (await desk.prospect(second))["status"] == "accepted", "nothing of a refused hand-over stays"
    behind = {**BANT, "appointment": appointment(start_at=wire(next_week() + timedelta(minutes=60)))}
    await desk.act(second, "hand-over", behind)
    third = await desk.accepted()
    await desk.act(third, "hand-over", {**BANT, "appointment": appointment(rep="kato")})


async def test_one_of_two_bookings_at_once_wins(desk: Desk) -> None:
    waiting = [await desk.accepted() for _ in range(4)]
    body = {**BANT, "appointment": appointment()}
    answers = await asyncio.gather(*(desk.sato.post(f"/v1/prospects/{lead}/hand-over", json=body) for lead in waiting))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


async def test_a_week_has_so_many_slots(desk: Desk) -> None:
    await desk.capacity("suzuki", 2)
    for hour in (10, 12):
        await desk.handed_over(appointment=appointment(start_at=wire(next_week(hour))))
    lead = await desk.accepted()
    found = await desk.act(
        lead, "hand-over", {**BANT, "appointment": appointment(start_at=wire(next_week(16)))}, status=409
    )
    assert (found["type"], found["slots_per_week"], found["booked"]) == ("/problems/no_free_slot", 2, 2)
    slots = (await desk.sato.get("/v1/reps/suzuki/slots?weeks=3")).json()
    assert [(week["slots"], week["booked"], week["free"]) for week in slots["weeks"]] == [
        (2, 0, 2),
        (2, 2, 0),
        (2, 0, 2),
    ]
    week_after = {**BANT, "appointment": appointment(start_at=wire(next_week(16, days=7)))}
    await desk.act(lead, "hand-over", week_after)
    assert (await desk.sato.get("/v1/reps/nobody/slots")).status_code == 404


async def test_a_rep_may_be_named_by_name(desk: Desk) -> None:
    await desk.sato.put("/v1/reps/r-7", json={"name": "鈴木 一郎"})
    lead, _ = await desk.handed_over(appointment=appointment(rep="鈴木 一郎"))
    assert (await desk.prospect(lead))["appointment"]["rep"] == "r-7"


async def test_an_appointment_lies_ahead(desk: Desk) -> None:
    lead = await desk.accepted()
    body = {**BANT, "appointment": appointment(start_at=wire(clock.utc_now() - timedelta(days=1)))}
    answer = await desk.sato.post(f"/v1/prospects/{lead}/hand-over", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "appointment.start_at")


async def test_an_appointment_can_be_agreed_on_later(desk: Desk) -> None:
    lead = await desk.accepted()
    assert await desk.refused(lead, "appointment", appointment()) == "not_an_sql"
    await desk.act(lead, "hand-over", BANT)
    early = {**appointment(), "occurred_at": wire(clock.utc_now() - timedelta(hours=1))}
    assert await desk.refused(lead, "appointment", early) == "before_previous_step"
    found = await desk.act(lead, "appointment", {**appointment(), "occurred_at": wire(clock.utc_now())}, status=201)
    assert (found["status"], found["rep"]) == ("set", "suzuki")
    assert (await desk.rig.told("inside_sales.appointment_set.v1"))[0].data["appointment_id"] == found["id"]
    assert await desk.refused(lead, "appointment", appointment()) == "appointment_stands"


async def test_what_became_of_the_appointment_is_followed(desk: Desk) -> None:
    lead, opportunity = await desk.handed_over(appointment=appointment())
    booked = UUID((await desk.prospect(lead))["appointment"]["id"])

    async def after(kind: type[fs.AppointmentEvent], **more: Any) -> Any:
        await desk.field_sales(kind, lead, opportunity, appointment_id=booked, **more)
        return (await desk.prospect(lead))["appointment"]

    moved = await after(fs.AppointmentRescheduled, start_at=next_week(18))
    assert (moved["status"], moved["start_at"], moved["minutes"]) == (
        "set",
        wire(next_week(18)).replace("+00:00", "Z"),
        60,
    )
    await desk.handed_over(appointment=appointment())  # the old time is free again
    assert (await after(fs.AppointmentMissed))["status"] == "missed"
    assert (await after(fs.AppointmentCancelled))["status"] == "cancelled"
    assert (await after(fs.AppointmentHeld))["status"] == "held"
    listed = (await desk.sato.get("/v1/appointments?rep=suzuki&status=held")).json()["items"]
    assert [item["id"] for item in listed] == [str(booked)]


async def test_a_returned_sql_ends_the_cycle_and_frees_the_slot(desk: Desk) -> None:
    lead, opportunity = await desk.handed_over(appointment=appointment())
    await desk.field_sales(fs.SqlReturned, lead, opportunity, reason="no_budget", recyclable=True)
    found = await desk.prospect(lead)
    assert (found["status"], found["reason"], found["recyclable"]) == ("returned", "no_budget", True)
    assert found["appointment"]["status"] == "cancelled"
    for act, body in (("accept", None), ("hand-over", BANT), ("drop", {"reason": "no_need"})):
        assert await desk.refused(lead, act, body) == "cycle_ended"
    await desk.handed_over(appointment=appointment())


async def test_the_deal_is_shown(desk: Desk) -> None:
    lead, opportunity = await desk.handed_over()
    seen = []
    for kind, more in (
        (fs.OpportunityOpened, {}),
        (fs.DealLost, {"reason": "price"}),
        (fs.DealReopened, {}),
        (fs.DealWon, {}),
    ):
        await desk.field_sales(kind, lead, opportunity, **more)
        found = await desk.prospect(lead)
        seen.append((found["status"], found["reason"], found["ended_at"] is not None))
    assert seen == [
        ("opened", None, False),
        ("lost", "price", True),
        ("opened", None, False),
        ("won", None, True),
    ]
    assert found["opened_at"] is not None
    assert await desk.refused(lead, "drop", {"reason": "no_need"}) == "cycle_ended"


async def test_a_call_before_the_meeting_is_still_noted(desk: Desk) -> None:
    lead, opportunity = await desk.handed_over()
    await desk.act(lead, "activities", {"kind": "call", "outcome": "connected"}, status=201)
    await desk.field_sales(fs.SqlReturned, lead, opportunity, reason="no_need")
    assert await desk.refused(lead, "activities", {"kind": "call"}) == "cycle_ended"


async def test_field_sales_news_may_come_before_marketings(desk: Desk) -> None:
    lead, opportunity = new_id(), new_id()
    await desk.field_sales(fs.OpportunityOpened, lead, opportunity)
    await desk.field_sales(fs.DealLost, lead, opportunity, reason="price")
    assert (await desk.sato.get(f"/v1/prospects/{lead}")).status_code == 404
    await desk.mql(lead)
    found = await desk.prospect(lead)
    assert (found["status"], found["reason"], found["opportunity_id"]) == ("lost", "price", str(opportunity))
    assert (await desk.sato.get("/v1/queue")).json()["items"] == []


async def test_an_opportunity_whose_lead_is_learned_later_ends_the_waiting(desk: Desk) -> None:
    lead, opportunity = await desk.mql(), new_id()
    event = fs.OpportunityOpened(opportunity_id=opportunity, origin="self_sourced")
    await desk.rig.deliver(event, opportunity)
    assert (await desk.prospect(lead))["status"] == "waiting"
    await desk.rig.deliver(fs.OpportunityLinked(opportunity_id=opportunity, lead_id=lead, cycle=1), opportunity)
    assert (await desk.prospect(lead))["status"] == "opened"


@pytest.mark.parametrize("origin", ["expansion", "renewal"])
async def test_business_with_a_customer_is_no_business_of_the_old_cycle(desk: Desk, origin: str) -> None:
    lead = await desk.accepted()
    await desk.field_sales(fs.OpportunityOpened, lead, new_id(), origin=origin)
    assert (await desk.prospect(lead))["status"] == "accepted"


async def test_a_second_opportunity_beside_the_sql_changes_nothing(desk: Desk) -> None:
    lead, opportunity = await desk.handed_over()
    other = new_id()
    await desk.field_sales(fs.OpportunityOpened, lead, other, origin="referral")
    await desk.field_sales(fs.DealLost, lead, other, reason="price")
    found = await desk.prospect(lead)
    assert (found["status"], found["opportunity_id"]) == ("handed_over", str(opportunity))


async def test_a_deal_of_an_earlier_cycle_is_told_to_its_history(desk: Desk) -> None:
    lead, opportunity = await desk.handed_over()
    await desk.field_sales(fs.DealLost, lead, opportunity, reason="price")
    await desk.mql(lead, cycle=2)
    await desk.field_sales(fs.DealReopened, lead, opportunity)
    found = await desk.prospect(lead)
    assert (found["cycle"], found["status"]) == (2, "waiting")
    assert [(cycle["cycle"], cycle["status"]) for cycle in found["cycles"]] == [(1, "opened")]


async def test_an_sql_that_only_field_sales_knew_of(desk: Desk) -> None:
    lead, opportunity = await desk.mql(), new_id()
    await desk.field_sales(fs.SqlReceived, lead, opportunity)
    found = await desk.prospect(lead)
    assert (found["status"], found["opportunity_id"]) == ("handed_over", str(opportunity))
    assert found["sql_at"] is not None
    undated = await desk.mql()
    await desk.field_sales(fs.SqlReceived, undated, new_id(), dated=False)
    assert (await desk.prospect(undated))["sql_at"] is None


async def test_reps_are_kept(desk: Desk) -> None:
    body = {
        "name": "佐藤 花子",
        "email": "sato@example.co.jp",
        "team": "IS1",
        "region": "kanto",
        "started_on": "2025-04-01",
    }
    answer = await desk.sato.put("/v1/reps/sato", json=body)
    assert (answer.status_code, answer.json()["name"], answer.json()["slots_per_week"]) == (201, "佐藤 花子", None)
    await desk.capacity("suzuki", 5, team="FS1")
    again = await desk.sato.put("/v1/reps/suzuki", json={"name": "鈴木"}, headers={"If-Match": '"1"'})
    assert (again.status_code, again.json()["slots_per_week"], again.json()["team"]) == (200, 5, None)
    stale = await desk.sato.put("/v1/reps/suzuki", json={"name": "鈴木"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    await desk.sato.put("/v1/reps/sato", json={**body, "archived": True})
    assert [rep["id"] for rep in (await desk.sato.get("/v1/reps")).json()["items"]] == ["suzuki"]
    everyone = (await desk.sato.get("/v1/reps?archived=true&team=IS1")).json()["items"]
    assert [rep["id"] for rep in everyone] == ["sato"]
    assert (await desk.sato.get("/v1/reps/nobody")).status_code == 404
    assert (await desk.sato.put("/v1/reps/x", json={"email": "no address"})).status_code == 422
    assert (await desk.person("x", "viewer").put("/v1/reps/x", json={})).status_code == 403


async def test_a_rep_who_left_takes_no_capacity_along(desk: Desk) -> None:
    await desk.capacity("suzuki", 5)
    await desk.capacity("kato", 3)
    await desk.sato.put("/v1/reps/suzuki", json={"archived": True})
    assert (await desk.sato.get("/v1/valve")).json()["slots"] == 3
