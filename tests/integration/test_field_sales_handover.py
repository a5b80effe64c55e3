"""What field sales makes of the other departments' events."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.field_sales.app import SERVICE
from shared.contracts.customer_success import PromiseReviewed
from shared.contracts.marketing import (
    AccountCreated,
    LeadCreated,
    LeadErased,
    LeadMerged,
    LeadRecycled,
    LeadUnmerged,
    LeadUpdated,
)
from shared.ids import new_id, told_id
from tests.support.field_sales import DAY, HANDED_OVER, NOTE, Seller, Sql, lead, offer, wire
from tests.support.rig import MakeRig, Rig


@pytest.fixture
async def rig(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


@pytest.fixture
def seller(rig: Rig) -> Seller:
    return Seller(rig.client("field_sales", user="sato"))


async def test_an_sql_lies_on_the_desk_with_its_note(rig: Rig, seller: Seller) -> None:
    sql = await offer(rig, external_id="L-1")
    found = await seller.get(f"/opportunities/{sql.opportunity_id}")
    assert (found["status"], found["origin"], found["lead_id"]) == ("offered", "sql", str(sql.lead_id))
    assert found["note"] == {**NOTE, "product": "crm"}
    assert found["mrr"] == {"amount": 90_000, "currency": "JPY"}
    assert (found["handed_over_by"], found["owner"], found["lead_external_id"]) == ("is-tanaka", None, "L-1")
    assert (found["offered_at"], found["channel"], found["segment"]) == (wire(HANDED_OVER), "ads", "SMB")
    assert await rig.told() == []


async def test_without_an_opportunity_id_lead_and_cycle_make_one(rig: Rig, seller: Seller) -> None:
    sql = Sql()
    await rig.deliver(sql.accepted(opportunity_id=None), sql.lead_id)
    made = told_id("opportunity", f"{sql.lead_id}/1")
    assert (await seller.get(f"/opportunities/{made}"))["lead_id"] == str(sql.lead_id)


async def test_the_journey_is_copied_and_never_changed(rig: Rig, seller: Seller) -> None:
    sql = Sql()
    await rig.deliver(sql.accepted(), "the-journey-inside-sales-told")
    await seller.act(sql.opportunity_id, "accept")
    assert [event.key for event in await rig.told()] == ["the-journey-inside-sales-told"]


async def test_whoever_accepts_may_give_it_their_own_id_which_is_theirs_alone(rig: Rig, seller: Seller) -> None:
    first, second = await offer(rig), await offer(rig)
    await seller.act(first.opportunity_id, "accept", {"external_id": "CRM-1"})
    assert (await seller.get("/opportunities/ext:CRM-1"))["id"] == str(first.opportunity_id)
    refused = await seller.act(second.opportunity_id, "accept", {"external_id": "CRM-1"}, 409)
    assert refused["type"].endswith("conflict")
    assert (await seller.get(f"/opportunities/{second.opportunity_id}"))["status"] == "offered"


@pytest.mark.parametrize("appointment_first", [True, False])
async def test_the_appointment_may_be_told_before_its_opportunity(
    rig: Rig, seller: Seller, appointment_first: bool
) -> None:
    sql = Sql()
    news: list[Any] = [sql.accepted(), sql.appointment(minutes=30, place="online")]
    for event in reversed(news) if appointment_first else news:
        await rig.deliver(event, sql.lead_id, at=HANDED_OVER)
    found = await seller.get(f"/opportunities/{sql.opportunity_id}")
    appointment = found["appointment"]
    assert (appointment["status"], appointment["minutes"], appointment["place"]) == ("set", 30, "online")
    assert (appointment["start_at"], appointment["rep"]) == (wire(HANDED_OVER + DAY), "sato")
    assert found["owner"] == "sato"


async def test_what_has_not_arrived_is_to_be_asked_for_again(seller: Seller) -> None:
    unknown = new_id()
    for path in (f"/opportunities/{unknown}", f"/opportunities/{unknown}/history", "/opportunities/ext:none"):
        await seller.get(path, 404)
        assert seller.last.headers["retry-after"] == "1"
    await seller.act(unknown, "accept", {}, 404)
    assert seller.last.headers["retry-after"] == "1"


async def test_an_opportunity_waits_visibly_and_joins_when_its_lead_is_told(rig: Rig, seller: Seller) -> None:
    opened = await seller.opened(lead_external_id="L-7", occurred_at=wire(HANDED_OVER))
    assert (await seller.get(f"/opportunities/{opened}"))["waiting_for_lead"] is True
    assert [one["id"] for one in (await seller.get("/opportunities?waiting_for_lead=true"))["items"]] == [opened]
    lead_id = await lead(rig, external_id="L-7", channel="event", industry="retail")
    found = await seller.get(f"/opportunities/{opened}")
    assert (found["lead_id"], found["cycle"], found["waiting_for_lead"]) == (str(lead_id), 1, False)
    assert (found["channel"], found["industry"]) == ("event", "retail")
    (linked,) = await rig.told("field_sales.opportunity_linked.v1")
    assert (linked.key, linked.time) == (opened, HANDED_OVER)
    assert (linked.data["lead_id"], linked.data["cycle"], linked.data["channel"]) == (str(lead_id), 1, "event")
    assert (await seller.get("/opportunities?waiting_for_lead=true"))["items"] == []


async def test_a_join_that_was_missed_is_made_up_by_rule(rig: Rig, seller: Seller) -> None:
    lead_id = await lead(rig, external_id="L-8")
    opened = await seller.opened()
    async with rig.database.transaction() as tx:  # as an import leaves it that did not see the lead yet
        await tx.session.execute(text("UPDATE opportunity SET lead_external_id = 'L-8'"))
    assert await rig.run_rule("join waiting leads") == 1
    assert (await seller.get(f"/opportunities/{opened}"))["lead_id"] == str(lead_id)
    assert await rig.run_rule("join waiting leads") == 0
    assert len(await rig.told("field_sales.opportunity_linked.v1")) == 1


async def test_a_lead_found_again_in_a_new_cycle_gives_that_cycle(rig: Rig, seller: Seller) -> None:
    lead_id = await lead(rig, channel="ads")
    await rig.deliver(LeadRecycled(lead_id=lead_id, cycle=2, cycle_source="deal_lost"), lead_id)
    await rig.deliver(LeadUpdated(lead_id=lead_id, cycle=1, segment="ENT"), lead_id)
    opened = await seller.opened(lead_id=str(lead_id))
    found = await seller.get(f"/opportunities/{opened}")
    assert (found["cycle"], found["channel"], found["segment"]) == (2, "ads", "ENT")
    (event,) = await rig.told("field_sales.opportunity_opened.v1")
    assert (event.key, event.data["cycle"]) == (str(lead_id), 2)


async def test_merged_people_are_found_by_both_ids_and_apart_again(rig: Rig, seller: Seller) -> None:
    first, second, third = await lead(rig), await lead(rig), await lead(rig)
    opened = await seller.opened(lead_id=str(third))

    async def found_by(lead_id: object) -> list[str]:
        return [one["id"] for one in (await seller.get(f"/opportunities?lead_id={lead_id}"))["items"]]

    await rig.deliver(LeadMerged(lead_id=second, merged_lead_id=third), third)
    await rig.deliver(LeadMerged(lead_id=first, merged_lead_id=second), second)
    assert [await found_by(one) for one in (first, second, third)] == [[opened]] * 3
    await rig.deliver(LeadUnmerged(lead_id=second, merged_lead_id=third), third)
    assert [await found_by(one) for one in (first, second, third)] == [[], [], [opened]]


async def test_an_erased_person_leaves_figures_and_no_words(rig: Rig, seller: Seller) -> None:
    sql = await offer(rig, external_id="taro@example.com")
    await rig.deliver(LeadCreated(lead_id=sql.lead_id, cycle=1, external_id="taro@example.com"), sql.lead_id)
    await seller.act(sql.opportunity_id, "accept", {"next_step": "Call Taro", "mrr": 1000, "currency": "JPY"})
    await seller.call("PATCH", f"/opportunities/{sql.opportunity_id}", {"next_step": "Visit Taro"})
    await seller.act(sql.opportunity_id, "first-visit", {"need": "explicit", "note": "Taro likes it"})
    await seller.act(sql.opportunity_id, "lose", {"reason": "price", "note": "Taro says no"})
    await rig.deliver(LeadErased(lead_id=sql.lead_id), sql.lead_id)
    found = await seller.get(f"/opportunities/{sql.opportunity_id}")
    assert (found["next_step"], found["comment"], found["lead_external_id"]) == (None, None, None)
    assert (found["status"], found["reason"], found["mrr"]["amount"]) == ("lost", "price", 1000)
    assert found["first_visit"]["note"] is None
    async with rig.database.reading() as session:
        for table in ("opportunity", "step", "first_visit", "lead"):
            rows = (await session.execute(text(f"SELECT to_jsonb(t)::text FROM {table} t"))).scalars().all()
            assert [row for row in rows if "aro" in row] == []
    await rig.deliver(LeadUpdated(lead_id=sql.lead_id, cycle=1, external_id="taro@example.com"), sql.lead_id)
    async with rig.database.reading() as session:
        assert await session.scalar(text("SELECT external_id FROM lead")) is None


async def test_a_company_is_shown_by_the_name_marketing_tells(rig: Rig, seller: Seller) -> None:
    account_id = new_id()
    sql = await offer(rig, account_id=account_id)
    await rig.deliver(AccountCreated(account_id=account_id, account_name="株式会社青葉"), account_id)
    found = await seller.get(f"/opportunities/{sql.opportunity_id}")
    assert found["account_name"] == "株式会社青葉"
    later = await offer(rig, account_id=account_id)
    assert (await seller.get(f"/opportunities/{later.opportunity_id}"))["account_name"] == "株式会社青葉"


async def test_a_promise_shows_what_customer_success_found_of_it(rig: Rig, seller: Seller) -> None:
    opened = await seller.opened()
    won = await seller.act(opened, "win", {"promises": ["Live by May", "Training"]})
    review = PromiseReviewed(account_id=won["account_id"], number=2, kept="partly", opportunity_id=opened)
    await rig.deliver(review, opened, at=HANDED_OVER + timedelta(days=60))
    promises = (await seller.get(f"/opportunities/{opened}"))["promises"]
    assert [(one["number"], one["text"], one["kept"]) for one in promises] == [
        (1, "Live by May", None),
        (2, "Training", "partly"),
    ]


async def test_erasing_reaches_those_merged_into_the_person(rig: Rig, seller: Seller) -> None:
    first, merged = await lead(rig, external_id="L-1"), await lead(rig, external_id="L-2")
    opened = await seller.opened(lead_id=str(merged), next_step="Call Taro")
    await rig.deliver(LeadMerged(lead_id=first, merged_lead_id=merged), first)
    await rig.deliver(LeadErased(lead_id=first), first)
    found = await seller.get(f"/opportunities/{opened}")
    assert (found["next_step"], found["lead_external_id"], found["lead_id"]) == (None, None, str(merged))
    await seller.post("/opportunities", {"origin": "partner", "lead_id": str(merged)}, 404)


async def test_many_events_of_one_opportunity_may_come_in_one_batch(rig: Rig, seller: Seller) -> None:
    account_id, sql = new_id(), Sql()
    records = [
        rig.record(AccountCreated(account_id=account_id, account_name="青葉"), account_id),
        rig.record(sql.accepted(account_id=account_id), sql.lead_id, at=HANDED_OVER),
        rig.record(AccountCreated(account_id=account_id, account_name="青葉商事"), account_id),
        rig.record(sql.appointment(), sql.lead_id, at=HANDED_OVER),
        rig.record(LeadCreated(lead_id=sql.lead_id, cycle=1, campaign="spring"), sql.lead_id),
        rig.record(LeadErased(lead_id=sql.lead_id), sql.lead_id),
        rig.record(sql.appointment(minutes=30), sql.lead_id, at=HANDED_OVER + DAY),
    ]
    await rig.hand_over(records)
    found = await seller.get(f"/opportunities/{sql.opportunity_id}")
    assert (found["account_name"], found["appointment"]["minutes"], found["owner"]) == ("青葉商事", 30, "sato")
    async with rig.database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM parked_event")) == 0
