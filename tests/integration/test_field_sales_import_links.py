"""Rows of files that speak of leads, SQLs and reps, whatever comes first."""

import pytest

from services.field_sales.app import SERVICE
from shared.contracts.marketing import LeadCreated
from shared.ids import told_id
from tests.support.field_sales import HANDED_OVER, Seller, Sql, lead, offer
from tests.support.field_sales_files import HEAD, day, load
from tests.support.rig import MakeRig, Rig

LINKED = "external_id,lead_external_id,status,opened_at,closed_at,mrr\n"


@pytest.fixture
async def rig(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


@pytest.fixture
def seller(rig: Rig) -> Seller:
    return Seller(rig.client("field_sales", user="sato"))


async def test_a_row_may_come_before_its_lead(rig: Rig, seller: Seller) -> None:
    page = LINKED + "D-1,L-1,won,2025-04-01,2025-06-10,100\n"
    assert await load(rig, seller, page) == {"read": 1, "waiting": 1, "events": 2}
    known = await lead(rig, external_id="L-1", channel="ads")
    found = await seller.get("/opportunities/ext:D-1")
    assert (found["lead_id"], found["cycle"], found["channel"]) == (str(known), 1, "ads")
    (linked,) = await rig.told("field_sales.opportunity_linked.v1")
    assert (linked.key, linked.time) == (found["id"], day("2025-04-01"))
    assert await load(rig, seller, page) == {"read": 1, "unchanged": 1}


async def test_a_row_after_its_lead_is_part_of_the_leads_journey(rig: Rig, seller: Seller) -> None:
    account_id = told_id("account", "known to marketing")
    known = await lead(rig, external_id="L-1", channel="ads", account_id=account_id)
    page = "external_id,lead_external_id,status,opened_at,account\nD-1,L-1,open,2025-04-01,青葉\n"
    assert await load(rig, seller, page) == {"read": 1, "new": 1, "events": 1}
    (event,) = await rig.told()
    assert (event.key, event.data["lead_id"], event.data["cycle"]) == (str(known), str(known), 1)
    assert (event.data["channel"], event.data["account_id"]) == ("ads", str(account_id))
    assert (await seller.get("/opportunities/ext:D-1"))["account_name"] == "青葉"
    assert await load(rig, seller, page) == {"read": 1, "unchanged": 1}


async def test_a_row_about_an_sql_on_the_desk_is_that_sql(rig: Rig, seller: Seller) -> None:
    sql = await offer(rig, external_id="L-1")
    await lead(rig, external_id="L-other")
    await rig.deliver(_created(sql, "L-1"), sql.lead_id)
    page = LINKED + "D-0,L-1,won,2020-04-01,2020-05-01,5\nD-1,L-1,open,2026-04-12,,100\n"
    assert await load(rig, seller, page) == {"read": 2, "new": 1, "updated": 1, "events": 3}
    found = await seller.get("/opportunities/ext:D-1")
    assert (found["id"], found["status"], found["note"] is not None) == (str(sql.opportunity_id), "open", True)
    assert found["offered_at"] == "2026-04-10T01:00:00Z"
    assert len((await seller.get("/opportunities"))["items"]) == 2
    assert [event.type for event in await rig.told() if "received" in event.type] == []
    assert await load(rig, seller, page) == {"read": 2, "unchanged": 2}


async def test_a_row_about_an_sql_that_was_told_under_its_id_is_that_sql(rig: Rig, seller: Seller) -> None:
    sql = Sql(opportunity_id=told_id("opportunity", "D-1"))
    await rig.deliver(sql.accepted(), sql.lead_id, at=HANDED_OVER)
    assert await load(rig, seller, LINKED + "D-1,,open,2026-04-12,,100\n") == {"read": 1, "updated": 1, "events": 1}
    found = await seller.get("/opportunities/ext:D-1")
    assert (found["id"], found["lead_id"], found["status"]) == (str(sql.opportunity_id), str(sql.lead_id), "open")


async def test_an_sql_told_after_its_history_was_loaded_is_that_opportunity(rig: Rig, seller: Seller) -> None:
    sql = Sql(at=HANDED_OVER)
    await rig.deliver(_created(sql, "L-1"), sql.lead_id)
    await load(rig, seller, LINKED + "D-0,L-1,lost,2020-04-01,2020-05-01,5\nD-1,L-1,open,2026-04-12,,100\n")
    await rig.deliver(sql.accepted(external_id="L-1"), sql.lead_id, at=HANDED_OVER)
    items = (await seller.get("/opportunities"))["items"]
    assert [(one["external_id"], one["status"], one["note"] is not None) for one in items] == [
        ("D-0", "lost", False),
        ("D-1", "open", True),
    ]


def _created(sql: Sql, external_id: str) -> LeadCreated:
    return LeadCreated(lead_id=sql.lead_id, cycle=1, external_id=external_id)


async def test_reps_are_found_by_id_then_by_name_and_else_kept(rig: Rig, seller: Seller) -> None:
    await seller.call("PUT", "/reps/r-1", {"name": "佐藤 花子", "team": "東日本"}, 201)
    page = HEAD + "D-1,open,2025-05-03,,,佐藤 花子,,\nD-2,open,2025-05-03,,,r-1,,\nD-3,open,2025-05-03,,,新人,,\n"
    await load(rig, seller, page)
    owners = [(one["owner"], one["team"]) for one in (await seller.get("/opportunities"))["items"]]
    assert owners == [("r-1", "東日本"), ("r-1", "東日本"), ("新人", None)]
    assert await load(rig, seller, page) == {"read": 3, "unchanged": 3}


async def test_reps_from_a_file(rig: Rig, seller: Seller) -> None:
    await seller.call("PUT", "/reps/r-1", {"name": "佐藤 花子"}, 201)
    page = (
        "name,team,slots_per_week,started_on,email\n佐藤 花子,東日本,5,2025-04-01,s@example.jp\n鈴木 一郎,西日本,,,\n"
    )
    assert await load(rig, seller, page, "reps") == {"read": 2, "new": 1, "updated": 1, "events": 1}
    found = {one["id"]: one for one in (await seller.get("/reps"))["items"]}
    assert (found["r-1"]["team"], found["r-1"]["slots_per_week"], found["r-1"]["email"]) == (
        "東日本",
        5,
        "s@example.jp",
    )
    assert found["鈴木 一郎"]["team"] == "西日本"
    (event,) = await rig.told()
    assert (event.data["rep_id"], event.data["slots_per_week"]) == ("r-1", 5)
    assert await load(rig, seller, page, "reps") == {"read": 2, "unchanged": 2}
    moved = "name,team\n佐藤 花子,西日本\n鈴木 一郎,東日本\n"
    assert await load(rig, seller, moved, "reps") == {"read": 2, "updated": 2, "events": 1}
    event = (await rig.told())[-1]
    assert (event.data["team"], event.data["slots_per_week"]) == ("西日本", 5), "without slots nothing is told"
