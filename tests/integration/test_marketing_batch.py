"""Many leads at once."""

from typing import Any

import pytest

from services.marketing.app import SERVICE
from tests.support.marketing import Desk
from tests.support.rig import MakeRig


@pytest.fixture
async def desk(make_rig: MakeRig) -> Desk:
    return Desk(await make_rig(SERVICE))


async def send(desk: Desk, *items: Any) -> list[dict[str, Any]]:
    answer = await desk.api.post("/v1/leads:batch", json={"items": list(items)})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_each_item_has_its_own_answer(desk: Desk) -> None:
    known = await desk.lead(email="known@example.jp")
    await desk.rig.forget_told()
    found = await send(
        desk,
        {"email": "new@example.jp", "company": "株式会社サクラ"},
        {"email": "KNOWN@example.jp"},
        {"email": "not an address"},
        {"email": " NEW@example.jp ", "industry": "IT"},
        {"email": "x@example.jp", "account": "ext:unknown"},
        "not an object",
        {"name": "山田太郎", "company": "サクラ㈱"},
        {"name": "山田 太郎", "company": "(株)サクラ"},
    )
    assert [item["status"] for item in found] == [201, 200, 422, 200, 422, 422, 201, 200]
    assert [item["index"] for item in found] == list(range(8))
    assert found[1]["id"] == known["id"]
    assert found[3]["id"] == found[0]["id"]
    assert found[7]["id"] == found[6]["id"]
    assert [item["problem"]["errors"][0]["field"] for item in (found[2], found[4])] == ["email", "account"]
    told = [event for event in await desk.rig.told() if event.key == found[0]["id"]]
    assert [event.type.split(".")[1] for event in told] == ["lead_created", "lead_updated", "touch_recorded"]
    assert len(await desk.told("account_created")) == 1


async def test_an_erased_person_costs_only_their_own_item(desk: Desk) -> None:
    gone = await desk.lead(external_id="L-1")
    await desk.act(gone["id"], "erase")
    found = await send(desk, {"email": "a@example.jp"}, {"external_id": "L-1", "name": "x"}, {"email": "b@example.jp"})
    assert [item["status"] for item in found] == [201, 409, 201]
    assert found[1]["problem"]["type"] == "/problems/erased"
    assert len(await desk.told("lead_created")) == 3


async def test_a_thousand_at_once_and_no_more(desk: Desk) -> None:
    items = [
        {"email": f"p{n}@example.jp", "phone": f"090-0000-{n:04}", "company": f"会社{n % 50}"} for n in range(1_000)
    ]
    found = await send(desk, *items)
    assert {item["status"] for item in found} == {201}
    assert len(await desk.told("lead_created")) == 1_000
    assert len(await desk.told("account_created")) == 50
    assert {item["status"] for item in await send(desk, *items)} == {200}
    assert len(await desk.told("touch_recorded")) == 1_000
    for wrong in ([*items, items[0]], []):
        assert (await desk.api.post("/v1/leads:batch", json={"items": wrong})).status_code == 422


async def test_a_list_alone_will_do_and_a_key_makes_it_repeatable(desk: Desk) -> None:
    headers = {"Idempotency-Key": "once"}
    first = await desk.api.post("/v1/leads:batch", json=[{"email": "a@example.jp"}], headers=headers)
    again = await desk.api.post("/v1/leads:batch", json=[{"email": "a@example.jp"}], headers=headers)
    assert first.json() == again.json()
    assert first.json()["items"][0]["status"] == 201
    assert await desk.told("touch_recorded") == []
