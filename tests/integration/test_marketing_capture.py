"""Capture: who is found again, what a second telling changes, what the answer says of the company."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from services.marketing.app import SERVICE
from shared import clock, instruments
from shared.contracts.customer_success import ContractStarted, CustomerChurned
from shared.contracts.field_sales import OpportunityOpened
from shared.ids import new_id
from shared.migrate import drift
from shared.money import Money
from tests.support.marketing import Desk
from tests.support.rig import MakeRig

YAMADA = {
    "external_id": "L-1",
    "email": "Taro@Sakura.example.jp",
    "name": "山田 太郎",
    "phone": "03-1234-5678",
    "company": "株式会社サクラ",
    "channel": "ads",
    "segment": "SMB",
}


@pytest.fixture
async def desk(make_rig: MakeRig) -> Desk:
    return Desk(await make_rig(SERVICE))


async def test_migrations_and_models_agree(desk: Desk) -> None:
    assert await drift(desk.rig.database.url, SERVICE.metadata) == []


async def test_a_new_person_becomes_a_lead_of_their_company(desk: Desk) -> None:
    before = instruments.entries.labels("marketing")._value.get()
    told = YAMADA | {"utm_source": "google", "utm": {"medium": "cpc"}, "consent": {"given": True, "source": "form"}}
    answer = await desk.api.post("/v1/leads", json=told)
    assert answer.status_code == 201
    found = answer.json()
    assert answer.headers["Location"] == f"/v1/leads/{found['id']}"
    assert answer.headers["ETag"] == '"1"'
    expected = {"email": "Taro@Sakura.example.jp", "company": "株式会社サクラ", "cycle": 1, "stage": "nurturing"}
    assert (expected | {"utm": {"source": "google", "medium": "cpc"}, "consent": True}).items() <= found.items()
    assert (await desk.api.get("/v1/leads/ext:L-1")).json()["id"] == found["id"]
    account, lead = await desk.rig.told()
    assert (account.type, account.key) == ("marketing.account_created.v1", found["account_id"])
    assert (lead.type, lead.key) == ("marketing.lead_created.v1", found["id"])
    dimensions = {"external_id": "L-1", "channel": "ads", "segment": "SMB", "account_id": found["account_id"]}
    assert (dimensions | {"lead_id": found["id"], "cycle": 1}).items() <= lead.data.items()
    assert instruments.entries.labels("marketing")._value.get() == before + 1


@pytest.mark.parametrize(
    "again",
    [
        {"external_id": "L-1"},
        {"email": " ｔａｒｏ＠sakura.EXAMPLE.jp "},
        {"email": "taro@sakura.example.jp", "name": "別人"},
        {"external_id": "L-77", "email": "taro@sakura.example.jp"},
        {"phone": "+81 3 1234 5678"},
        {"phone": "０３－１２３４－５６７８", "name": "山田太郎", "email": "private@example.com"},
        {"name": "山田　太郎", "company": "サクラ㈱"},
    ],
)
async def test_a_known_person_is_found_again(desk: Desk, again: dict[str, Any]) -> None:
    first = (await desk.api.post("/v1/leads", json=YAMADA)).json()
    answer = await desk.api.post("/v1/leads", json=again)
    assert (answer.status_code, answer.json()["id"]) == (200, first["id"])
    assert len(await desk.told("lead_created")) == 1
    touch = (await desk.told("touch_recorded"))[0]
    assert (touch.key, touch.data["kind"], touch.data["cycle"]) == (first["id"], "form", 1)


@pytest.mark.parametrize(
    "other",
    [
        {"email": "taro+news@sakura.example.jp"},
        {"email": "hanako@sakura.example.jp", "phone": "03-1234-5678", "name": "佐藤 花子"},
        {"email": "taro2@sakura.example.jp", "name": "山田太郎", "company": "株式会社サクラ"},
        {"name": "山田太郎", "company": "株式会社ウメ"},
        {"name": "山田太郎"},
        {"external_id": "L-2", "name": "山田太郎", "company": "株式会社サクラ"},
    ],
)
async def test_somebody_else_is_a_new_lead(desk: Desk, other: dict[str, Any]) -> None:
    first = (await desk.api.post("/v1/leads", json=YAMADA)).json()
    answer = await desk.api.post("/v1/leads", json=other)
    assert answer.status_code == 201
    assert answer.json()["id"] != first["id"]


async def test_a_second_external_id_leads_to_the_same_person(desk: Desk) -> None:
    first = (await desk.api.post("/v1/leads", json=YAMADA)).json()
    await desk.api.post("/v1/leads", json={"external_id": "CRM-9", "email": YAMADA["email"]})
    found = await desk.get("ext:CRM-9")
    assert (found["id"], found["external_id"]) == (first["id"], "L-1")
    again = await desk.api.post("/v1/leads", json={"external_id": "CRM-9"})
    assert (again.status_code, again.json()["id"]) == (200, first["id"])


async def test_a_second_telling_fills_blanks_and_overwrites_nothing(desk: Desk) -> None:
    lead = await desk.lead(email="a@x.example.jp", channel="ads", consent=False)
    told = {"email": "a@x.example.jp", "channel": "organic", "industry": "IT", "name": "山田", "consent": True}
    answer = await desk.api.post("/v1/leads", json=told)
    found = answer.json()
    assert (found["channel"], found["industry"], found["name"], found["consent"]) == ("ads", "IT", "山田", False)
    updated = (await desk.told("lead_updated"))[0]
    assert (updated.data["industry"], updated.data["channel"]) == ("IT", "ads")
    touch = (await desk.told("touch_recorded"))[0]
    assert touch.data["channel"] == "organic"  # where they came from this time
    again = await desk.api.post("/v1/leads", json=told)
    assert len(await desk.told("lead_updated")) == 1
    assert again.json()["cycle"] == 1
    changes = (await desk.api.get(f"/v1/leads/{lead['id']}/changes")).json()
    assert [change["fields"] for change in changes] == [{"name": [None, "山田"], "industry": [None, "IT"]}]


async def test_the_past_can_be_told(desk: Desk) -> None:
    at = clock.utc_now() - timedelta(days=400)
    found = await desk.lead(occurred_at=at.isoformat())
    assert found["created_at"].startswith(at.strftime("%Y-%m-%dT%H:%M"))
    assert (await desk.told("lead_created"))[0].time == at


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"company": "株式会社サクラ"},
        {"email": "nobody"},
        {"email": "a@b"},
        {"phone": "110"},
        {"email": "a@x.example.jp", "shoe_size": 42},
        {"email": "a@x.example.jp", "utm": {"colour": "red"}},
        {"email": "a@x.example.jp", "corporate_number": "12"},
        {"email": "a@x.example.jp", "account": "ext:unknown"},
        {"email": "a@x.example.jp", "account": "no-id"},
        {"email": "a@x.example.jp", "occurred_at": "2100-01-01T00:00:00Z"},
        {"email": "a@x.example.jp", "occurred_at": "0001-01-01T00:00:00+09:00"},
        {"email": "a@x.example.jp", "name": "a\u0000b"},
        {"email": ["a@x.example.jp"]},
    ],
)
async def test_what_is_malformed_is_422_and_leaves_nothing(desk: Desk, body: dict[str, Any]) -> None:
    answer = await desk.api.post("/v1/leads", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]
    assert await desk.rig.told() == []


async def test_the_domain_of_an_address_finds_a_known_company(desk: Desk) -> None:
    account = {"name": "株式会社サクラ", "domain": "https://www.sakura.example.jp/", "industry": "IT", "segment": "ENT"}
    made = (await desk.api.post("/v1/accounts", json=account)).json()
    found = await desk.lead(email="x@sakura.example.jp")
    assert (found["account_id"], found["company"]) == (made["id"], "株式会社サクラ")
    assert (found["industry"], found["segment"]) == ("IT", "ENT")  # of the company
    alone = await desk.lead(email="x@unknown.example.jp")
    assert alone["account_id"] is None


async def test_twenty_at_once_make_one_lead_and_one_company(desk: Desk) -> None:
    told = [
        *({"email": "taro@sakura.example.jp", "company": "株式会社サクラ"} for _ in range(7)),
        *({"phone": "090-1111-2222", "company": "サクラ㈱"} for _ in range(7)),
        *({"name": "佐藤花子", "company": "(株)サクラ"} for _ in range(6)),
    ]
    answers = await asyncio.gather(*(desk.api.post("/v1/leads", json=body) for body in told))
    assert Counter(answer.status_code for answer in answers) == {201: 3, 200: 17}
    assert len({answer.json()["account_id"] for answer in answers}) == 1
    assert len(await desk.told("account_created")) == 1


async def test_a_lead_of_a_company_in_work_joins_it(desk: Desk) -> None:
    first = await desk.mql(company="株式会社サクラ")
    await desk.hears("accepted", first["id"], owner="is-1", account_id=first["account_id"])
    answer = await desk.api.post("/v1/leads", json={"email": "b@sakura.example.jp", "company": "サクラ"})
    found = answer.json()
    assert [(w["kind"], w["lead_id"], w["owner"]) for w in found["company_work"]] == [
        ("claimed_lead", first["id"], "is-1")
    ]
    assert found["joins"] == {"kind": "claimed_lead", "ref": f"{first['id']}/1"}
    assert found["owner"] == "is-1"
    assert (await desk.told("lead_created"))[1].data["owner"] == "is-1"
    await desk.act(found["id"], "touches", kind="demo_request")
    await desk.act(found["id"], "touches", kind="contact_request")
    assert len(await desk.told("mql_created")) == 1  # no new work
    refused = await desk.refused(f"/v1/leads/{found['id']}/qualify", 409)
    assert refused["type"] == "/problems/in_work_elsewhere"
    await desk.hears("dropped", first["id"], reason="no_budget", recyclable=False)
    await desk.act(found["id"], "touches", kind="page_view")
    assert len(await desk.told("mql_created")) == 2  # nobody works for the company any more


async def test_contracts_and_opportunities_of_a_company_are_known(desk: Desk) -> None:
    account = (await desk.api.post("/v1/accounts", json={"name": "株式会社サクラ"})).json()["id"]
    opportunity, contract, mrr = new_id(), new_id(), Money(amount=1, currency="JPY")
    opened = OpportunityOpened(opportunity_id=opportunity, account_id=account, origin="self_sourced", owner="fs-1")
    await desk.rig.deliver(opened, opportunity)
    started = ContractStarted(
        account_id=account, contract_id=contract, opening_key="x", mrr=mrr, starts_on=clock.day_of(clock.utc_now())
    )
    await desk.rig.deliver(started, account)
    found = await desk.lead(company="サクラ")
    assert [(work["kind"], work["ref"]) for work in found["company_work"]] == [
        ("contract", str(contract)),
        ("opportunity", str(opportunity)),
    ]
    assert found["joins"]["kind"] == "contract"
    await desk.set_rule("company", joins=["opportunity"])
    assert (await desk.lead(company="サクラ"))["joins"] == {"kind": "opportunity", "ref": str(opportunity)}
    await desk.rig.deliver(CustomerChurned(account_id=account, reason="price"), account)
    await desk.rig.deliver(type(opened)(opportunity_id=new_id(), account_id=new_id()), new_id())
    assert [work["kind"] for work in (await desk.lead(company="サクラ"))["company_work"]] == ["opportunity"]


async def test_an_end_told_before_the_beginning_leaves_no_work_behind(desk: Desk) -> None:
    lead = await desk.mql(company="株式会社サクラ")
    now, opportunity = clock.utc_now(), new_id()
    await desk.hears("lost", lead["id"], at=now, opportunity_id=opportunity, reason="price", recyclable=False)
    await desk.hears("sql", lead["id"], at=now - timedelta(days=2), opportunity_id=opportunity)
    await desk.hears("accepted", lead["id"], at=now - timedelta(days=3))
    assert (await desk.get(lead["id"]))["stage"] == "lost"
    assert (await desk.lead(company="サクラ"))["company_work"] == []
