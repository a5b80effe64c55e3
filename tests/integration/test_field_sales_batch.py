"""Many opportunities at once."""

from typing import Any

import pytest

from services.field_sales.app import SERVICE
from shared.contracts.marketing import AccountCreated
from shared.ids import new_id
from tests.support.field_sales import DAY, HANDED_OVER, Seller, lead, wire
from tests.support.rig import MakeRig, Rig

OPENED, UPDATED = "field_sales.opportunity_opened.v1", "field_sales.opportunity_updated.v1"


@pytest.fixture
async def rig(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


@pytest.fixture
def seller(rig: Rig) -> Seller:
    return Seller(rig.client("field_sales", user="sato"))


def deal(**fields: Any) -> dict[str, Any]:
    return {"origin": "partner", "mrr": 80_000, "currency": "JPY", **fields}


async def send(seller: Seller, *items: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await seller.post("/opportunities:batch", {"items": list(items)}))["items"]
    assert [item["index"] for item in found] == list(range(len(items)))
    return found


async def test_each_item_has_its_own_answer(rig: Rig, seller: Seller) -> None:
    known = await seller.opened(external_id="D-1", origin="partner")
    await rig.forget_told()
    found = await send(
        seller,
        deal(external_id="D-2"),
        deal(external_id="D-1", mrr=90_000),
        deal(origin="sql"),
        deal(external_id="D-1", origin="referral"),
        deal(lead_id=str(new_id())),
        deal(phase="no_such_phase"),
        "not an object",
        deal(),
    )
    assert [item["status"] for item in found] == [201, 200, 422, 409, 404, 422, 422, 201]
    assert found[1]["id"] == known
    types = {index: found[index]["problem"]["type"].rpartition("/")[2] for index in (2, 3, 4, 5, 6)}
    assert types == {2: "invalid", 3: "origin_differs", 4: "not_found", 5: "invalid", 6: "invalid"}
    assert [found[index]["problem"]["errors"][0]["field"] for index in (2, 5)] == ["origin", "phase"]
    assert [(event.type, event.key) for event in await rig.told()] == [
        (OPENED, found[0]["id"]),
        (UPDATED, known),
        (OPENED, found[7]["id"]),
    ]


async def test_an_external_id_twice_is_opened_once_and_then_changed(rig: Rig, seller: Seller) -> None:
    first, again, same = await send(
        seller, deal(external_id="D-1"), deal(external_id="D-1", mrr=95_000), deal(external_id="D-1", mrr=95_000)
    )
    assert [first["status"], again["status"], same["status"]] == [201, 200, 200]
    assert {again["id"], same["id"]} == {first["id"]}
    assert [event.type for event in await rig.told()] == [OPENED, UPDATED]
    assert (await seller.get(f"/opportunities/{first['id']}"))["mrr"]["amount"] == 95_000


async def test_what_is_told_late_is_refused_for_its_own_item_only(seller: Seller) -> None:
    opened = await seller.opened(external_id="D-1", origin="partner", occurred_at=wire(HANDED_OVER))
    early = deal(external_id="D-1", mrr=1, occurred_at=wire(HANDED_OVER - DAY))
    found = await send(seller, deal(external_id="D-2"), early, deal(external_id="D-1", mrr=2))
    assert [item["status"] for item in found] == [201, 409, 200]
    assert found[1]["problem"]["type"] == "/problems/before_previous_step"
    assert (await seller.get(f"/opportunities/{opened}"))["mrr"]["amount"] == 2


async def test_it_finds_leads_reps_and_companies_like_a_single_call(rig: Rig, seller: Seller) -> None:
    account = new_id()
    await rig.deliver(AccountCreated(account_id=account, account_name="青葉"), account)
    known = await lead(rig, external_id="L-1", channel="ads", segment="ENT", account_id=account)
    rep = {"name": "加藤", "team": "東日本"}
    await seller.call("PUT", "/reps/kato", rep, 201)
    bodies = [
        deal(lead_id=str(known), owner="加藤"),
        deal(lead_external_id="L-1", owner="kato", segment="SMB"),
        deal(account_id=str(account), owner="somebody"),
        deal(lead_external_id="L-2"),
    ]
    shown = [await seller.get(f"/opportunities/{item['id']}") for item in await send(seller, *bodies)]
    for body, one in zip(bodies, shown, strict=True):
        single = await seller.post("/opportunities", body, 201)
        apart = {"id", "created_at", "updated_at", "opened_at"}
        assert {k: v for k, v in single.items() if k not in apart} == {k: v for k, v in one.items() if k not in apart}
    assert [one["owner"] for one in shown] == ["kato", "kato", "somebody", "sato"]
    assert [one["account_name"] for one in shown] == ["青葉", "青葉", "青葉", None]


async def test_a_thousand_at_once_and_no_more(rig: Rig, seller: Seller) -> None:
    items = [deal(external_id=f"D-{n}") for n in range(1_000)]
    found = await send(seller, *items)
    assert {item["status"] for item in found} == {201}
    assert len({item["id"] for item in found}) == len(await rig.told(OPENED)) == 1_000
    for wrong in ([*items, deal()], []):
        await seller.post("/opportunities:batch", {"items": wrong}, 422)
    assert len(await rig.told()) == 1_000


async def test_a_bad_one_among_many_costs_only_itself(rig: Rig, seller: Seller) -> None:
    items = [deal(external_id=f"D-{n}") for n in range(200)]
    items[77]["lead_id"] = str(new_id())
    found = await send(seller, *items)
    assert [item["index"] for item in found if item["status"] != 201] == [77]
    assert len(await rig.told(OPENED)) == 199


async def test_a_list_alone_will_do_and_a_key_makes_it_repeatable(rig: Rig, seller: Seller) -> None:
    headers = {"Idempotency-Key": "once"}
    first = await seller.post("/opportunities:batch", [deal()], headers=headers)
    assert await seller.post("/opportunities:batch", [deal()], headers=headers) == first
    assert len(await rig.told()) == 1
    await seller.post("/opportunities:batch", [deal(mrr=1)], 422, headers=headers)


async def test_an_etag_speaks_of_no_batch(seller: Seller) -> None:
    await seller.opened(external_id="D-1", origin="partner")
    found = await seller.post("/opportunities:batch", [deal(external_id="D-1")], headers={"If-Match": '"9"'})
    assert [item["status"] for item in found["items"]] == [200]


async def test_only_sellers_open_many(rig: Rig) -> None:
    for role in ("inside_sales", "viewer", "ops_lead"):
        await Seller(rig.client(role)).post("/opportunities:batch", [deal()], 403)
    await Seller(rig.client()).post("/opportunities:batch", [deal()], 401)
    (item,) = await send(Seller(rig.client("admin", user="root")), deal())
    assert item["status"] == 201
    assert (await Seller(rig.client("viewer")).get(f"/opportunities/{item['id']}"))["owner"] is None
