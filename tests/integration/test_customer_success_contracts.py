"""Contracts of the existing book: told, changed, renewed, ended, on their day or in hindsight."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.customer_success.app import SERVICE
from shared import clock
from shared.clock import start_of_day
from shared.ids import new_id, told_id
from tests.support.customer_success import Desk, days_ago, wire
from tests.support.rig import MakeRig, Told


@pytest.fixture
async def desk(make_rig: MakeRig) -> Desk:
    return Desk(await make_rig(SERVICE))


def day(days: int) -> str:
    return days_ago(days).isoformat()


def midnight(days: int) -> datetime:
    return start_of_day(days_ago(days))


def deltas(events: list[Told]) -> list[tuple[datetime, int]]:
    return [(event.time, event.data["delta"]["amount"]) for event in events]


async def test_a_contract_without_a_deal_makes_its_customer(desk: Desk) -> None:
    terms: dict[str, Any] = {"term_months": 12, "plan": "Pro", "seats": 5, "segment": "smb", "account_name": "青空"}
    found = await desk.contract("S-1", starts_on=day(100), **terms)
    assert found["id"] == str(told_id("contract", "S-1"))
    assert (found["status"], found["mrr"], found["plan"]) == ("active", wire(100_000), "Pro")
    account = str(told_id("account", "A-1"))
    customer = await desk.get("customers/ext:A-1")
    assert (customer["id"], customer["name"], customer["status"]) == (account, "青空", "active")
    assert customer["onboarding"]["tasks"] == [], "nobody told a plan"
    started, accepted = await desk.rig.told()
    assert (started.type, accepted.type) == (
        "customer_success.contract_started.v1",
        "customer_success.customer_accepted.v1",
    )
    assert started.time == accepted.time == midnight(100)
    assert started.key == accepted.key == account
    assert (started.data["opening_key"], started.data["seats"]) == (found["id"], 5)


async def test_a_contract_can_be_told_again_and_corrected(desk: Desk) -> None:
    first = await desk.contract("S-1", starts_on=day(100))
    again = await desk.contract("S-1", starts_on=day(100), status=200)
    assert (again["id"], again["version"]) == (first["id"], first["version"])
    assert len(await desk.rig.told()) == 2
    corrected = await desk.contract("S-1", starts_on=day(90), mrr=120_000, plan="Pro", status=200)
    assert (corrected["mrr"], corrected["starts_on"]) == (wire(120_000), day(90))
    started = await desk.told("contract_started")
    assert [(event.time, event.data["mrr"]["amount"]) for event in started] == [
        (midnight(100), 100_000),
        (midnight(90), 120_000),
    ]
    history = await desk.get("contracts/ext:S-1/history")
    assert [step["superseded_at"] is None for step in history["steps"]] == [False, True]
    assert history["revisions"][0]["changes"]["starts_on"] == [day(100), day(90)]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"account_external_id": "A-1"}, 422),
        ({"account_external_id": "A-1", "starts_on": "2026-01-01", "mrr": -1}, 422),
        ({"account_external_id": "A-1", "starts_on": "2026-01-01", "mrr": 10.5}, 422),
        ({"account_external_id": "A-1", "starts_on": "2026-01-02", "ends_on": "2026-01-01", "mrr": 1}, 422),
        ({"starts_on": "2026-01-01", "mrr": 1}, 422),
        ({"account_external_id": "A-1", "starts_on": "2026-01-01", "mrr": 1, "surprise": 1}, 422),
        ({"account_external_id": "A-1", "starts_on": "0001-01-01", "mrr": 1}, 422),
        ({"account_external_id": "A-1", "starts_on": "2026-01-01", "ends_on": "9999-12-31", "mrr": 1}, 422),
        ({"account_external_id": "A-1", "starts_on": "2026-01-01", "mrr": 1, "reason": "boredom"}, 422),
        ({"account_external_id": "A-1", "starts_on": "2026-01-01", "mrr": 2000, "currency": "USD"}, 201),
    ],
)
async def test_what_a_contract_must_say(desk: Desk, body: dict[str, Any], status: int) -> None:
    found = await desk.post("contracts", body, status=status)
    if status == 201:
        assert found["mrr"] == wire(200_000, "USD")


async def test_what_contradicts_the_contract_itself_is_refused(desk: Desk) -> None:
    await desk.contract("S-1", starts_on=day(100))
    base = {"external_id": "S-1", "account_external_id": "A-1", "starts_on": day(100), "mrr": wire(100_000)}
    assert await desk.refused("contracts", base | {"account_external_id": "A-2"}) == "other_account"
    assert await desk.refused("contracts", base | {"mrr": wire(100_000, "USD")}) == "other_currency"
    taken = base | {"external_id": "S-2", "account_id": str(new_id())}
    assert await desk.refused("contracts", taken) == "conflict"


async def test_mrr_changes_tell_the_difference(desk: Desk) -> None:
    found = await desk.contract("S-1", starts_on=day(100))
    path = f"contracts/{found['id']}/change"
    raised = await desk.post(path, {"mrr": 150_000, "reason": "upsell", "occurred_at": midnight(50).isoformat()})
    assert (raised["mrr"], raised["version"] > found["version"]) == (wire(150_000), True)
    lowered = await desk.post("contracts/ext:S-1/change", {"mrr": wire(120_000), "reason": "seats_removed"})
    assert lowered["mrr"] == wire(120_000)
    same = await desk.post(path, {"mrr": 120_000, "reason": "upsell"})
    assert same["version"] == lowered["version"]
    first, second = await desk.told("subscription_changed")
    assert (first.time, first.data["delta"], first.data["reason"]) == (midnight(50), wire(50_000), "upsell")
    assert (second.data["delta"], second.data["contract_id"]) == (wire(-30_000), found["id"])
    assert "account_id" in second.data


async def test_what_a_change_must_say(desk: Desk) -> None:
    found = await desk.contract("S-1", starts_on=day(100))
    path = f"contracts/{found['id']}/change"
    future = (clock.utc_now() + timedelta(minutes=5)).isoformat()
    for body in (
        {"mrr": 1},
        {"reason": "upsell"},
        {"mrr": 1, "reason": "boredom"},
        {"mrr": -1, "reason": "upsell"},
        {"mrr": True, "reason": "upsell"},
        {"mrr": "many", "reason": "upsell"},
        {"mrr": 1, "reason": "upsell", "occurred_at": future},
        {"mrr": 10**16, "reason": "upsell"},
    ):
        await desk.post(path, body, status=422)
    assert await desk.refused(path, {"mrr": wire(1, "USD"), "reason": "upsell"}) == "other_currency"
    early = {"mrr": 1, "reason": "upsell", "occurred_at": midnight(101).isoformat()}
    assert await desk.refused(path, early) == "before_previous_step"
    assert await desk.told("subscription_changed") == []


async def test_a_stale_reader_is_told_so(desk: Desk) -> None:
    found = await desk.contract("S-1", starts_on=day(100))
    path = f"/v1/contracts/{found['id']}"
    etag = (await desk.mori.get(path)).headers["etag"]
    body = {"mrr": 150_000, "reason": "upsell"}
    assert (await desk.mori.post(f"{path}/change", json=body, headers={"If-Match": etag})).status_code == 200
    body = {"mrr": 160_000, "reason": "upsell"}
    assert (await desk.mori.post(f"{path}/change", json=body, headers={"If-Match": etag})).status_code == 412
    assert (await desk.mori.patch(path, json={"plan": "Pro"}, headers={"If-Match": etag})).status_code == 412


async def test_the_same_request_again_answers_the_same(desk: Desk) -> None:
    found = await desk.contract("S-1", starts_on=day(100))
    path, key = f"/v1/contracts/{found['id']}/renew", {"Idempotency-Key": "renewal-2026"}
    first = await desk.mori.post(path, json={"term_months": 6}, headers=key)
    second = await desk.mori.post(path, json={"term_months": 6}, headers=key)
    assert first.json() == second.json()
    assert len(await desk.told("contract_renewed")) == 1


async def test_a_renewal_moves_the_date_and_may_change_the_mrr(desk: Desk) -> None:
    found = await desk.contract("S-1", starts_on="2026-01-31", term_months=12)
    assert found["renewal_on"] == "2027-01-31"
    renewed = await desk.post("contracts/ext:S-1/renew", {"term_months": 1})
    assert (renewed["renewal_on"], renewed["term_months"]) == ("2027-02-28", 1)
    more = await desk.post("contracts/ext:S-1/renew", {"mrr": 130_000})
    assert (more["renewal_on"], more["mrr"]) == ("2027-03-28", wire(130_000))
    first, second = await desk.told("contract_renewed")
    assert (first.data["renewal_on"], second.data["term_months"]) == ("2027-02-28", 1)
    (changed,) = await desk.told("subscription_changed")
    assert (changed.data["delta"], changed.data["reason"]) == (wire(30_000), "renewal")


async def test_a_renewal_needs_a_term(desk: Desk) -> None:
    await desk.contract("S-1", starts_on=day(10))
    assert await desk.refused("contracts/ext:S-1/renew", {}) == "term_unknown"
    await desk.post("contracts/ext:S-1/renew", {"term_months": 0}, status=422)
    far = await desk.contract("S-2", starts_on=day(10), renewal_on="2199-12-31")
    assert await desk.refused(f"contracts/{far['id']}/renew", {"term_months": 120}) == "too_far"
    assert (await desk.get("contracts/ext:S-2"))["renewal_on"] == "2199-12-31"


async def test_the_last_contract_that_ends_is_the_customers_churn(desk: Desk) -> None:
    await desk.contract("S-1", starts_on=day(100), term_months=12)
    await desk.contract("S-2", starts_on=day(50), mrr=30_000)
    one = await desk.post("contracts/ext:S-1/churn", {"reason": "price", "churned_on": day(20)})
    assert (one["status"], one["mrr"], one["ends_on"]) == ("ended", wire(0), day(20))
    assert (one["end_reason"], one["end_reason_kind"]) == ("price", "cancellation")
    assert await desk.told("customer_churned") == []
    body: Any = {
        "reason": "out_of_business",
        "reason_kind": "non_renewal",
        "churned_on": day(10),
        "revisit_on": day(-90),
    }
    await desk.post("contracts/ext:S-2/churn", body)
    assert deltas(await desk.told("subscription_changed")) == [(midnight(20), -100_000), (midnight(10), -30_000)]
    (churned,) = await desk.told("customer_churned")
    assert churned.time == midnight(10)
    said = {name: churned.data[name] for name in ("reason", "reason_kind", "recyclable", "revisit_on")}
    assert said == {
        "reason": "out_of_business",
        "reason_kind": "non_renewal",
        "recyclable": False,
        "revisit_on": day(-90),
    }
    customer = await desk.get("customers/ext:A-1")
    assert (customer["status"], customer["churn_reason"], customer["mrr"]) == ("churned", "out_of_business", [])
    acts: dict[str, Any] = {"change": {"mrr": 1, "reason": "upsell"}, "renew": {}, "churn": {"reason": "price"}}
    for act, body in acts.items():
        assert await desk.refused(f"contracts/ext:S-1/{act}", body) == "contract_ended"


async def test_an_end_is_not_before_the_last_step(desk: Desk) -> None:
    found = await desk.contract("S-1", starts_on=day(100))
    path = f"contracts/{found['id']}/churn"
    assert await desk.refused(path, {"reason": "price", "churned_on": day(101)}) == "before_previous_step"
    await desk.post(f"contracts/{found['id']}/change", {"mrr": 120_000, "reason": "upsell"})
    await desk.post(path, {"reason": "price", "churned_on": day(0)})
    (raised, ended) = await desk.told("subscription_changed")
    assert (ended.time > raised.time, ended.data["delta"]["amount"]) == (True, -120_000)
    assert (await desk.get("contracts/ext:S-1"))["status"] == "ended"


async def test_a_notice_ends_the_contract_on_its_day(desk: Desk) -> None:
    found = await desk.contract("S-1", starts_on=day(100), term_months=12)
    noticed = await desk.post("contracts/ext:S-1/churn", {"reason": "price", "churned_on": found["renewal_on"]})
    assert (noticed["status"], noticed["ends_on"]) == ("active", found["renewal_on"])
    assert noticed["end_reason_kind"] == "non_renewal"
    assert await desk.rig.run_rule("contracts due") == 0
    assert await desk.told("subscription_changed") == []
    later = clock.utc_now() + timedelta(days=400)
    assert await desk.rig.run_rule("contracts due", later) == 1
    ended = await desk.get("contracts/ext:S-1")
    assert (ended["status"], ended["mrr"]) == ("ended", wire(0))
    (changed,) = await desk.told("subscription_changed")
    (churned,) = await desk.told("customer_churned")
    assert changed.time == churned.time
    assert clock.day_of(churned.time).isoformat() == found["renewal_on"]
    assert await desk.rig.run_rule("contracts due", later) == 0


async def test_a_renewal_withdraws_the_notice(desk: Desk) -> None:
    found = await desk.contract("S-1", starts_on=day(100), term_months=12)
    await desk.post("contracts/ext:S-1/churn", {"reason": "price", "churned_on": found["renewal_on"]})
    kept = await desk.post("contracts/ext:S-1/renew")
    assert (kept["ends_on"], kept["end_reason"], kept["end_reason_kind"]) == (None, None, None)
    assert await desk.rig.run_rule("contracts due", clock.utc_now() + timedelta(days=400)) == 0


async def test_a_contract_to_come_begins_on_its_day(desk: Desk) -> None:
    found = await desk.contract("S-1", starts_on=day(-10))
    assert (found["status"], (await desk.get("customers/ext:A-1"))["status"]) == ("scheduled", "scheduled")
    assert await desk.rig.told() == []
    assert await desk.refused("contracts/ext:S-1/change", {"mrr": 1, "reason": "upsell"}) == "contract_scheduled"
    assert await desk.rig.run_rule("contracts due", clock.utc_now() + timedelta(days=11)) == 1
    assert await desk.names() == ["contract_started", "customer_accepted"]
    assert (await desk.get("contracts/ext:S-1"))["status"] == "active"


async def test_a_contract_given_up_before_it_began_never_counted(desk: Desk) -> None:
    await desk.contract("S-1", starts_on=day(-10))
    void = await desk.post("contracts/ext:S-1/churn", {"reason": "price"})
    assert void["status"] == "void"
    assert await desk.rig.run_rule("contracts due", clock.utc_now() + timedelta(days=20)) == 0
    assert await desk.rig.told() == []


async def test_a_contract_that_renews_itself_does_so_once_a_term(desk: Desk) -> None:
    found = await desk.contract("S-1", starts_on=day(100), term_months=12, auto_renew=True)
    month = await desk.contract("S-2", starts_on=day(100), term_months=1, auto_renew=True)
    assert month["renewal_on"] is None
    later = clock.utc_now() + timedelta(days=300)
    assert await desk.rig.run_rule("contracts due", later) == 1
    (renewed,) = await desk.told("contract_renewed")
    assert renewed.data["contract_id"] == found["id"]
    assert clock.day_of(renewed.time).isoformat() == found["renewal_on"]
    assert await desk.rig.run_rule("contracts due", later) == 0


async def test_an_old_contract_that_renews_itself_falls_due_next_and_invents_no_past(desk: Desk) -> None:
    found = await desk.contract("S-1", starts_on=day(1000), term_months=12, auto_renew=True)
    assert day(0) < found["renewal_on"] <= day(-366)
    assert await desk.rig.run_rule("contracts due") == 0
    assert await desk.told("contract_renewed") == []


async def test_a_former_customer_who_signs_again_is_no_churn_any_more(desk: Desk) -> None:
    await desk.contract("S-1", starts_on=day(300), ends_on=day(200), reason="budget")
    customer = await desk.get("customers/ext:A-1")
    assert (customer["status"], customer["churn_reason"]) == ("churned", "budget")
    await desk.contract("S-2", starts_on=day(50))
    customer = await desk.get("customers/ext:A-1")
    assert (customer["status"], customer["churned_at"]) == ("active", None)
    assert len(await desk.told("customer_churned")) == len(await desk.told("customer_accepted")) == 1


async def test_renewals_show_what_falls_due(desk: Desk) -> None:
    await desk.contract("S-1", starts_on=day(330), term_months=12)
    await desk.contract("S-2", starts_on=day(400), term_months=12, mrr=50_000)
    await desk.contract("S-3", starts_on=day(10), term_months=12)
    await desk.contract("S-4", starts_on=day(10), term_months=1, auto_renew=True)
    await desk.contract("S-5", starts_on=day(500), ends_on=day(100), term_months=12)
    found = await desk.get("renewals", within=90)
    assert [item["external_id"] for item in found["items"]] == ["S-2", "S-1"]
    assert (found["due"], found["overdue"], found["monthly"], found["mrr"]) == (1, 1, 1, [wire(150_000)])
    assert found["items"][0]["days_left"] < 0 < found["items"][1]["days_left"]
    assert len((await desk.get("renewals", within=400))["items"]) == 3
    await desk.get("renewals", status=422, within=0)


async def test_terms_are_corrected_by_a_merge_patch(desk: Desk) -> None:
    found = await desk.contract("S-1", starts_on=day(100), plan="Pro", seats=5)
    changed = await desk.patch(f"contracts/{found['id']}", {"plan": None, "seats": 9, "owner": "mori"})
    assert (changed["plan"], changed["seats"], changed["owner"]) == (None, 9, "mori")
    await desk.patch(f"contracts/{found['id']}", {"mrr": 5}, status=422)
    hidden = await desk.patch(f"contracts/{found['id']}", {"archived": True})
    assert hidden["archived_at"] is not None
    assert (await desk.get("contracts"))["items"] == []
    assert len((await desk.get("contracts", archived=True))["items"]) == 1
    assert len((await desk.get("contracts/ext:S-1/history"))["revisions"]) == 1


async def test_lists_filter_and_page(desk: Desk) -> None:
    for number in range(3):
        await desk.contract(f"S-{number}", starts_on=day(100), segment="smb" if number else "enterprise")
    won = await desk.won()
    assert len((await desk.get("contracts", segment="smb", channel="web"))["items"]) == 1
    assert len((await desk.get("contracts", customer_id=str(won.account)))["items"]) == 1
    assert len((await desk.get("contracts", account_id=str(told_id("account", "A-1"))))["items"]) == 3
    assert len((await desk.get("contracts", external_id="S-2", plan="Pro"))["items"]) == 0
    assert (await desk.get("contracts", created_at_to="2020-01-01T00:00:00Z"))["items"] == []
    assert (await desk.get("contracts", lead_id=str(won.journey)))["items"][0]["id"] == str(won.contract)
    first = await desk.get("contracts", limit=3)
    second = await desk.get("contracts", limit=3, cursor=first["next_cursor"])
    assert len({item["id"] for item in (*first["items"], *second["items"])}) == 4
    assert second["next_cursor"] is None
    for wrong in ("limit=501", "colour=red", "status=asleep", "cursor=none", "created_at_from=2026-01-01T00:00:00"):
        assert (await desk.mori.get(f"/v1/contracts?{wrong}")).status_code == 422, wrong


async def test_only_customer_success_acts(desk: Desk) -> None:
    found = await desk.contract("S-1", starts_on=day(100))
    path, body = f"/v1/contracts/{found['id']}/churn", {"reason": "price"}
    for role in ("viewer", "field_sales", "ops_lead", "product"):
        assert (await desk.person("x", role).post(path, json=body)).status_code == 403
        assert (await desk.person("x", role).get("/v1/contracts")).status_code == 200
    assert (await desk.rig.client().get("/v1/contracts")).status_code == 401
    assert (await desk.person("boss", "admin").post(path, json=body)).status_code == 200


async def test_the_same_contract_told_at_the_same_time_is_one(desk: Desk) -> None:
    body = {"external_id": "S-1", "account_external_id": "A-1", "mrr": wire(100_000), "starts_on": day(100)}
    answers = await asyncio.gather(*(desk.mori.post("/v1/contracts", json=body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await desk.names() == ["contract_started", "customer_accepted"]


async def test_changes_at_the_same_time_follow_each_other(desk: Desk) -> None:
    await desk.contract("S-1", starts_on=day(100))
    path, amounts = "/v1/contracts/ext:S-1/change", [110_000, 120_000, 130_000, 140_000]
    bodies = [{"mrr": amount, "reason": "upsell"} for amount in amounts]
    answers = await asyncio.gather(*(desk.mori.post(path, json=body) for body in bodies))
    assert {answer.status_code for answer in answers} == {200}
    found = await desk.get("contracts/ext:S-1")
    moved = sum(event.data["delta"]["amount"] for event in await desk.told("subscription_changed"))
    assert found["mrr"] == wire(100_000 + moved)
    assert found["mrr"]["amount"] in amounts
