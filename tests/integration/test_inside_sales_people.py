"""The same person twice, two taken for one, a person forgotten; and files that tell of the past."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from services.inside_sales.app import SERVICE
from services.inside_sales.commands.import_prospects import PROSPECTS, load_prospects
from services.inside_sales.commands.import_reps import REPS, load_reps
from shared import clock
from shared.contracts import field_sales as fs
from shared.contracts.marketing import LeadCreated, LeadErased, LeadMerged, LeadUnmerged
from shared.ids import new_id, told_id
from shared.imports.importer import ImportContext, Importer, Outcome, Refused, Taken
from shared.imports.resource import Row
from tests.support.inside_sales import BANT, Desk, next_week, wire
from tests.support.rig import MakeRig


@pytest.fixture
async def desk(make_rig: MakeRig) -> Desk:
    return Desk(await make_rig(SERVICE))


async def merge(desk: Desk, survivor: UUID, merged: UUID) -> None:
    """Marketing tells it in both streams."""
    for key in (survivor, merged):
        await desk.rig.deliver(LeadMerged(lead_id=survivor, merged_lead_id=merged), key)


async def unmerge(desk: Desk, survivor: UUID, merged: UUID) -> None:
    for key in (survivor, merged):
        await desk.rig.deliver(LeadUnmerged(lead_id=survivor, merged_lead_id=merged), key)


async def statuses(desk: Desk, *leads: UUID) -> list[str]:
    return [(await desk.prospect(lead))["status"] for lead in leads]


async def test_of_two_that_wait_one_is_left(desk: Desk) -> None:
    survivor, merged = await desk.mql(), await desk.mql()
    await desk.act(merged, "activities", {"kind": "call"}, status=201)
    await merge(desk, survivor, merged)
    assert await statuses(desk, survivor, merged) == ["waiting", "merged"]
    assert len((await desk.sato.get("/v1/queue")).json()["items"]) == 1
    refusal = await desk.act(merged, "accept", status=409)
    assert (refusal["type"], refusal["lead_id"]) == ("/problems/merged", str(survivor))
    assert (await desk.prospect(survivor))["first_contact_at"] is not None, "the person was called"
    done = (await desk.sato.get(f"/v1/prospects/{survivor}/activities")).json()["items"]
    assert [item["kind"] for item in done] == ["call"]
    await unmerge(desk, survivor, merged)
    assert await statuses(desk, survivor, merged) == ["waiting", "waiting"]


async def test_the_work_that_got_further_goes_on_under_the_survivor(desk: Desk) -> None:
    survivor = await desk.mql(channel="web")
    merged, opportunity = await desk.handed_over(channel="seminar")
    await merge(desk, survivor, merged)
    found = await desk.prospect(survivor)
    assert (found["status"], found["channel"], found["opportunity_id"]) == ("handed_over", "seminar", str(opportunity))
    assert [(cycle["status"], cycle["channel"]) for cycle in found["cycles"]] == [("waiting", "web")]
    await desk.field_sales(fs.OpportunityOpened, merged, opportunity)
    assert await statuses(desk, survivor, merged) == ["opened", "merged"]
    await unmerge(desk, survivor, merged)
    assert await statuses(desk, survivor, merged) == ["waiting", "opened"]
    assert (await desk.prospect(survivor))["cycles"] == []


async def test_a_survivor_that_was_never_handed_over_takes_the_work(desk: Desk) -> None:
    survivor, merged = new_id(), await desk.mql()
    await merge(desk, survivor, merged)
    assert await statuses(desk, survivor, merged) == ["waiting", "merged"]
    await desk.act(survivor, "accept")
    assert (await desk.rig.told())[-1].key == str(merged), "the journey stays the one it began with"
    await desk.mql(survivor)
    assert await statuses(desk, survivor) == ["accepted"], "marketing's MQL of the survivor is the same work"
    await unmerge(desk, survivor, merged)
    assert await statuses(desk, merged) == ["accepted"]
    assert (await desk.sato.get(f"/v1/prospects/{survivor}")).status_code == 404


async def test_merges_chain_and_meet_what_comes_late(desk: Desk) -> None:
    a, b, c = await desk.mql(), await desk.mql(), await desk.mql()
    await merge(desk, b, a)
    await merge(desk, c, b)
    assert [(await desk.prospect(lead))["merged_into"] for lead in (a, b)] == [str(c), str(c)]
    late = new_id()
    await desk.rig.deliver(LeadMerged(lead_id=c, merged_lead_id=late), c)
    await desk.mql(late)
    await desk.rig.deliver(LeadMerged(lead_id=c, merged_lead_id=late), late)
    assert await statuses(desk, late, c) == ["merged", "waiting"]
    await merge(desk, new_id(), new_id())  # two of whom nobody here has heard


async def test_a_forgotten_person_leaves_counts_only(desk: Desk) -> None:
    secret = "山田太郎 03-1234-5678"
    booked = {"start_at": wire(next_week()), "rep": "suzuki", "place": secret, "external_id": secret}
    lead = await desk.mql(external_id=secret, channel="web")
    twin = await desk.mql()
    await merge(desk, lead, twin)
    await desk.act(lead, "accept")
    note = {"kind": "call", "note": secret, "external_id": secret}
    await desk.act(lead, "activities", note, status=201)
    await desk.act(lead, "hand-over", {**BANT, "comment": secret, "appointment": booked})
    waiting = await desk.mql(external_id="L-2")
    for person in (lead, waiting):
        await desk.rig.deliver(LeadErased(lead_id=person), person)
    tables = ("prospect", "prospect_cycle", "activity", "appointment", "lead", "prospect_change", "waiting_history")
    left = [row for table in tables for row in await rows(desk, table)]
    assert left
    assert not [row for row in left if "山田" in str(row)]
    found = await desk.prospect(lead)
    assert (found["status"], found["channel"], found["budget"]) == ("handed_over", "web", "secured")
    assert await statuses(desk, waiting) == ["erased"]
    assert (await desk.sato.get("/v1/queue")).json()["items"] == []
    assert await desk.refused(waiting, "accept") == "erased"


async def rows(desk: Desk, table: str) -> Sequence[Any]:
    async with desk.rig.database.reading() as session:
        connection = await session.connection()
        return (await connection.exec_driver_sql(f"SELECT * FROM {table}")).all()


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


HISTORY = {
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
    assert await statuses(desk, lead) == ["handed_over"]


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
    assert await statuses(desk, *leads[:2]) == ["rejected", "rejected"]


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


async def test_nine_thousand_rows_are_taken_in_half_a_minute(desk: Desk) -> None:
    """Half of the leads are known: a thousand rows, and so a ninth of the time."""
    records = []
    for n in range(500):
        lead = new_id()
        records.append(desk.rig.record(LeadCreated(lead_id=lead, cycle=1, external_id=f"L-{n}"), lead, at=NOW))
    await desk.rig.hand_over(records)
    begun = time.process_time()
    outcomes = await prospects(desk, *({**HISTORY, "lead_external_id": f"L-{n}"} for n in range(1000)))
    assert time.process_time() - begun < 30 / 9
    assert outcomes == [Taken.NEW] * 500 + [Taken.WAITING] * 500
    assert len(await desk.rig.told()) == 1500
