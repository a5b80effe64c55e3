"""Files in: contracts with their ends and amendments, usage and tickets, in any order and again."""

import csv
import io
import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.customer_success.app import SERVICE
from services.customer_success.commands.import_activity import TICKETS, USAGE, load_tickets, load_usage
from services.customer_success.commands.import_contracts import CONTRACTS
from shared import clock
from shared.clock import start_of_day
from shared.ids import new_id, told_id
from shared.imports.importer import ImportContext, Taken
from shared.imports.resource import Row
from tests.support.customer_success import Desk, counts, days_ago, wire
from tests.support.rig import MakeRig, Told
from tests.support.samples import mapping, sample

HEAD = "external_id,account_external_id,account_name,start_date,end_date,mrr,currency,change_of,reason,trial\n"


@pytest.fixture
async def desk(make_rig: MakeRig) -> Desk:
    return Desk(await make_rig(SERVICE))


def at(day: str) -> datetime:
    return start_of_day(datetime.fromisoformat(day).date())


def line(external_id: str, start: str, mrr: int | str = 100, **more: str) -> str:
    cells = {"account_external_id": "A-1", "account_name": "青空", "currency": "USD", **more}
    names = HEAD.strip().split(",")
    told = cells | {"external_id": external_id, "start_date": start, "mrr": str(mrr)}
    return ",".join(told.get(name, "") for name in names) + "\n"


def mrr_at(events: list[Told], instant: datetime) -> dict[str, int]:
    """The MRR of each account as the events tell it: the last told opening of each contract, and all deltas."""
    openings: dict[str, Told] = {}
    for event in events:
        if event.type.endswith("contract_started.v1"):
            openings[event.data["opening_key"]] = event
    found: dict[str, int] = defaultdict(int)
    for event in openings.values():
        if event.time <= instant:
            found[event.data["account_id"]] += event.data["mrr"]["amount"]
    for event in events:
        if event.type.endswith("subscription_changed.v1") and event.time <= instant:
            found[event.data["account_id"]] += event.data["delta"]["amount"]
    return found


async def total(desk: Desk, day: str) -> int:
    return sum(mrr_at(await desk.rig.told(), at(day)).values())


def test_the_columns_are_those_the_outside_knows() -> None:
    contracts = "external_id account_external_id account_name industry segment plan start_date end_date term_months mrr"
    more = "currency seats trial billing_frequency auto_renew change_of reason"
    assert set(CONTRACTS.names) == set(f"{contracts} {more}".split())
    shared = {"contract_external_id", "account_external_id", "external_id"}
    assert set(USAGE.names) >= shared | {"date", "feature", "count", "seconds", "errors"}
    assert set(TICKETS.names) >= shared | {"opened_at", "closed_at", "priority", "satisfaction"}


async def test_contracts_open_and_end_at_the_start_of_their_days(desk: Desk) -> None:
    rows = [
        line("S-1", "2023-01-10", 100, end_date="2023-03-01", reason="price"),
        line("S-2", "2023-02-01", 200),
        line("S-3", "2023-02-01", 900, trial="True"),
        line("S-4", "2023-05-01", 50, account_external_id="A-2", end_date="2023-06-01"),
    ]
    job = await desk.imported("contracts", HEAD + "".join(rows))
    assert counts(job) == {"read": 4, "new": 4, "events": 6}
    account, other = str(told_id("account", "A-1")), str(told_id("account", "A-2"))
    (accepted, late) = await desk.told("customer_accepted")
    assert (accepted.time, accepted.data["account_id"], accepted.key) == (at("2023-01-10"), account, account)
    assert late.data["account_id"] == other
    started = {event.data["contract_id"]: event for event in await desk.told("contract_started")}
    first = started[str(told_id("contract", "S-1"))]
    assert (first.time, first.data["mrr"], first.data["ends_on"]) == (
        at("2023-01-10"),
        wire(10_000, "USD"),
        "2023-03-01",
    )
    trial = started[str(told_id("contract", "S-3"))]
    assert (trial.data["mrr"], trial.data["trial"]) == (wire(0, "USD"), True)
    (ended, gone) = await desk.told("subscription_changed")
    assert (ended.time, ended.data["delta"], ended.data["reason"]) == (
        at("2023-03-01"),
        wire(-10_000, "USD"),
        "price",
    )
    (churned,) = await desk.told("customer_churned")
    assert (churned.time, churned.data["account_id"], churned.data["reason"]) == (gone.time, other, "unknown")
    figures = [await total(desk, day) for day in ("2023-01-09", "2023-01-10", "2023-02-01", "2023-03-01", "2023-06-01")]
    assert figures == [0, 10_000, 30_000, 20_000, 20_000]
    assert (await desk.get("customers/ext:A-1"))["onboarding"]["tasks"] == []


async def test_the_same_file_again_changes_nothing(desk: Desk) -> None:
    page = HEAD + line("S-1", "2023-01-10", end_date="2023-03-01") + line("S-2", "2023-02-01", change_of="S-1")
    await desk.imported("contracts", page)
    before = await desk.rig.told()
    job = await desk.imported("contracts", page, again=True)
    assert counts(job) == {"read": 2, "unchanged": 2}
    assert await desk.rig.told() == before


async def test_a_row_that_says_otherwise_is_a_correction_with_history(desk: Desk) -> None:
    await desk.imported("contracts", HEAD + line("S-1", "2023-01-10", end_date="2023-03-01"))
    changed = line("S-1", "2023-01-15", 120, end_date="2023-04-01", reason="budget")
    job = await desk.imported("contracts", HEAD + changed)
    assert counts(job) == {"read": 1, "updated": 1, "events": 3}
    days = ("2023-01-10", "2023-01-15", "2023-03-01", "2023-04-01")
    assert [await total(desk, day) for day in days] == [0, 12_000, 12_000, 0]
    history = await desk.get("contracts/ext:S-1/history")
    assert {step["kind"] for step in history["steps"] if step["superseded_at"]} == {"opened", "ended"}
    assert set(history["revisions"][0]["changes"]) == {"mrr", "ends_on", "starts_on"}
    found = await desk.get("contracts/ext:S-1")
    assert (found["end_reason"], found["ends_on"]) == ("budget", "2023-04-01")


async def test_an_end_moved_into_the_future_is_no_end_yet(desk: Desk) -> None:
    await desk.imported("contracts", HEAD + line("S-1", "2023-01-10", end_date="2023-03-01"))
    to_come = days_ago(-30).isoformat()
    await desk.imported("contracts", HEAD + line("S-1", "2023-01-10", end_date=to_come))
    found = await desk.get("contracts/ext:S-1")
    assert (found["status"], found["ends_on"], await total(desk, "2024-01-01")) == ("active", to_come, 10_000)
    assert await desk.rig.run_rule("contracts due", clock.utc_now() + timedelta(days=31)) == 1
    assert await total(desk, to_come) == 0


AMENDED = [
    line("S-1", "2023-01-01", 100),
    line("S-2", "2023-03-01", 150, change_of="S-1", reason="upsell"),
    line("S-3", "2023-05-01", 120, change_of="S-2"),
    line("S-4", "2023-07-01", 0, change_of="S-1", end_date="2023-09-01"),
]


def _waits(rows: list[str]) -> int:
    """How many of these come before what they amend."""
    names = [row.split(",")[0] for row in rows]
    bases = {"S-2": "S-1", "S-3": "S-2", "S-4": "S-1"}
    known: set[str] = set()
    waiting = 0
    for place, name in enumerate(names):
        waiting += name in bases and bases[name] not in known
        come = set(names[: place + 1])
        known = {one for one in come if all(base in come for base in _bases(one, bases))}
    return waiting


def _bases(name: str, bases: dict[str, str]) -> list[str]:
    return [bases[name], *_bases(bases[name], bases)] if name in bases else []


@pytest.mark.parametrize("seed", range(4))
async def test_amendments_tell_differences_in_any_order(desk: Desk, seed: int) -> None:
    rows = random.Random(seed).sample(AMENDED, len(AMENDED))
    waited = 0
    for row in rows:
        waited += (await desk.imported("contracts", HEAD + row))["waiting"]
    assert (await desk.get("waiting"))["items"] == []
    assert len((await desk.get("contracts"))["items"]) == 1
    days = ("2023-01-01", "2023-03-01", "2023-05-01", "2023-07-01", "2023-09-01")
    assert [await total(desk, day) for day in days] == [10_000, 15_000, 12_000, 0, 0]
    found = await desk.get("contracts/ext:S-3")
    assert (found["external_id"], found["status"], found["ends_on"]) == ("S-1", "ended", "2023-09-01")
    job = await desk.imported("contracts", HEAD + "".join(AMENDED))
    assert counts(job) == {"read": 4, "unchanged": 4}
    assert waited == _waits(rows)


async def test_an_amendment_keeps_alive_what_ends_when_it_begins(desk: Desk) -> None:
    rows = line("S-1", "2023-01-01", 100, end_date="2023-03-01") + line("S-2", "2023-03-01", 150, change_of="S-1")
    await desk.imported("contracts", HEAD + rows)
    assert [await total(desk, day) for day in ("2023-02-28", "2023-03-01")] == [10_000, 15_000]
    assert await desk.told("customer_churned") == []
    assert (await desk.get("contracts/ext:S-1"))["status"] == "active"


async def test_overlapping_contracts_do_not_churn_and_gaps_do(desk: Desk) -> None:
    rows = [
        line("S-1", "2023-01-01", end_date="2023-03-01", reason="price"),
        line("S-2", "2023-06-01", end_date="2023-08-01", reason="budget"),
        line("S-3", "2023-02-01", end_date="2023-04-01", reason="quality"),
        line("S-4", "2023-08-01"),
    ]
    await desk.imported("contracts", HEAD + "".join(rows))
    (churned,) = await desk.told("customer_churned")
    assert (churned.time, churned.data["reason"]) == (at("2023-04-01"), "quality")
    assert (await desk.get("customers/ext:A-1"))["status"] == "active"
    await desk.imported("contracts", HEAD + line("S-5", "2023-03-15", end_date="2023-06-01"))
    assert len(await desk.told("customer_churned")) == 1, "what fills a gap churns nobody"


async def test_customers_are_settled_when_the_whole_file_is_in(desk: Desk) -> None:
    filler = [line(f"F-{n}", "2023-01-01", account_external_id=f"B-{n}") for n in range(1_200)]
    rows = [line("S-1", "2023-03-01", end_date="2023-05-01"), *filler, line("S-2", "2023-01-01")]
    job = await desk.imported("contracts", HEAD + "".join(rows))
    assert counts(job) == {"read": 1_202, "new": 1_202, "events": 1_203}
    while await desk.rig.run_rule("settle"):
        pass
    accepted = [event for event in await desk.told("customer_accepted") if event.data["account_external_id"] == "A-1"]
    assert [event.time for event in accepted] == [at("2023-01-01")]
    assert await desk.told("customer_churned") == []


@pytest.mark.parametrize(
    ("row", "rule", "column"),
    [
        (line("S-9", "2023-05-01", end_date="2023-04-01"), "ends_before_start", "end_date"),
        (line("S-1", "2023-01-01", account_external_id="A-2"), "other_account", "account_external_id"),
        (line("S-1", "2023-01-01", currency="JPY"), "other_currency", "currency"),
        (line("S-2", "2022-12-31", change_of="S-1"), "before_start", "start_date"),
        (line("S-2", "2023-02-01", change_of="S-1", currency="EUR"), "other_currency", "currency"),
        (line("S-2", "2023-02-01", change_of="S-1", end_date="2023-01-15"), "ends_before_start", "end_date"),
        (line("S-1", "2023-02-01", change_of="S-1"), "is_a_contract", "change_of"),
        (line("S-2", "2023-02-01", reason="boredom"), "not_a_choice", "reason"),
        (line("S-2", "2023-02-01", -5), "too_small", "mrr"),
        (line("", "2023-02-01"), "required", "external_id"),
    ],
)
async def test_rows_that_cannot_be_are_refused_by_name(desk: Desk, row: str, rule: str, column: str) -> None:
    await desk.imported("contracts", HEAD + line("S-1", "2023-01-01"))
    job = await desk.imported("contracts", HEAD + row)
    assert counts(job) == {"read": 1, "refused": 1}
    errors = (await desk.mori.get(f"/v1/imports/{job['id']}/errors.csv")).text.lstrip("\ufeff").splitlines()
    assert errors[1].split(",")[:2] == ["2", column]
    assert f",{rule}," in errors[1]


async def test_an_amendment_cannot_become_a_contract(desk: Desk) -> None:
    await desk.imported("contracts", HEAD + AMENDED[0] + AMENDED[1])
    job = await desk.imported("contracts", HEAD + line("S-2", "2023-03-01", 150))
    assert counts(job) == {"read": 1, "refused": 1}


async def test_a_dry_run_leaves_nothing(desk: Desk) -> None:
    job = await desk.imported("contracts", HEAD + "".join(AMENDED), dry_run=True)
    assert counts(job) == {"read": 4, "new": 4, "events": 4}
    assert (await desk.get("contracts"))["items"] == (await desk.get("customers"))["items"] == []
    assert await desk.rig.told() == []


async def test_usage_joins_its_contract_whenever_that_comes(desk: Desk) -> None:
    page = "external_id,contract_external_id,date,feature,count,seconds,errors\n"
    rows = "U-1,S-1,2023-01-02,export,3,60,0\nU-2,S-3,2023-01-03,export,4,10,1\nU-3,S-9,2023-01-03,export,,,\n"
    job = await desk.imported("usage", page + rows)
    assert counts(job) == {"read": 3, "waiting": 3}
    await desk.imported("contracts", HEAD + "".join(AMENDED))
    assert [item["waits_for"] for item in (await desk.get("waiting"))["items"]] == ["contract:S-9"]
    job = await desk.imported("usage", page + rows, again=True)
    assert counts(job) == {"read": 3, "unchanged": 2, "waiting": 1}
    await desk.rig.run_rule("usage weeks")
    (week,) = await desk.told("usage_summarised")
    told = {name: week.data[name] for name in ("week", "count", "seconds", "errors", "active_days")}
    assert told == {"week": "2023-01-02", "count": 7, "seconds": 70, "errors": 1, "active_days": 2}
    assert week.data["account_external_id"] == "A-1"


async def test_what_passed_its_contract_unseen_joins_by_rule(desk: Desk) -> None:
    """A file was read before the contract was there, and written down after it had looked for who waits."""
    context = ImportContext(new_id(), clock.utc_now(), clock.TOKYO, "JPY", "mori")
    opened_at = datetime(2023, 2, 1, tzinfo=UTC)
    tickets = [Row(2, {"external_id": "T-1", "account_external_id": "A-1", "opened_at": opened_at})]
    uses = [Row(2, {"contract_external_id": "S-1", "date": date(2023, 1, 2), "feature": "export"})]
    async with desk.rig.database.transaction() as tx:
        assert await load_tickets(tx, tickets, context) == await load_usage(tx, uses, context) == [Taken.WAITING]
        await desk.imported("contracts", HEAD + AMENDED[0])
    assert sorted(item["waits_for"] for item in (await desk.get("waiting"))["items"]) == ["account:A-1", "contract:S-1"]
    assert await desk.rig.run_rule("join waiting") == 2
    assert (await desk.get("waiting"))["items"] == []
    assert [event.data["account_external_id"] for event in await desk.told("ticket_opened")] == ["A-1"]
    await desk.rig.run_rule("usage weeks")
    assert [event.data["count"] for event in await desk.told("usage_summarised")] == [1]
    assert await desk.rig.run_rule("join waiting") == 0


async def test_tickets_wait_join_and_are_corrected(desk: Desk) -> None:
    page = "external_id,account_external_id,opened_at,closed_at,priority,satisfaction\n"
    rows = "T-1,A-1,2023-02-01 10:00:00,2023-02-03 10:00:00,urgent,4.0\nT-2,A-1,2023-03-01,,low,\n"
    assert counts(await desk.imported("tickets", page + rows)) == {"read": 2, "waiting": 2}
    assert len((await desk.get("tickets", waiting=True))["items"]) == 2
    assert await desk.rig.told() == []
    await desk.imported("contracts", HEAD + AMENDED[0])
    opened, closed = await desk.told("ticket_opened"), await desk.told("ticket_closed")
    assert [event.data["priority"] for event in opened] == ["urgent", "low"]
    assert (closed[0].data["satisfaction"], clock.day_of(closed[0].time).isoformat()) == (4, "2023-02-03")
    assert counts(await desk.imported("tickets", page + rows, again=True)) == {"read": 2, "unchanged": 2}
    later = "T-2,A-1,2023-03-01,2023-03-05,high,\nT-3,A-1,2023-03-09,2023-03-08,low,\n"
    job = await desk.imported("tickets", page + later)
    assert counts(job) == {"read": 2, "updated": 1, "refused": 1, "events": 1}
    found = await desk.get("tickets/ext:T-2")
    assert (found["status"], found["priority"]) == ("closed", "high")


def ravenstack() -> dict[str, bytes]:
    return {
        "file": sample("ravenstack/ravenstack_subscriptions.csv").read_bytes(),
        "mapping": mapping("ravenstack-contracts.toml"),
        "ravenstack_accounts.csv": sample("ravenstack/ravenstack_accounts.csv").read_bytes(),
    }


async def test_a_real_book_gives_the_figures_its_rows_say(desk: Desk) -> None:
    """Active on D is start ≤ D and (no end or end > D); the figures were worked out from the file, without us."""
    files: dict[str, Any] = ravenstack()
    rows = csv.DictReader(io.StringIO(files["file"].decode()))
    ended = sum(bool(row["end_date"]) and row["mrr_amount"] != "0" for row in rows)
    answer = await desk.mori.post("/v1/imports?resource=contracts", files=files)
    assert answer.status_code == 202, answer.text
    await desk.run_jobs()
    while await desk.rig.run_rule("settle"):
        pass
    job = await desk.get(f"imports/{answer.json()['id']}")
    assert counts(job) == {"read": 5_000, "new": 5_000, "events": 5_000 + ended}
    days = ("2023-06-30", "2023-12-31", "2024-06-30", "2024-12-31")
    told = await desk.rig.told()
    figures = [mrr_at(told, at(day)) for day in days]
    assert [sum(found.values()) for found in figures] == [24_292_100, 126_211_300, 383_340_500, 1_015_960_800]
    before, after = figures[1], figures[3]
    start = {account: mrr for account, mrr in before.items() if mrr}
    assert len(start) == 185
    end = {account: after[account] for account in start}
    assert round(sum(end.values()) / sum(start.values()), 4) == 2.9227
    kept = sum(min(mrr, end[account]) for account, mrr in start.items())
    assert round(kept / sum(start.values()), 4) == 0.9959
    accepted = await desk.told("customer_accepted")
    assert len({event.data["account_id"] for event in accepted}) == len(accepted) == 500
    await _usage_finds_its_contracts(desk)


async def _usage_finds_its_contracts(desk: Desk) -> None:
    """Of 25,000 rows 21 bear the id of another row, and most tell of days before their subscription began."""
    files: dict[str, Any] = {
        "file": sample("ravenstack/ravenstack_feature_usage.csv").read_bytes(),
        "mapping": mapping("ravenstack-usage.toml"),
    }
    answer = await desk.mori.post("/v1/imports?resource=usage", files=files)
    assert answer.status_code == 202, answer.text
    await desk.run_jobs()
    job = await desk.get(f"imports/{answer.json()['id']}")
    assert counts(job) == {"read": 25_000, "new": 24_979, "refused": 21}
    errors = await desk.mori.get(f"/v1/imports/{job['id']}/errors.csv")
    assert len(errors.text.splitlines()) == 1 + 21
