"""Appointments and the first visit over HTTP."""

from datetime import timedelta
from typing import Any

import pytest

from services.field_sales.app import SERVICE
from tests.support.field_sales import DAY, HANDED_OVER, Seller, Sql, offer, wire
from tests.support.rig import MakeRig, Rig

AT = HANDED_OVER + DAY


@pytest.fixture
async def rig(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


@pytest.fixture
def seller(rig: Rig) -> Seller:
    return Seller(rig.client("field_sales", user="sato"))


async def test_a_held_appointment_is_told(rig: Rig, seller: Seller) -> None:
    sql = await offer(rig, appointment=True)
    await seller.get(f"/opportunities/{sql.opportunity_id}")
    tag = seller.last.headers["etag"]
    found = await seller.act(sql.opportunity_id, "appointment/held", {"occurred_at": wire(AT)})
    assert found["appointment"]["status"] == "held"
    assert seller.last.headers["etag"] != tag
    (event,) = await rig.told()
    assert (event.type, event.key, event.time) == ("field_sales.appointment_held.v1", str(sql.lead_id), AT)
    assert (event.data["appointment_id"], event.data["cycle"]) == (found["appointment"]["id"], 1)


async def test_nobody_came_then_another_time_then_called_off(rig: Rig, seller: Seller) -> None:
    sql = await offer(rig, appointment=True)
    await seller.act(sql.opportunity_id, "appointment/missed", {"occurred_at": wire(AT)})
    moved = {"start_at": wire(AT + 3 * DAY), "minutes": 45, "occurred_at": wire(AT)}
    found = await seller.act(sql.opportunity_id, "appointment/reschedule", moved)
    appointment = found["appointment"]
    assert (appointment["status"], appointment["start_at"], appointment["minutes"]) == ("set", wire(AT + 3 * DAY), 45)
    assert appointment["reschedules"] == 1
    body = {"reason": "customer_request", "occurred_at": wire(AT + DAY)}
    found = await seller.act(sql.opportunity_id, "appointment/cancel", body)
    assert (found["appointment"]["status"], found["appointment"]["reason"]) == ("cancelled", "customer_request")
    told = await rig.told()
    assert [event.type.split(".")[1] for event in told] == [
        "appointment_missed",
        "appointment_rescheduled",
        "appointment_cancelled",
    ]
    assert (told[1].data["start_at"], told[2].data["reason"]) == (wire(AT + 3 * DAY), "customer_request")


@pytest.mark.parametrize("end", ["held", "cancel"])
@pytest.mark.parametrize("act", ["held", "missed", "reschedule", "cancel"])
async def test_an_appointment_that_is_over_stays_so(rig: Rig, seller: Seller, end: str, act: str) -> None:
    sql = await offer(rig, appointment=True)
    await seller.act(sql.opportunity_id, f"appointment/{end}", {"occurred_at": wire(AT)})
    body: dict[str, Any] = {"start_at": wire(AT + DAY)} if act == "reschedule" else {}
    problem = await seller.act(sql.opportunity_id, f"appointment/{act}", body, 409)
    assert (problem["type"], problem["current"]) == (
        "/problems/appointment_over",
        "held" if end == "held" else "cancelled",
    )
    assert len(await rig.told()) == 1


async def test_a_second_appointment_after_the_first_was_called_off(rig: Rig, seller: Seller) -> None:
    sql = await offer(rig, appointment=True)
    await seller.act(sql.opportunity_id, "appointment/cancel", {"occurred_at": wire(AT)})
    second = sql.appointment()
    await rig.deliver(second, sql.lead_id, at=AT)
    found = await seller.act(sql.opportunity_id, "appointment/held", {"occurred_at": wire(AT + DAY)})
    assert (found["appointment"]["id"], found["appointment"]["status"]) == (str(second.appointment_id), "held")


async def test_the_appointment_has_steps_of_its_own(rig: Rig, seller: Seller) -> None:
    sql = await offer(rig, appointment=True)
    await seller.act(sql.opportunity_id, "accept", {"occurred_at": wire(AT + 5 * DAY)})
    early = {"occurred_at": wire(HANDED_OVER - timedelta(seconds=1))}
    problem = await seller.act(sql.opportunity_id, "appointment/held", early, 409)
    assert problem["type"] == "/problems/before_previous_step"
    await seller.act(sql.opportunity_id, "appointment/held", {"occurred_at": wire(AT)})


async def test_an_appointment_not_told_yet_is_to_be_asked_for_again(rig: Rig, seller: Seller) -> None:
    sql = await offer(rig)
    await seller.act(sql.opportunity_id, "appointment/held", {}, 404)
    assert seller.last.headers["retry-after"] == "1"
    await seller.act(sql.opportunity_id, "appointment/cancel", {"reason": "no_such_reason"}, 422)
    await seller.act(sql.opportunity_id, "appointment/reschedule", {}, 422)
    await Seller(rig.client("inside_sales")).act(sql.opportunity_id, "appointment/held", {}, 403)


async def accepted(rig: Rig, seller: Seller, *, appointment: bool = True) -> Sql:
    sql = await offer(rig, appointment=appointment, size="up_to_99")
    await seller.act(sql.opportunity_id, "accept", {"occurred_at": wire(AT)})
    return sql


FOUND = {
    "budget": "none",
    "authority": "decision_maker",
    "need": "explicit",
    "timing": "within_1_month",
    "product": "erp",
    "size": "up_to_29",
}


async def test_the_first_visit_is_compared_with_the_note_field_by_field(rig: Rig, seller: Seller) -> None:
    sql = await accepted(rig, seller)
    await seller.act(sql.opportunity_id, "appointment/held", {"occurred_at": wire(AT)})
    body = {**FOUND, "note": "来期まで待つ", "valid": False, "reason": "no_budget", "occurred_at": wire(AT + DAY)}
    found = (await seller.act(sql.opportunity_id, "first-visit", body))["first_visit"]
    assert found["compared"] == ["budget", "authority", "need", "timing", "product", "size"]
    assert found["differing"] == ["budget", "timing", "product", "size"]
    assert (found["optimistic"], found["cautious"]) == (["budget", "size"], ["timing"])
    assert (found["valid"], found["reason"], found["note"], found["by"]) == (False, "no_budget", "来期まで待つ", "sato")
    (event,) = await rig.told("field_sales.first_visit_reviewed.v1")
    assert (event.data["valid"], event.data["reason"]) == (False, "no_budget")
    assert event.data["differing"] == found["differing"]
    assert event.data["optimistic"] == found["optimistic"]
    assert "来期" not in str(event.envelope)


async def test_only_what_both_sides_filled_is_compared(rig: Rig, seller: Seller) -> None:
    sql = await accepted(rig, seller, appointment=False)
    found = (await seller.act(sql.opportunity_id, "first-visit", {"need": "latent"}))["first_visit"]
    assert (found["compared"], found["differing"], found["optimistic"]) == (["need"], ["need"], ["need"])
    assert found["valid"] is True


async def test_a_visit_that_was_not_made_cannot_be_reviewed(rig: Rig, seller: Seller) -> None:
    sql = await accepted(rig, seller)
    problem = await seller.act(sql.opportunity_id, "first-visit", FOUND, 409)
    assert (problem["type"], problem["missing"]) == ("/problems/appointment_not_held", ["appointment_held"])
    await seller.act(sql.opportunity_id, "appointment/held", {"occurred_at": wire(AT + DAY)})
    early = {**FOUND, "occurred_at": wire(AT)}
    problem = await seller.act(sql.opportunity_id, "first-visit", early, 409)
    assert problem["type"] == "/problems/before_previous_step"


async def test_a_second_review_corrects_the_first(rig: Rig, seller: Seller) -> None:
    sql = await accepted(rig, seller, appointment=False)
    await seller.act(sql.opportunity_id, "first-visit", FOUND)
    found = (await seller.act(sql.opportunity_id, "first-visit", {**FOUND, "budget": "planned"}))["first_visit"]
    assert "budget" not in found["differing"]
    assert len(await rig.told("field_sales.first_visit_reviewed.v1")) == 2


async def test_only_codes_in_force_or_of_the_note_can_be_compared(rig: Rig, seller: Seller) -> None:
    sql = await offer(rig, budget="a_code_of_last_year")
    await seller.act(sql.opportunity_id, "accept")
    problem = await seller.act(sql.opportunity_id, "first-visit", {"budget": "rich"}, 422)
    assert problem["errors"][0]["field"] == "budget"
    await seller.act(sql.opportunity_id, "first-visit", {"reason": "no_such_reason", "valid": False}, 422)
    found = await seller.act(sql.opportunity_id, "first-visit", {"budget": "a_code_of_last_year"})
    assert (found["first_visit"]["compared"], found["first_visit"]["differing"]) == (["budget"], [])


async def test_without_a_note_there_is_nothing_to_compare(rig: Rig, seller: Seller) -> None:
    opened = await seller.opened()
    found = (await seller.act(opened, "first-visit", FOUND))["first_visit"]
    assert (found["compared"], found["found"]) == ([], FOUND)
