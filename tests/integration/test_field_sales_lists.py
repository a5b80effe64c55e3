"""Lists of opportunities and the pipeline over HTTP."""

from typing import Any

import pytest

from services.field_sales.app import SERVICE
from tests.support.field_sales import DAY, HANDED_OVER, Seller, offer, wire
from tests.support.rig import MakeRig, Rig


@pytest.fixture
async def rig(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


@pytest.fixture
def seller(rig: Rig) -> Seller:
    return Seller(rig.client("field_sales", user="sato"))


FILTERS = [
    "status=open",
    "phase=discovery&status=open",
    "owner=kato",
    "team=east",
    "origin=partner",
    "forecast_category=commit",
    "product=crm",
    "segment=ENT",
    "channel=web",
    "industry=retail",
    "region=kanto",
    "price_band=high",
    "campaign=spring",
    "external_id=D-1",
    "expected_close_date_from=2026-06-30",
    "expected_close_date_from=2026-06-01&expected_close_date_to=2026-07-01",
    "next_step_on_from=2026-05-01&next_step_on_to=2026-05-02",
    f"opened_at_from={wire(HANDED_OVER)}",
    "status=open&owner=kato",
]


@pytest.mark.parametrize("given", FILTERS)
async def test_lists_are_filtered(rig: Rig, seller: Seller, given: str) -> None:
    wanted = {
        "origin": "partner",
        "external_id": "D-1",
        "owner": "kato",
        "team": "east",
        "forecast_category": "commit",
        "product": "crm",
        "segment": "ENT",
        "channel": "web",
        "industry": "retail",
        "region": "kanto",
        "price_band": "high",
        "campaign": "spring",
        "expected_close_date": "2026-06-30",
        "next_step_on": "2026-05-01",
        "occurred_at": wire(HANDED_OVER),
    }
    opened = await seller.opened(**wanted)
    await offer(rig, product="erp", channel="ads", segment="SMB")
    early = wire(HANDED_OVER - DAY)
    lost = await seller.opened(origin="referral", expected_close_date="2026-05-31", occurred_at=early)
    await seller.act(lost, "lose", {"reason": "price"})
    assert [one["id"] for one in (await seller.get(f"/opportunities?{given}"))["items"]] == [opened]


@pytest.mark.parametrize("given", ["colour=red", "limit=501", "status=maybe", "origin=luck", "cursor=x", "sort=phase"])
async def test_questions_that_make_no_sense_are_refused(seller: Seller, given: str) -> None:
    await seller.get(f"/opportunities?{given}", 422)


async def test_pages_are_complete_and_without_repeats(seller: Seller) -> None:
    opened = [await seller.opened() for _ in range(5)]
    found: list[str] = []
    cursor = ""
    while True:
        page = await seller.get(f"/opportunities?limit=2{cursor}")
        found += [one["id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == opened


async def test_the_pipeline_sums_open_ones_by_phase_and_currency(rig: Rig, seller: Seller) -> None:
    await seller.opened(mrr=100)
    await seller.opened(mrr=250, amount=1001)
    await seller.opened(mrr=10, currency="USD", owner="kato")
    await seller.post("/opportunities", {"origin": "partner"}, 201)
    ahead = await seller.opened(mrr=500, expected_close_date="2026-06-30")
    await seller.act(ahead, "phase", {"phase": "negotiation"})
    won = await seller.opened(mrr=9999)
    await seller.act(won, "win")
    await offer(rig)

    def yen(amount: int) -> dict[str, Any]:
        return {"amount": amount, "currency": "JPY"}

    items = (await seller.get("/pipeline"))["items"]
    lines = {(one["phase"], one["currency"]): one for one in items}
    assert [(one["phase"], one["currency"], one["count"]) for one in items] == [
        ("discovery", None, 1),
        ("discovery", "JPY", 2),
        ("discovery", "USD", 1),
        ("negotiation", "JPY", 1),
    ]
    assert (lines["discovery", "JPY"]["mrr"], lines["discovery", "JPY"]["amount"]) == (yen(350), yen(1001))
    assert lines["discovery", "JPY"]["weighted_mrr"] == yen(70)
    assert lines["discovery", "JPY"]["weighted_amount"] == yen(200)
    assert lines["negotiation", "JPY"]["weighted_mrr"] == yen(400)
    assert lines["discovery", "USD"]["mrr"] == {"amount": 1000, "currency": "USD"}
    of_kato = (await seller.get("/pipeline?owner=kato"))["items"]
    assert [(one["currency"], one["count"]) for one in of_kato] == [("USD", 1)]
