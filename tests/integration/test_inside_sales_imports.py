"""What inside sales did before this system came, told by files: whichever is told first, file or lead."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from services.inside_sales.app import IMPORTS, SERVICE
from services.inside_sales.commands.import_prospects import PROSPECTS, load_prospects
from services.inside_sales.commands.import_reps import REPS, load_reps
from shared import clock
from shared.clock import TOKYO
from shared.contracts import field_sales as fs
from shared.contracts.marketing import LeadCreated
from shared.ids import new_id, told_id
from shared.imports.importer import ImportContext, Importer, Outcome, Refused, Taken
from shared.imports.jobs import run_open_jobs
from shared.imports.resource import Row, Value
from tests.support.inside_sales import Desk
from tests.support.rig import MakeRig

HEAD = "lead_external_id,owner,first_contact_at,accepted_at,rejected_at,reason,sql_at,budget,authority,need,timing\n"
SQL = "L-1,佐藤,2026-04-02 10:00:00,2026-04-02 10:30:00,,,2026-04-06 15:00:00,secured,decision_maker,explicit,\n"
REJECTED = "L-2,佐藤,2026-04-02 11:00:00,,2026-04-02 11:20:00,timing,,,,,\n"


@pytest.fixture
async def desk(make_rig: MakeRig) -> Desk:
    return Desk(await make_rig(SERVICE))


NOW = datetime(2026, 6, 1, tzinfo=UTC)


async def take(desk: Desk, importer: Importer, *told: dict[str, Any]) -> list[Outcome]:
    context = ImportContext(new_id(), clock.utc_now(), ZoneInfo("Asia/Tokyo"), "JPY", "importer")
    async with desk.rig.database.transaction() as tx:
        found = [Row(line, values) for line, values in enumerate(told, start=2)]
        return await importer.load(tx, found, context)


async def prospects(desk: Desk, *told: dict[str, Any]) -> list[Outcome]:
    return await take(desk, Importer(PROSPECTS, load_prospects), *told)


async def a_lead(desk: Desk, external_id: str, **more: Any) -> UUID:
    lead = new_id()
    await desk.rig.deliver(LeadCreated(lead_id=lead, cycle=1, external_id=external_id, **more), lead, at=NOW)
    return lead


def day(number: int) -> datetime:
    return NOW + timedelta(days=number)


HISTORY: dict[str, Value] = {
    "lead_external_id": "L-1",
    "owner": "佐藤",
    "first_contact_at": day(1),
    "accepted_at": day(2),
    "sql_at": day(3),
    "budget": "planned",
    "comment": "秘密",
}


async def test_history_is_told_with_its_own_dates(desk: Desk) -> None:
    lead = await a_lead(desk, "L-1", channel="web")
    await desk.mql(lead, at=NOW, external_id="L-1", channel="web")
    assert await prospects(desk, HISTORY) == [Taken.NEW]
    found = await desk.prospect(lead)
    assert (found["status"], found["owner"], found["budget"]) == ("handed_over", "佐藤", "planned")
    assert [(event.type, event.time, event.data["owner"]) for event in await desk.rig.told()] == [
        ("inside_sales.first_contact_made.v1", day(1), "佐藤"),
        ("inside_sales.mql_accepted.v1", day(2), "佐藤"),
        ("inside_sales.sql_accepted.v1", day(3), "佐藤"),
    ]
    assert found["opportunity_id"] == str(told_id("opportunity", f"{lead}/1"))
    assert await prospects(desk, HISTORY) == [Taken.UNCHANGED]
    assert len(await desk.rig.told()) == 3


async def test_a_row_that_contradicts_is_an_update_with_history(desk: Desk) -> None:
    lead = await a_lead(desk, "L-1")
    await prospects(desk, HISTORY)
    assert await prospects(desk, {**HISTORY, "accepted_at": day(1), "budget": "secured"}) == [Taken.UPDATED]
    found = await desk.prospect(lead)
    assert (found["accepted_at"], found["budget"]) == (day(1).isoformat().replace("+00:00", "Z"), "secured")
    (change,) = found["changes"]
    assert change["changes"] == {
        "accepted_at": [day(2).isoformat(), day(1).isoformat()],
        "budget": ["planned", "secured"],
    }
    assert change["by"] == "importer"


async def test_skipped_steps_stay_empty(desk: Desk) -> None:
    lead = await a_lead(desk, "L-1")
    assert await prospects(desk, {"lead_external_id": "L-1", "sql_at": day(3)}) == [Taken.NEW]
    found = await desk.prospect(lead)
    assert (found["status"], found["mql_at"], found["accepted_at"]) == ("handed_over", None, None)
    assert [event.type for event in await desk.rig.told()] == ["inside_sales.sql_accepted.v1"]
    await desk.mql(lead, at=NOW)
    assert await desk.statuses(lead) == ["handed_over"]


async def test_rejections_are_told_and_a_contradiction_within_a_row_refused(desk: Desk) -> None:
    leads = [await a_lead(desk, f"L-{n}") for n in range(3)]
    both = {"lead_external_id": "L-2", "rejected_at": day(1), "sql_at": day(2)}
    outcomes = await prospects(
        desk,
        {"lead_external_id": "L-0", "rejected_at": day(1), "reason": "timing"},
        {"lead_external_id": "L-1", "rejected_at": day(1)},
        both,
    )
    assert outcomes[:2] == [Taken.NEW, Taken.NEW]
    assert isinstance(outcomes[2], Refused)
    assert outcomes[2].rule == "rejected_and_handed_over"
    told = await desk.rig.told("inside_sales.mql_rejected.v1")
    assert [(event.data["reason"], event.data["recyclable"]) for event in told] == [
        ("timing", True),
        ("not_recorded", False),
    ]
    assert await desk.statuses(*leads[:2]) == ["rejected", "rejected"]


async def test_a_row_waits_visibly_for_its_lead(desk: Desk) -> None:
    assert await prospects(desk, HISTORY) == [Taken.WAITING]
    assert await prospects(desk, HISTORY) == [Taken.WAITING]
    waiting = (await desk.sato.get("/v1/waiting")).json()["items"]
    assert [row["lead_external_id"] for row in waiting] == ["L-1"]
    lead = await a_lead(desk, "L-1")
    await desk.mql(lead, at=NOW)
    assert (await desk.sato.get("/v1/waiting")).json()["items"] == []
    found = await desk.prospect(lead)
    assert (found["status"], found["owner"], found["mql_at"]) == (
        "handed_over",
        "佐藤",
        NOW.isoformat().replace("+00:00", "Z"),
    )
    assert len(await desk.rig.told("inside_sales.sql_accepted.v1")) == 1


async def test_history_meets_what_field_sales_told_before(desk: Desk) -> None:
    lead, opportunity = await a_lead(desk, "L-1"), new_id()
    await desk.field_sales(fs.OpportunityOpened, lead, opportunity, at=day(4))
    await prospects(desk, HISTORY)
    assert (await desk.rig.told("inside_sales.sql_accepted.v1"))[0].data["opportunity_id"] == str(opportunity)


async def test_a_drop_by_rule_gives_way_to_what_really_happened(desk: Desk) -> None:
    lead = await a_lead(desk, "L-1")
    await desk.mql(lead, at=NOW)
    assert await desk.rig.run_rule("unfollowed") == 1
    await prospects(desk, {"lead_external_id": "L-1", "first_contact_at": day(1), "accepted_at": day(2)})
    found = await desk.prospect(lead)
    assert (found["status"], found["reason"], found["ended_at"]) == ("accepted", None, None)


async def test_an_owner_named_by_name_is_credited_by_id_and_only_a_known_rep_has_the_work(desk: Desk) -> None:
    await desk.sato.put("/v1/reps/sato", json={"name": "佐藤"})
    leads = [await a_lead(desk, f"L-{n}") for n in range(2)]
    told = [
        {"lead_external_id": f"L-{n}", "accepted_at": day(1), "owner": name}
        for n, name in enumerate(("佐藤", "退職者"))
    ]
    await prospects(desk, *told)
    found = [await desk.prospect(lead) for lead in leads]
    assert [(one["owner"], one["claimed_by"]) for one in found] == [("sato", "sato"), ("退職者", None)]
    assert await prospects(desk, *told) == [Taken.UNCHANGED] * 2


async def test_reps_come_from_a_file(desk: Desk) -> None:
    importer = Importer(REPS, load_reps)
    await desk.capacity("r-7", 5)
    await desk.sato.put("/v1/reps/r-7", json={"name": "鈴木"})
    sato = {"name": "佐藤", "team": "IS1", "manager": "鈴木"}
    assert await take(desk, importer, sato, {"name": "鈴木", "region": "kanto"}) == [Taken.NEW, Taken.UPDATED]
    assert await take(desk, importer, sato) == [Taken.UNCHANGED]
    found = {rep["id"]: rep for rep in (await desk.sato.get("/v1/reps")).json()["items"]}
    assert set(found) == {"佐藤", "r-7"}
    assert (found["r-7"]["region"], found["r-7"]["slots_per_week"]) == ("kanto", 5)


async def test_files_come_in_over_http(desk: Desk) -> None:
    csv = "lead_external_id,accepted_at,budget,mood\nL-1,2026-06-02T00:00:00Z,planned,x\nL-2,,a lot,\n"
    answer = await desk.sato.post(
        "/v1/imports?resource=prospects", content=csv.encode(), headers={"content-type": "text/csv"}
    )
    assert answer.status_code == 202, answer.text
    assert answer.json()["unused_columns"] == ["mood"]
    for resource in ("reps", "prospects"):
        assert (await desk.person("x", "viewer").post(f"/v1/imports?resource={resource}")).status_code == 403


async def imported(desk: Desk, csv: str, **query: Any) -> Any:
    headers = {"Content-Type": "text/csv"}
    params = {"resource": "prospects", **query}
    answer = await desk.sato.post("/v1/imports", content=csv.encode(), headers=headers, params=params)
    assert answer.status_code in (200, 202), answer.text
    await run_open_jobs(desk.rig.database, IMPORTS._importers)
    return (await desk.sato.get(f"/v1/imports/{answer.json()['id']}")).json()


def counts(job: dict[str, Any]) -> dict[str, int]:
    names = ("read", "new", "updated", "unchanged", "waiting", "refused", "events")
    return {name: job[name] for name in names if job[name]}


async def test_a_file_tells_what_became_of_mqls(desk: Desk) -> None:
    sql, rejected = await a_lead(desk, "L-1"), await a_lead(desk, "L-2")
    job = await imported(desk, HEAD + SQL + REJECTED)
    assert counts(job) == {"read": 2, "new": 2, "events": 5}
    accepted, no = (
        await desk.rig.told("inside_sales.sql_accepted.v1"),
        await desk.rig.told("inside_sales.mql_rejected.v1"),
    )
    assert [(event.data["lead_id"], event.data["budget"]) for event in accepted] == [(str(sql), "secured")]
    assert accepted[0].time == datetime(2026, 4, 6, 15, tzinfo=TOKYO)
    assert [(event.data["lead_id"], event.data["reason"]) for event in no] == [(str(rejected), "timing")]
    assert (await desk.prospect(sql))["status"] == "handed_over"
    assert (await desk.prospect(rejected))["status"] == "rejected"
    again = await imported(desk, HEAD + SQL + REJECTED, again=True)
    assert counts(again) == {"read": 2, "unchanged": 2}


async def test_a_file_and_the_news_of_its_lead_that_pass_each_other_are_joined_by_rule(desk: Desk) -> None:
    row = Row(2, HISTORY)
    context = ImportContext(new_id(), clock.utc_now(), TOKYO, "JPY", "sato")
    async with desk.rig.database.transaction() as tx:
        assert await load_prospects(tx, [row], context) == [Taken.WAITING]
        lead = await a_lead(desk, "L-1")
    assert await desk.rig.told() == []
    assert await desk.rig.run_rule("join waiting history") == 1
    assert (await desk.prospect(lead))["status"] == "handed_over"
    assert (await desk.sato.get("/v1/waiting")).json()["items"] == []
    assert await desk.rig.run_rule("join waiting history") == 0
