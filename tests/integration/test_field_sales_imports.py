"""Opportunities from files: history with its own dates, later files as updates."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.field_sales.app import SERVICE
from shared.ids import told_id
from tests.support.field_sales import Seller, offer
from tests.support.field_sales_files import HEAD, day, load, refusals, run
from tests.support.rig import MakeRig, Rig, Told
from tests.support.samples import sample

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture
async def rig(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


@pytest.fixture
def seller(rig: Rig) -> Seller:
    return Seller(rig.client("field_sales", user="sato"))


def brief(told: list[Told]) -> list[tuple[str, datetime]]:
    return [(event.type.split(".")[1], event.time) for event in told]


async def test_history_is_told_with_its_own_dates(rig: Rig, seller: Seller) -> None:
    page = HEAD + (
        "D-1,won,2025-04-01,2025-06-10,500000,sato,青葉,crm\n"
        "D-2,lost,2025-04-02,2025-05-01,0,,,\n"
        "D-3,open,2025-05-03,,120000,sato,青葉,crm\n"
        "D-4,offered,,,,,,\n"
    )
    assert await load(rig, seller, page) == {"read": 4, "new": 4, "events": 6}
    told = await rig.told()
    assert brief(told[:5]) == [
        ("opportunity_opened", day("2025-04-01")),
        ("deal_won", day("2025-06-10")),
        ("opportunity_opened", day("2025-04-02")),
        ("deal_lost", day("2025-05-01")),
        ("opportunity_opened", day("2025-05-03")),
    ]
    won, lost, opened, offered = told[1].data, told[3].data, told[4].data, told[5]
    assert (won["amount"], won["won_on"]) == ({"amount": 500_000, "currency": "JPY"}, "2025-06-10")
    assert (won["account_id"], won["account_name"]) == (str(told_id("account", "青葉")), "青葉")
    assert won["contract_id"]
    assert "amount" not in told[0].data  # nobody says that the value was known when it was opened
    assert (lost["reason"], lost["recyclable"], lost["amount"]["amount"]) == ("not_recorded", False, 0)
    assert opened["amount"] == {"amount": 120_000, "currency": "JPY"}
    assert (offered.type, offered.data["dated"]) == ("field_sales.sql_received.v1", False)
    assert {event.key for event in told} == {str(told_id("opportunity", f"D-{n}")) for n in (1, 2, 3, 4)}
    assert {event.data["opportunity_external_id"] for event in told} == {"D-1", "D-2", "D-3", "D-4"}
    found = await seller.get("/opportunities/ext:D-1")
    assert (found["id"], found["status"], found["owner"]) == (str(told_id("opportunity", "D-1")), "won", "sato")
    assert (await seller.get("/opportunities/ext:D-4"))["offered_at"] is None


async def test_the_same_rows_again_change_nothing(rig: Rig, seller: Seller) -> None:
    page = (
        "external_id,status,offered_at,opened_at,closed_at,mrr,amount,owner,team,region,account,reason,phase,"
        "expected_close_date,forecast_category,lead_external_id,origin\n"
        "D-1,won,2025-03-01,2025-04-01,2025-06-10 10:30,100,500,sato,東,kanto,青葉,,,2025-06-30,commit,L-1,partner\n"
        "D-2,lost,,2025-04-02,2025-05-01,,,,,,,price,,,,,\n"
        "D-3,open,,2025-05-03,,100,,,,,,,proposal,2026-06-30,best_case,,\n"
        "D-4,offered,2025-05-03,,,100,,,,,,,,,,,\n"
        "D-5,open,,,,100,,,,,青葉,,,,,,\n"
    )
    first = await load(rig, seller, page)
    assert (first["new"], first["waiting"]) == (4, 1)
    before, told = (await seller.get("/opportunities"))["items"], len(await rig.told())
    assert await load(rig, seller, page) == {"read": 5, "unchanged": 4, "waiting": 1}
    assert (await seller.get("/opportunities"))["items"] == before
    assert len(await rig.told()) == told


async def test_later_files_are_updates_with_history(rig: Rig, seller: Seller) -> None:
    await load(
        rig, seller, HEAD + "D-1,offered,,,,,,\nD-2,open,2025-05-03,,100,,,\nD-3,won,2025-04-01,2025-06-10,5,,,\n"
    )
    await rig.forget_told()
    page = HEAD + "D-1,open,2025-06-01,,900,kato,,\nD-2,lost,2025-05-03,2025-07-01,100,,,\nD-3,open,,,5,,,\n"
    assert await load(rig, seller, page) == {"read": 3, "updated": 3, "events": 3}
    told = await rig.told()
    assert brief(told[:2]) == [("opportunity_opened", day("2025-06-01")), ("deal_lost", day("2025-07-01"))]
    assert (told[0].data["amount"]["amount"], told[0].data["owner"]) == (900, "kato")
    assert told[2].type == "field_sales.deal_reopened.v1"
    assert told[2].time > datetime(2026, 1, 1, tzinfo=UTC)
    found = await seller.get("/opportunities/ext:D-3")
    assert (found["status"], found["closed_at"], found["won_on"], found["reopenings"]) == ("open", None, None, 1)
    steps = (await seller.get("/opportunities/ext:D-3/history"))["steps"]
    assert [step["kind"] for step in steps] == ["opened", "won", "reopened"]
    await rig.forget_told()
    again = HEAD + "D-3,won,2025-04-01,2025-08-01,7,,,\n"
    assert await load(rig, seller, again) == {"read": 1, "updated": 1, "events": 1}
    (event,) = await rig.told()
    assert (event.time, event.data["amount"]["amount"]) == (day("2025-08-01"), 7)


async def test_a_figure_that_changed_is_told_where_it_belongs(rig: Rig, seller: Seller) -> None:
    await load(rig, seller, HEAD + "D-1,won,2025-04-01,2025-06-10,500,,,\nD-2,open,2025-05-03,,100,sato,,crm\n")
    await rig.forget_told()
    page = HEAD + "D-1,won,2025-04-01,2025-06-10,700,,,\nD-2,open,2025-05-03,,100,kato,,erp\n"
    assert await load(rig, seller, page) == {"read": 2, "updated": 2, "events": 2}
    won, updated = await rig.told()
    assert (won.type, won.time) == ("field_sales.deal_won.v1", day("2025-06-10"))
    assert won.data["amount"] == {"amount": 700, "currency": "JPY"}
    assert (updated.type, updated.data["owner"], updated.data["product"]) == (
        "field_sales.opportunity_updated.v1",
        "kato",
        "erp",
    )
    assert "amount" not in updated.data
    steps = (await seller.get("/opportunities/ext:D-2/history"))["steps"]
    assert steps[-1]["changes"] == {"owner": ["sato", "kato"], "product": ["crm", "erp"]}


async def test_a_closing_that_moved_ends_where_the_row_says(rig: Rig, seller: Seller) -> None:
    await load(rig, seller, HEAD + "D-1,won,2025-04-01,2025-06-10,500,,,\n")
    await rig.forget_told()
    await load(rig, seller, HEAD + "D-1,lost,2025-04-01,2025-06-20,500,,,\n")
    assert brief(await rig.told()) == [("deal_reopened", day("2025-06-10")), ("deal_lost", day("2025-06-20"))]
    found = await seller.get("/opportunities/ext:D-1")
    assert (found["status"], found["won_on"], found["reason"]) == ("lost", None, "not_recorded")


async def test_blank_cells_take_nothing_away(rig: Rig, seller: Seller) -> None:
    await load(rig, seller, HEAD + "D-1,open,2025-05-03,,100,sato,青葉,crm\n")
    assert await load(rig, seller, HEAD + "D-1,open,,,,,,\n") == {"read": 1, "unchanged": 1}
    found = await seller.get("/opportunities/ext:D-1")
    assert (found["opened_at"], found["owner"], found["product"]) == ("2025-05-02T15:00:00Z", "sato", "crm")


async def test_an_open_one_without_a_beginning_is_known_and_never_dated(rig: Rig, seller: Seller) -> None:
    assert await load(rig, seller, HEAD + "D-1,open,,,100,sato,,crm\n") == {"read": 1, "new": 1, "events": 1}
    (event,) = await rig.told()
    assert event.type == "field_sales.opportunity_updated.v1"
    assert (event.data["amount"]["amount"], event.data["product"]) == (100, "crm")
    assert (await seller.get("/opportunities/ext:D-1"))["opened_at"] is None


async def test_an_open_ones_phase_holds_from_the_import_on(rig: Rig, seller: Seller) -> None:
    page = "external_id,status,opened_at,phase\nD-1,open,2025-05-03,negotiation\nD-2,open,2025-05-03,no_such_phase\n"
    assert await load(rig, seller, page) == {"read": 2, "new": 1, "refused": 1, "events": 2}
    opened, updated = await rig.told()
    assert "phase" not in opened.data
    assert (updated.data["phase"], updated.time > datetime(2026, 1, 1, tzinfo=UTC)) == ("negotiation", True)
    (stay,) = (await seller.get("/opportunities/ext:D-1/history"))["phases"]
    assert stay["days"] < 1
    assert await refusals(seller) == ["3,phase,no_such_phase,not_listed"]


async def test_rows_that_cannot_be_true_are_refused_with_the_place(rig: Rig, seller: Seller) -> None:
    sql = await offer(rig)
    await seller.act(sql.opportunity_id, "return", {"reason": "no_need"})
    await load(rig, seller, HEAD + "D-9,open,2025-05-03,,,,,\n")
    page = HEAD + (
        "D-1,won,2025-04-01,,,,,\n"
        "D-2,open,2025-04-01,2025-05-01,,,,\n"
        "D-3,offered,2025-04-01,,,,,\n"
        "D-9,offered,,,,,,\n"
        "D-5,won,2099-04-01,2099-05-01,,,,\n"
        "D-6,maybe,,,,,,\n"
    )
    assert await load(rig, seller, page) == {"read": 6, "refused": 6}
    assert await refusals(seller) == [
        "2,closed_at,,required",
        "3,closed_at,2025-04-30 15:00:00+00:00,illegal_move",
        "4,opened_at,2025-03-31 15:00:00+00:00,illegal_move",
        "5,status,offered,illegal_move",
        "6,opened_at,2099-04-01,in_the_future",
        "6,closed_at,2099-05-01,in_the_future",
        "7,status,maybe,not_a_choice",
    ]


async def test_history_goes_on_over_http(rig: Rig, seller: Seller) -> None:
    await load(rig, seller, HEAD + "D-1,offered,,,,,,\nD-2,open,2025-05-03,,100,,,\n")
    accepted = await seller.act("ext:D-1", "accept", {"occurred_at": "2025-05-01T00:00:00Z"})
    assert accepted["status"] == "open"
    problem = await seller.act("ext:D-2", "win", {"occurred_at": "2025-05-01T00:00:00Z"}, 409)
    assert problem["type"] == "/problems/before_previous_step"
    assert (await seller.act("ext:D-2", "win", {"occurred_at": "2025-06-01T00:00:00Z"}))["status"] == "won"


async def test_a_dry_run_leaves_nothing_behind(rig: Rig, seller: Seller) -> None:
    page = HEAD + "D-1,won,2025-04-01,2025-06-10,500,,,\n"
    assert await load(rig, seller, page, more="&dry_run=true") == {"read": 1, "new": 1, "events": 2}
    assert ((await seller.get("/opportunities"))["items"], await rig.told()) == ([], [])


async def test_the_sample_pipeline_says_what_is_known_of_it(rig: Rig, seller: Seller) -> None:
    paths = {
        "file": sample("maven_crm/sales_pipeline.csv"),
        "mapping": EXAMPLES / "maven-opportunities.toml",
        "sales_teams.csv": sample("maven_crm/sales_teams.csv"),
    }
    files = {part: (path.name, path.read_bytes()) for part, path in paths.items()}
    answer = await seller.client.post("/v1/imports?resource=opportunities", files=files)
    found = await run(rig, seller, answer.json())
    assert (found["new"], found["refused"], found["waiting"]) == (8_800, 0, 0)
    told = await rig.told()
    assert Counter(event.type.split(".")[1] for event in told) == {
        "sql_received": 500,
        "opportunity_opened": 8_300,
        "deal_won": 4_238,
        "deal_lost": 2_473,
    }
    won = [event for event in told if event.type == "field_sales.deal_won.v1"]
    assert sum(event.data["amount"]["amount"] for event in won) == 1_000_553_400
    best = [event for event in won if event.data["owner"] == "Darcel Schlecht"]
    assert (len(best), sum(event.data["amount"]["amount"] for event in best)) == (349, 115_321_400)
