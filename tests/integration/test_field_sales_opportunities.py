"""Opportunities over HTTP: opened, changed, moved through phases, linked, listed, summed."""

from datetime import timedelta
from typing import Any

import pytest

from services.field_sales.app import SERVICE
from shared.contracts.marketing import AccountCreated
from shared.ids import new_id, told_id
from tests.support.field_sales import DAY, HANDED_OVER, Seller, lead, offer, wire
from tests.support.rig import MakeRig, Rig


@pytest.fixture
async def rig(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


@pytest.fixture
def seller(rig: Rig) -> Seller:
    return Seller(rig.client("field_sales", user="sato"))


@pytest.mark.parametrize("origin", ["self_sourced", "partner", "referral", "expansion", "renewal"])
async def test_an_opportunity_that_no_sql_preceded_is_open_at_once(rig: Rig, seller: Seller, origin: str) -> None:
    account_id = str(new_id())
    body = {"origin": origin, "account_id": account_id, "amount": 500_000, "region": "kanto"}
    found = await seller.post("/opportunities", body, 201)
    assert (found["status"], found["origin"], found["owner"]) == ("open", origin, "sato")
    assert seller.last.headers["location"] == f"/v1/opportunities/{found['id']}"
    (event,) = await rig.told()
    assert (event.type, event.key) == ("field_sales.opportunity_opened.v1", found["id"])
    assert (event.data["origin"], event.data["account_id"], event.data["region"]) == (origin, account_id, "kanto")
    assert event.data["amount"] == {"amount": 500_000, "currency": "JPY"}
    assert "lead_id" not in event.data


async def test_a_known_lead_gives_journey_and_dimensions(rig: Rig, seller: Seller) -> None:
    account_id = new_id()
    await rig.deliver(AccountCreated(account_id=account_id, account_name="青葉"), account_id)
    known = await lead(rig, external_id="L-1", channel="ads", segment="ENT", account_id=account_id)
    for reference in ({"lead_id": str(known)}, {"lead_external_id": "L-1"}):
        body = {"origin": "referral", "segment": "SMB", **reference}
        found = await seller.post("/opportunities", body, 201)
        assert (found["lead_id"], found["lead_external_id"], found["cycle"]) == (str(known), "L-1", 1)
        assert (found["channel"], found["segment"]) == ("ads", "SMB")
        assert (found["account_id"], found["account_name"]) == (str(account_id), "青葉")
    assert {event.key for event in await rig.told()} == {str(known)}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"origin": "sql"},
        {"origin": "self_sourced", "surprise": 1},
        {"origin": "self_sourced", "phase": "no_such_phase"},
        {"origin": "self_sourced", "forecast_category": "sure"},
        {"origin": "self_sourced", "mrr": "a lot"},
        {"origin": "self_sourced", "mrr": 10.5},
        {"origin": "self_sourced", "amount": {"amount": -1, "currency": "JPY"}},
        {"origin": "self_sourced", "currency": "yen"},
        {"origin": "self_sourced", "mrr": 1, "currency": "XXY"},
        {"origin": "self_sourced", "owner": ""},
        {"origin": "self_sourced", "cycle": 0},
    ],
)
async def test_malformed_openings_are_refused(rig: Rig, seller: Seller, body: dict[str, Any]) -> None:
    problem = await seller.post("/opportunities", body, 422)
    assert problem["errors"]
    assert await rig.told() == []


async def test_an_unknown_lead_is_to_be_asked_for_again(seller: Seller) -> None:
    await seller.post("/opportunities", {"origin": "partner", "lead_id": str(new_id())}, 404)
    assert seller.last.headers["retry-after"] == "1"


async def test_an_external_id_names_the_same_opportunity_again(rig: Rig, seller: Seller) -> None:
    opened = await seller.opened(external_id="D-1", mrr=1000)
    body = {"origin": "self_sourced", "external_id": "D-1", "mrr": 1000, "currency": "JPY"}
    assert (await seller.post("/opportunities", body))["id"] == opened
    assert len(await rig.told()) == 1
    changed = await seller.post("/opportunities", {**body, "mrr": 2000})
    assert (changed["id"], changed["mrr"]["amount"]) == (opened, 2000)
    assert (await seller.get("/opportunities/ext:D-1"))["id"] == opened
    problem = await seller.post("/opportunities", {**body, "origin": "partner"}, 409)
    assert problem["type"] == "/problems/origin_differs"
    assert len(await rig.told()) == 2


async def test_a_path_must_be_an_id(seller: Seller) -> None:
    await seller.get("/opportunities/not-an-id", 422)


async def patch(seller: Seller, opened: str, body: dict[str, Any], status: int = 200) -> Any:
    return await seller.call("PATCH", f"/opportunities/{opened}", body, status)


async def test_a_patch_tells_only_what_changed(rig: Rig, seller: Seller) -> None:
    opened = await seller.opened(product="crm", expected_close_date="2026-06-30")
    await rig.forget_told()
    body = {"mrr": 95_000, "expected_close_date": "2026-06-30", "forecast_category": "commit", "next_step": "見積"}
    found = await patch(seller, opened, body)
    assert (found["mrr"]["amount"], found["next_step"]) == (95_000, "見積")
    (event,) = await rig.told()
    told = {name: event.data[name] for name in event.data if name not in ("opportunity_id", "product", "owner")}
    assert event.type == "field_sales.opportunity_updated.v1"
    assert told == {"mrr": {"amount": 95_000, "currency": "JPY"}, "forecast_category": "commit"}
    assert event.data["product"] == "crm"


async def test_a_patch_that_changes_nothing_tells_nothing(rig: Rig, seller: Seller) -> None:
    opened = await seller.opened(product="crm")
    before = await seller.get(f"/opportunities/{opened}")
    assert await patch(seller, opened, {}) == before
    assert await patch(seller, opened, {"product": "crm", "mrr": 80_000, "next_step": None}) == before
    assert len(await rig.told()) == 1


async def test_a_dimension_that_changed_is_told_by_its_new_value(rig: Rig, seller: Seller) -> None:
    opened = await seller.opened(segment="SMB")
    await patch(seller, opened, {"segment": "ENT"})
    await patch(seller, opened, {"segment": None})
    await patch(seller, opened, {"team": "東日本", "next_step": "only ours"})
    told = await rig.told("field_sales.opportunity_updated.v1")
    assert [event.data.get("segment") for event in told] == ["ENT", None]


async def test_null_clears_and_unknown_fields_are_refused(seller: Seller) -> None:
    opened = await seller.opened(expected_close_date="2026-06-30", next_step="x", next_step_on="2026-05-01")
    found = await patch(seller, opened, {"expected_close_date": None, "next_step": None, "mrr": None})
    assert (found["expected_close_date"], found["next_step"], found["mrr"]) == (None, None, None)
    assert found["next_step_on"] == "2026-05-01"
    await patch(seller, opened, {"status": "won"}, 422)
    await patch(seller, opened, {"phase": "proposal"}, 422)


@pytest.mark.parametrize("end", ["win", "lose"])
async def test_what_has_ended_is_no_longer_changed_but_can_be_hidden(rig: Rig, seller: Seller, end: str) -> None:
    opened = await seller.opened()
    await seller.act(opened, end, {"reason": "price"} if end == "lose" else {})
    problem = await patch(seller, opened, {"mrr": 1}, 409)
    assert problem["type"] == "/problems/already_ended"
    told = len(await rig.told())
    assert (await patch(seller, opened, {"archived": True}))["archived_at"] is not None
    assert (await seller.get("/opportunities"))["items"] == []
    assert [one["id"] for one in (await seller.get("/opportunities?archived=true"))["items"]] == [opened]
    assert (await patch(seller, opened, {"archived": False}))["archived_at"] is None
    assert len(await rig.told()) == told


async def test_changes_are_told_in_order(seller: Seller) -> None:
    opened = await seller.opened(occurred_at=wire(HANDED_OVER))
    await patch(seller, opened, {"mrr": 1, "occurred_at": wire(HANDED_OVER + 2 * DAY)})
    problem = await patch(seller, opened, {"mrr": 2, "occurred_at": wire(HANDED_OVER + DAY)}, 409)
    assert problem["type"] == "/problems/before_previous_step"
    await seller.act(opened, "phase", {"phase": "discovery", "occurred_at": wire(HANDED_OVER + DAY)})


async def test_a_phase_is_left_only_when_its_criteria_hold(rig: Rig, seller: Seller) -> None:
    opened = (await seller.post("/opportunities", {"origin": "partner"}, 201))["id"]
    problem = await seller.act(opened, "phase", {"phase": "negotiation"}, 409)
    assert problem["type"] == "/problems/exit_criteria"
    assert problem["missing"] == ["mrr|amount", "expected_close_date"]
    await patch(seller, opened, {"amount": 1, "expected_close_date": "2026-06-30"})
    await rig.forget_told()
    found = await seller.act(opened, "phase", {"phase": "negotiation"})
    assert (found["phase"], found["regressions"]) == ("negotiation", 0)
    (event,) = await rig.told()
    assert (event.type, event.data["phase"]) == ("field_sales.opportunity_updated.v1", "negotiation")
    assert "amount" not in event.data
    assert (await seller.act(opened, "phase", {"phase": "discovery"}))["regressions"] == 1
    await seller.act(opened, "phase", {"phase": "discovery"})
    assert len(await rig.told()) == 2
    await seller.act(opened, "phase", {"phase": "no_such_phase"}, 422)


async def test_the_history_says_how_long_each_phase_lasted(seller: Seller) -> None:
    opened = await seller.opened(expected_close_date="2026-06-30", occurred_at=wire(HANDED_OVER))
    for days, act, body in [
        (3, "phase", {"phase": "proposal"}),
        (5, "phase", {"phase": "discovery"}),
        (6, "lose", {"reason": "price", "note": "too dear"}),
        (9, "reopen", {}),
    ]:
        await seller.act(opened, act, {**body, "occurred_at": wire(HANDED_OVER + days * DAY)})
    found = await seller.get(f"/opportunities/{opened}/history")
    assert [(one["phase"], one["days"]) for one in found["phases"][:3]] == [
        ("discovery", 3),
        ("proposal", 2),
        ("discovery", 1),
    ]
    assert (found["phases"][3]["phase"], found["phases"][3]["until"]) == ("discovery", None)
    steps = found["steps"]
    assert [step["kind"] for step in steps] == ["opened", "phase", "phase", "lost", "reopened"]
    assert steps[1]["changes"] == {"phase": ["discovery", "proposal"]}
    assert (steps[3]["reason"], steps[3]["note"], steps[3]["by"]) == ("price", "too dear", "sato")


async def test_a_lead_learned_later_is_linked(rig: Rig, seller: Seller) -> None:
    opened = await seller.opened()
    known = await lead(rig, external_id="L-9", channel="ads")
    found = await seller.act(opened, "link", {"lead_id": str(known)})
    assert (found["lead_id"], found["cycle"], found["lead_external_id"]) == (str(known), 1, "L-9")
    await seller.act(opened, "link", {"lead_id": str(known)})
    (event,) = await rig.told("field_sales.opportunity_linked.v1")
    assert (event.key, event.data["lead_id"], event.data["cycle"]) == (opened, str(known), 1)
    other = await lead(rig)
    assert (await seller.act(opened, "link", {"lead_id": str(other), "cycle": 3}))["cycle"] == 3
    await seller.act(opened, "link", {"lead_id": str(new_id())}, 404)


async def test_the_lead_of_an_sql_cannot_be_exchanged(rig: Rig, seller: Seller) -> None:
    sql = await offer(rig)
    other = await lead(rig)
    problem = await seller.act(sql.opportunity_id, "link", {"lead_id": str(other)}, 409)
    assert problem["type"] == "/problems/already_linked"


async def test_a_company_named_twice_is_the_same_company(seller: Seller) -> None:
    opened = await seller.opened(account_name="株式会社青葉")
    found = await seller.get(f"/opportunities/{opened}")
    assert found["account_id"] == str(told_id("account", "株式会社青葉"))


async def test_who_may_open_and_change(rig: Rig, seller: Seller) -> None:
    opened = await seller.opened()
    for role in ("inside_sales", "viewer", "ops_lead"):
        other = Seller(rig.client(role))
        await other.post("/opportunities", {"origin": "partner"}, 403)
        await other.call("PATCH", f"/opportunities/{opened}", {"mrr": 1}, 403)
        await other.act(opened, "link", {"lead_id": str(new_id())}, 403)
        await other.get("/opportunities")
        await other.get("/pipeline")


async def test_an_opening_can_be_told_late(rig: Rig, seller: Seller) -> None:
    at = HANDED_OVER - timedelta(days=400)
    opened = await seller.opened(occurred_at=wire(at))
    assert (await seller.get(f"/opportunities/{opened}"))["opened_at"] == wire(at)
    assert (await rig.told())[0].time == at
