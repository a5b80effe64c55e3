"""The decisions of field sales over HTTP and what they tell."""

from datetime import timedelta
from typing import Any

import pytest

from services.field_sales.app import SERVICE
from shared import clock
from shared.instruments import entries
from tests.support.field_sales import DAY, HANDED_OVER, Seller, offer, wire
from tests.support.rig import MakeRig, Rig


@pytest.fixture
async def rig(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


@pytest.fixture
def seller(rig: Rig) -> Seller:
    return Seller(rig.client("field_sales", user="sato"))


async def test_taking_an_sql_opens_the_opportunity(rig: Rig, seller: Seller) -> None:
    sql = await offer(rig, external_id="L-1")
    counter = entries.labels("field_sales")
    before = counter._value.get()
    at = HANDED_OVER + DAY
    terms = {"mrr": 120_000, "currency": "JPY", "expected_close_date": "2026-06-30", "occurred_at": wire(at)}
    found = await seller.act(sql.opportunity_id, "accept", terms)
    assert (found["status"], found["owner"], found["opened_at"]) == ("open", "sato", wire(at))
    assert (found["phase"], found["forecast_category"]) == ("discovery", "pipeline")
    (event,) = await rig.told()
    assert (event.type, event.key, event.time) == ("field_sales.opportunity_opened.v1", str(sql.lead_id), at)
    assert event.envelope["subject"] == f"opportunity/{sql.opportunity_id}"
    assert event.data == {
        "opportunity_id": str(sql.opportunity_id),
        "lead_id": str(sql.lead_id),
        "external_id": "L-1",
        "cycle": 1,
        "channel": "ads",
        "segment": "SMB",
        "product": "crm",
        "owner": "sato",
        "origin": "sql",
        "mrr": {"amount": 120_000, "currency": "JPY"},
        "expected_close_date": "2026-06-30",
        "phase": "discovery",
        "forecast_category": "pipeline",
    }
    assert counter._value.get() == before + 1


async def test_the_expected_mrr_of_the_hand_over_holds_until_field_sales_says_otherwise(
    rig: Rig, seller: Seller
) -> None:
    sql = await offer(rig)
    assert (await seller.act(sql.opportunity_id, "accept"))["mrr"]["amount"] == 90_000


async def test_a_tool_without_the_role_of_a_seller_is_nobodys_owner(rig: Rig) -> None:
    sql = await offer(rig)
    admin = Seller(rig.client("admin", user="script"))
    assert (await admin.act(sql.opportunity_id, "accept"))["owner"] is None


async def test_the_appointments_rep_is_the_owner_unless_another_is_named(rig: Rig, seller: Seller) -> None:
    await seller.call("PUT", "/reps/r-2", {"name": "鈴木 一郎", "team": "西日本"}, 201)
    kept, changed = await offer(rig, appointment=True), await offer(rig, appointment=True)
    assert (await seller.act(kept.opportunity_id, "accept"))["owner"] == "sato"
    found = await seller.act(changed.opportunity_id, "accept", {"owner": "鈴木 一郎"})
    assert (found["owner"], found["team"]) == ("r-2", "西日本")


async def test_sending_an_sql_back_names_a_reason(rig: Rig, seller: Seller) -> None:
    sql = await offer(rig)
    await seller.act(sql.opportunity_id, "return", {"reason": "no_such_reason"}, 422)
    body = {"reason": "no_budget", "note": "来期に", "revisit_on": "2027-04-01"}
    found = await seller.act(sql.opportunity_id, "return", body)
    assert (found["status"], found["reason"], found["comment"]) == ("returned", "no_budget", "来期に")
    (event,) = await rig.told()
    assert (event.type, event.data["reason"]) == ("field_sales.sql_returned.v1", "no_budget")
    assert (event.data["recyclable"], event.data["revisit_on"]) == (True, "2027-04-01")
    assert "来期に" not in str(event.envelope)


async def test_not_icp_never_comes_back(rig: Rig, seller: Seller) -> None:
    sql = await offer(rig)
    found = await seller.act(sql.opportunity_id, "return", {"reason": "not_icp", "recyclable": True})
    assert found["recyclable"] is False
    assert (await rig.told())[0].data["recyclable"] is False


WIN = {
    "promises": ["Live by May", "Training for 20 users"],
    "won_on": "2026-04-20",
    "starts_on": "2026-05-01",
    "billing_starts_on": "2026-06-01",
    "term_months": 12,
    "mrr": {"amount": 110_000, "currency": "JPY"},
    "one_off": {"amount": 300_000, "currency": "JPY"},
}


async def test_a_won_deal_is_handed_to_customer_success_with_promises_and_ids(rig: Rig, seller: Seller) -> None:
    opened = await seller.opened(account_name="株式会社青葉", occurred_at=wire(HANDED_OVER))
    await rig.forget_told()
    at = HANDED_OVER + 10 * DAY
    found = await seller.act(opened, "win", {**WIN, "occurred_at": wire(at)})
    assert (found["status"], found["closed_at"], found["won_on"]) == ("won", wire(at), "2026-04-20")
    assert None not in (found["contract_id"], found["account_id"])
    (event,) = await rig.told()
    assert (event.type, event.time) == ("field_sales.deal_won.v1", at)
    assert {name: event.data[name] for name in WIN if name != "promises"} == {
        name: value for name, value in WIN.items() if name != "promises"
    }
    assert event.data["promises"] == [
        {"number": 1, "text": "Live by May"},
        {"number": 2, "text": "Training for 20 users"},
    ]
    assert (event.data["contract_id"], event.data["account_id"]) == (found["contract_id"], found["account_id"])
    assert event.data["account_name"] == "株式会社青葉"


async def test_what_a_win_leaves_out_is_what_the_opportunity_has(rig: Rig, seller: Seller) -> None:
    opened = await seller.opened(mrr=70_000)
    found = await seller.act(opened, "win")
    (event,) = await rig.told("field_sales.deal_won.v1")
    assert event.data["mrr"] == {"amount": 70_000, "currency": "JPY"}
    assert event.data["account_id"] == found["account_id"]
    assert event.data["won_on"] == clock.day_of(clock.utc_now()).isoformat()


async def test_money_may_come_as_a_bare_number_in_major_units(seller: Seller) -> None:
    opened = await seller.opened(mrr=2000, currency="USD")
    assert (await seller.get(f"/opportunities/{opened}"))["mrr"] == {"amount": 200_000, "currency": "USD"}
    await seller.act(opened, "win", {"mrr": 10.001, "currency": "USD"}, 422)
    await seller.act(opened, "win", {"mrr": -1}, 422)


async def test_a_lost_deal_names_a_reason_and_its_amount(rig: Rig, seller: Seller) -> None:
    opened = await seller.opened(amount=500_000)
    await seller.act(opened, "lose", {}, 422)
    found = await seller.act(opened, "lose", {"reason": "timing", "recyclable": False, "revisit_on": "2026-10-01"})
    assert (found["status"], found["reason"], found["recyclable"]) == ("lost", "timing", False)
    (event,) = await rig.told("field_sales.deal_lost.v1")
    assert (event.data["reason"], event.data["recyclable"]) == ("timing", False)
    assert event.data["amount"] == {"amount": 500_000, "currency": "JPY"}


async def test_a_deal_won_again_is_the_same_contract(rig: Rig, seller: Seller) -> None:
    opened = await seller.opened()
    first = await seller.act(opened, "win", {"promises": ["A", "B"]})
    again = await seller.act(opened, "reopen")
    assert (again["status"], again["closed_at"], again["won_on"], again["reopenings"]) == ("open", None, None, 1)
    second = await seller.act(opened, "win", {"promises": ["C"]})
    assert second["contract_id"] == first["contract_id"]
    assert [promise["text"] for promise in second["promises"]] == ["C"]
    kinds = [event.type.split(".")[1] for event in await rig.told()]
    assert kinds == ["opportunity_opened", "deal_won", "deal_reopened", "deal_won"]


async def test_a_reopened_loss_keeps_its_reason_in_the_history_only(seller: Seller) -> None:
    opened = await seller.opened()
    await seller.act(opened, "lose", {"reason": "price", "revisit_on": "2026-10-01"})
    found = await seller.act(opened, "reopen")
    assert (found["reason"], found["recyclable"], found["revisit_on"]) == (None, None, None)
    steps = (await seller.get(f"/opportunities/{opened}/history"))["steps"]
    assert [(step["kind"], step["reason"]) for step in steps] == [
        ("opened", None),
        ("lost", "price"),
        ("reopened", None),
    ]


BODIES: dict[str, Any] = {
    "accept": {},
    "return": {"reason": "no_need"},
    "win": {},
    "lose": {"reason": "price"},
    "reopen": {},
    "phase": {"phase": "proposal"},
    "first-visit": {"need": "latent"},
}
ILLEGAL = [
    ("offered", ["win", "lose", "reopen", "phase", "first-visit"]),
    ("open", ["accept", "return", "reopen"]),
    ("returned", ["accept", "return", "win", "lose", "reopen", "phase", "first-visit"]),
    ("won", ["accept", "return", "win", "lose", "phase", "first-visit"]),
    ("lost", ["accept", "return", "win", "lose", "phase", "first-visit"]),
]
RULES = {
    "accept": "not_offered",
    "return": "not_offered",
    "win": "not_open",
    "lose": "not_open",
    "reopen": "not_closed",
    "phase": "not_open",
    "first-visit": "not_open",
}
WAYS = {"offered": [], "open": ["accept"], "returned": ["return"], "won": ["accept", "win"], "lost": ["accept", "lose"]}


@pytest.mark.parametrize(("status", "acts"), ILLEGAL)
async def test_every_illegal_move_is_refused_by_name_and_changes_nothing(
    rig: Rig, seller: Seller, status: str, acts: list[str]
) -> None:
    sql = await offer(rig)
    for act in WAYS[status]:
        await seller.act(sql.opportunity_id, act, BODIES[act])
    before, told = await seller.get(f"/opportunities/{sql.opportunity_id}"), len(await rig.told())
    assert before["status"] == status
    for act in acts:
        problem = await seller.act(sql.opportunity_id, act, BODIES[act], 409)
        assert problem["type"] == f"/problems/{RULES[act]}"
        assert problem["current"] == status
    assert await seller.get(f"/opportunities/{sql.opportunity_id}") == before
    assert len(await rig.told()) == told


@pytest.mark.parametrize(
    ("way", "act"),
    [
        ([], "accept"),
        ([], "return"),
        (["accept"], "win"),
        (["accept"], "lose"),
        (["accept"], "phase"),
        (["accept", "lose"], "reopen"),
    ],
)
async def test_nothing_occurs_before_the_previous_step(rig: Rig, seller: Seller, way: list[str], act: str) -> None:
    sql = await offer(rig, expected_mrr=None)
    at = HANDED_OVER
    for done in way:
        at += DAY
        body = {**BODIES[done], "occurred_at": wire(at)}
        if done == "accept":
            body |= {"mrr": 1, "currency": "JPY", "expected_close_date": "2026-06-30"}
        await seller.act(sql.opportunity_id, done, body)
    early = {**BODIES[act], "occurred_at": wire(at - timedelta(seconds=1))}
    problem = await seller.act(sql.opportunity_id, act, early, 409)
    assert problem["type"] == "/problems/before_previous_step"
    await seller.act(sql.opportunity_id, act, {**BODIES[act], "occurred_at": wire(at)})


async def test_the_future_is_refused(rig: Rig, seller: Seller) -> None:
    sql = await offer(rig)
    soon = clock.utc_now() + timedelta(seconds=90)
    await seller.act(sql.opportunity_id, "accept", {"occurred_at": wire(soon)}, 422)
    await seller.act(sql.opportunity_id, "accept", {"occurred_at": wire(soon - timedelta(seconds=60))})


@pytest.mark.parametrize("act", ["accept", "return", "win", "lose", "reopen", "phase", "first-visit"])
async def test_only_sellers_and_admins_decide(rig: Rig, act: str) -> None:
    sql = await offer(rig)
    for role in ("inside_sales", "ops_lead", "viewer", "marketing", "customer_success"):
        await Seller(rig.client(role)).act(sql.opportunity_id, act, BODIES[act], 403)
    await Seller(rig.client()).act(sql.opportunity_id, act, BODIES[act], 401)
    await Seller(rig.client("viewer")).get(f"/opportunities/{sql.opportunity_id}")


async def test_a_stale_reader_is_refused(rig: Rig, seller: Seller) -> None:
    sql = await offer(rig)
    await seller.get(f"/opportunities/{sql.opportunity_id}")
    tag = {"If-Match": seller.last.headers["etag"]}
    path = f"/opportunities/{sql.opportunity_id}/accept"
    await seller.post(path, {}, headers=tag)
    assert seller.last.headers["etag"] != tag["If-Match"]
    await seller.post(f"/opportunities/{sql.opportunity_id}/win", {}, 412, headers=tag)


async def test_the_same_key_answers_the_first_answer_again(rig: Rig, seller: Seller) -> None:
    sql = await offer(rig)
    path, key = f"/opportunities/{sql.opportunity_id}/accept", {"Idempotency-Key": "k-1"}
    first = await seller.post(path, {}, headers=key)
    assert await seller.post(path, {}, headers=key) == first
    assert len(await rig.told()) == 1
