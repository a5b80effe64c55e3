"""The same person twice, two taken for one, a person forgotten."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from services.inside_sales.app import SERVICE
from shared.contracts import field_sales as fs
from shared.contracts.marketing import LeadErased, LeadMerged, LeadUnmerged
from shared.ids import new_id
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


async def test_of_two_that_wait_one_is_left(desk: Desk) -> None:
    survivor, merged = await desk.mql(), await desk.mql()
    await desk.act(merged, "activities", {"kind": "call"}, status=201)
    await merge(desk, survivor, merged)
    assert await desk.statuses(survivor, merged) == ["waiting", "merged"]
    assert len((await desk.sato.get("/v1/queue")).json()["items"]) == 1
    refusal = await desk.act(merged, "accept", status=409)
    assert (refusal["type"], refusal["lead_id"]) == ("/problems/merged", str(survivor))
    assert (await desk.prospect(survivor))["first_contact_at"] is not None, "the person was called"
    done = (await desk.sato.get(f"/v1/prospects/{survivor}/activities")).json()["items"]
    assert [item["kind"] for item in done] == ["call"]
    await unmerge(desk, survivor, merged)
    assert await desk.statuses(survivor, merged) == ["waiting", "waiting"]


async def test_the_work_that_got_further_goes_on_under_the_survivor(desk: Desk) -> None:
    survivor = await desk.mql(channel="web")
    merged, opportunity = await desk.handed_over(channel="seminar")
    await merge(desk, survivor, merged)
    found = await desk.prospect(survivor)
    assert (found["status"], found["channel"], found["opportunity_id"]) == ("handed_over", "seminar", str(opportunity))
    assert [(cycle["status"], cycle["channel"]) for cycle in found["cycles"]] == [("waiting", "web")]
    await desk.field_sales(fs.OpportunityOpened, merged, opportunity)
    assert await desk.statuses(survivor, merged) == ["opened", "merged"]
    await unmerge(desk, survivor, merged)
    assert await desk.statuses(survivor, merged) == ["waiting", "opened"]
    assert (await desk.prospect(survivor))["cycles"] == []


async def test_a_survivor_that_was_never_handed_over_takes_the_work(desk: Desk) -> None:
    survivor, merged = new_id(), await desk.mql()
    await merge(desk, survivor, merged)
    assert await desk.statuses(survivor, merged) == ["waiting", "merged"]
    await desk.act(survivor, "accept")
    assert (await desk.rig.told())[-1].key == str(merged), "the journey stays the one it began with"
    await desk.mql(survivor)
    assert await desk.statuses(survivor) == ["accepted"], "marketing's MQL of the survivor is the same work"
    await unmerge(desk, survivor, merged)
    assert await desk.statuses(merged) == ["accepted"]
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
    assert await desk.statuses(late, c) == ["merged", "waiting"]
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
    assert await desk.statuses(waiting) == ["erased"]
    assert (await desk.sato.get("/v1/queue")).json()["items"] == []
    assert await desk.refused(waiting, "accept") == "erased"


async def rows(desk: Desk, table: str) -> Sequence[Any]:
    async with desk.rig.database.reading() as session:
        connection = await session.connection()
        return (await connection.exec_driver_sql(f"SELECT * FROM {table}")).all()
