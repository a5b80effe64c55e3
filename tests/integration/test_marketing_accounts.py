"""Companies (企業): found again, changed, merged."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from services.marketing.app import SERVICE
from shared.contracts.field_sales import OpportunityOpened
from shared.ids import new_id
from tests.support.marketing import Desk
from tests.support.rig import MakeRig

SAKURA = {
    "name": "株式会社サクラ",
    "external_id": "A-1",
    "corporate_number": "5070001000715",
    "domain": "www.Sakura.example.jp",
    "employees": 120,
    "industry": "IT",
}


@pytest.fixture
async def desk(make_rig: MakeRig) -> Desk:
    return Desk(await make_rig(SERVICE))


async def make(desk: Desk, **told: Any) -> dict[str, Any]:
    answer = await desk.api.post("/v1/accounts", json=told)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    "again",
    [
        {"name": "別名", "external_id": "A-1"},
        {"name": "別名", "corporate_number": "５０７０-００１０-００７１５"},
        {"name": "別名", "domain": "https://sakura.example.jp/"},
        {"name": "ｻｸﾗ㈱"},
        {"name": "SAKURA", "external_id": "A-2", "corporate_number": "5070001000715"},
    ],
)
async def test_a_known_company_is_found_again(desk: Desk, again: dict[str, Any]) -> None:
    first = await make(desk, **SAKURA)
    answer = await desk.api.post("/v1/accounts", json=again | {"employees": 999, "segment": "ENT"})
    found = answer.json()
    assert (answer.status_code, found["id"]) == (200, first["id"])
    assert (found["name"], found["employees"], found["segment"]) == ("株式会社サクラ", 120, "ENT")
    assert len(await desk.told("account_created")) == 1
    changes = (await desk.api.get(f"/v1/accounts/{first['id']}/changes")).json()
    assert [change["fields"] for change in changes] == [{"segment": [None, "ENT"]}]
    if again.get("external_id") == "A-2":
        assert (await desk.api.get("/v1/accounts/ext:A-2")).json()["id"] == first["id"]


async def test_what_is_told_of_a_new_company(desk: Desk) -> None:
    parent = await make(desk, name="サクラホールディングス", external_id="A-0")
    found = await make(desk, **SAKURA, parent="ext:A-0")
    assert (found["domain"], found["parent_id"]) == ("sakura.example.jp", parent["id"])
    told = (await desk.told("account_created"))[1]
    assert told.key == found["id"]
    assert {"account_name": "株式会社サクラ", "employees": 120, "parent_id": parent["id"]}.items() <= told.data.items()
    listed = (await desk.api.get("/v1/accounts", params={"parent_id": parent["id"]})).json()["items"]
    assert [account["id"] for account in listed] == [found["id"]]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x", "corporate_number": "123"},
        {"name": "x", "domain": "no domain"},
        {"name": "x", "employees": -1},
        {"name": "x", "parent": "ext:unknown"},
        {"name": "x", "colour": "red"},
    ],
)
async def test_what_is_malformed_is_422(desk: Desk, body: dict[str, Any]) -> None:
    await desk.refused("/v1/accounts", 422, **body)


async def test_ten_at_once_make_one(desk: Desk) -> None:
    spellings = ["株式会社ウメ", "ウメ㈱", "(株)ウメ", "ウメ", "ｳﾒ"] * 2
    answers = await asyncio.gather(*(desk.api.post("/v1/accounts", json={"name": name}) for name in spellings))
    assert Counter(answer.status_code for answer in answers) == {200: 9, 201: 1}
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_a_company_is_changed_with_history(desk: Desk) -> None:
    account = await make(desk, **SAKURA)
    path = f"/v1/accounts/{account['id']}"
    answer = await desk.api.patch(path, json={"name": "サクラ合同会社", "industry": None})
    assert (answer.json()["name"], answer.json()["industry"], answer.headers["ETag"]) == ("サクラ合同会社", None, '"2"')
    changes = (await desk.api.get(f"{path}/changes")).json()
    assert changes[0]["fields"] == {"name": ["株式会社サクラ", "サクラ合同会社"], "industry": ["IT", None]}
    assert (await desk.api.patch(path, json={"name": None})).status_code == 422
    other = await make(desk, name="ウメ")
    taken = await desk.api.patch(f"/v1/accounts/{other['id']}", json={"corporate_number": "5070001000715"})
    assert (taken.status_code, taken.json()["type"]) == (409, "/problems/conflict")


async def test_a_company_does_not_belong_to_itself(desk: Desk) -> None:
    top = await make(desk, name="親")
    middle = await make(desk, name="子", parent=top["id"])
    low = await make(desk, name="孫", parent=middle["id"])
    for parent in (top["id"], low["id"]):
        answer = await desk.api.patch(f"/v1/accounts/{top['id']}", json={"parent": parent})
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/parent_cycle")
    assert (await desk.api.patch(f"/v1/accounts/{low['id']}", json={"parent": None})).json()["parent_id"] is None


async def test_two_companies_become_one(desk: Desk) -> None:
    one = await make(desk, name="サクラ", external_id="A-1", segment="ENT")
    other = await make(desk, name="サクラ東京", external_id="A-2", corporate_number="5070001000715", segment="SMB")
    child = await make(desk, name="サクラ支店", parent=other["id"])
    lead = await desk.lead(account=other["id"])
    opportunity = new_id()
    await desk.rig.deliver(OpportunityOpened(opportunity_id=opportunity, account_id=other["id"]), opportunity)
    path = f"/v1/accounts/{one['id']}/merge"
    answer = await desk.api.post(path, json={"merged_account_id": "ext:A-2"})
    found = answer.json()
    assert (found["id"], found["segment"], found["corporate_number"]) == (one["id"], "ENT", "5070001000715")
    told = (await desk.told("account_merged"))[0]
    assert (told.key, told.data) == (one["id"], {"account_id": one["id"], "merged_account_id": other["id"]})
    assert (await desk.get(lead["id"]))["account_id"] == one["id"]
    assert (await desk.api.get(f"/v1/accounts/{child['id']}")).json()["parent_id"] == one["id"]
    assert (await desk.api.get(f"/v1/accounts/{other['id']}")).json()["merged_into"] == one["id"]
    assert (await desk.api.get("/v1/accounts/ext:A-2")).json()["id"] == one["id"]
    for known in ({"name": "サクラ東京"}, {"name": "x", "corporate_number": "5070001000715"}):
        again = await desk.api.post("/v1/accounts", json=known)
        assert (again.status_code, again.json()["id"]) == (200, one["id"])
    joined = await desk.lead(company="サクラ東京")
    assert (joined["account_id"], joined["joins"]["ref"]) == (one["id"], str(opportunity))
    late = new_id()  # told of the account as it was before
    await desk.rig.deliver(OpportunityOpened(opportunity_id=late, account_id=other["id"]), late)
    assert (await desk.lead(company="サクラ"))["joins"]["ref"] == str(late)
    for wrong in (one["id"], other["id"]):
        assert (await desk.refused(path, 409, merged_account_id=wrong))["type"] == "/problems/already_merged"
    await desk.refused(path, 404, merged_account_id=str(new_id()))


async def test_a_merged_company_may_be_merged_on(desk: Desk) -> None:
    first, second, third = [await make(desk, name=name) for name in ("甲", "乙", "丙")]
    await desk.api.post(f"/v1/accounts/{second['id']}/merge", json={"merged_account_id": first["id"]})
    await desk.api.post(f"/v1/accounts/{third['id']}/merge", json={"merged_account_id": second["id"]})
    for name in ("甲", "乙", "丙"):
        assert (await desk.api.post("/v1/accounts", json={"name": name})).json()["id"] == third["id"]
    assert (await desk.api.get("/v1/accounts")).json()["items"][0]["id"] == third["id"]
