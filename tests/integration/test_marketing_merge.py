"""Two leads that are one person, taken apart again, and forgotten."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.marketing.api.imports import IMPORTS
from services.marketing.app import SERVICE
from shared import clock
from shared.ids import new_id
from tests.support.import_rig import errors_after
from tests.support.marketing import Desk
from tests.support.rig import MakeRig

HANAKO = {
    "name": "佐藤 花子",
    "name_kana": "サトウ ハナコ",
    "department": "営業部",
    "job_title": "副室長",
    "phone": "090-1111-2222",
}


@pytest.fixture
async def desk(make_rig: MakeRig) -> Desk:
    return Desk(await make_rig(SERVICE))


async def test_one_stands_for_both_and_learns_what_only_the_other_knew(desk: Desk) -> None:
    one = await desk.lead(external_id="L-1", channel="ads")
    other = await desk.lead(external_id="L-2", channel="organic", industry="IT", **HANAKO)
    await desk.act(other["id"], "touches", kind="webinar")
    merged = await desk.act(one["id"], "merge", merged_lead_id="ext:L-2")
    assert (merged["id"], merged["channel"], merged["industry"], merged["name"]) == (
        one["id"],
        "ads",
        "IT",
        "佐藤 花子",
    )
    assert round(merged["engagement"]) == 20  # the touches are the person's
    told = await desk.told("lead_merged")
    assert [event.key for event in told] == [one["id"], other["id"]]
    assert {str(event.data) for event in told} == {str({"lead_id": one["id"], "merged_lead_id": other["id"]})}
    assert (await desk.get(other["id"]))["merged_into"] == one["id"]
    assert [lead["id"] for lead in (await desk.api.get("/v1/leads")).json()["items"]] == [one["id"]]
    for known in ({"email": other["email"]}, {"phone": "+81 90 1111 2222"}, {"external_id": "L-2"}):
        found = await desk.api.post("/v1/leads", json=known)
        assert (found.status_code, found.json()["id"]) == (200, one["id"])
    touch = await desk.act(other["id"], "touches", kind="page_view")
    assert touch["lead_id"] == one["id"]  # told of the other, meant for the person
    touches = (await desk.api.get(f"/v1/leads/{one['id']}/touches")).json()["items"]
    assert [touch["kind"] for touch in touches] == ["webinar", "form", "form", "form", "page_view"]


async def test_taken_apart_both_are_what_they_were(desk: Desk) -> None:
    one = await desk.lead(channel="ads")
    other = await desk.lead(industry="IT", **HANAKO)
    third = await desk.lead(region="kanto")
    await desk.act(other["id"], "touches", kind="webinar")
    await desk.act(other["id"], "merge", merged_lead_id=third["id"])
    before = await desk.get(other["id"])
    await desk.act(one["id"], "merge", merged_lead_id=other["id"])
    assert (await desk.get(third["id"]))["merged_into"] == one["id"]
    found = await desk.act(one["id"], "unmerge", merged_lead_id=other["id"])
    changed = {"updated_at", "version", "scored_at", "engagement"}
    assert {k: v for k, v in found.items() if k not in changed} == {
        k: v for k, v in one.items() if k in found and k not in changed
    }
    after = await desk.get(other["id"])
    assert {k: v for k, v in after.items() if k not in changed} == {k: v for k, v in before.items() if k not in changed}
    assert (await desk.get(third["id"]))["merged_into"] == other["id"]
    assert [event.key for event in await desk.told("lead_unmerged")] == [one["id"], other["id"]]
    again = await desk.api.post("/v1/leads", json={"email": other["email"]})
    assert again.json()["id"] == other["id"]


async def test_what_was_changed_since_the_merge_stays(desk: Desk) -> None:
    one, other = await desk.lead(), await desk.lead(industry="IT", segment="SMB")
    await desk.act(one["id"], "merge", merged_lead_id=other["id"])
    await desk.api.patch(f"/v1/leads/{one['id']}", json={"segment": "ENT"})
    found = await desk.act(one["id"], "unmerge")
    assert (found["industry"], found["segment"]) == (None, "ENT")


async def test_what_cannot_be_merged_or_taken_apart(desk: Desk) -> None:
    one, other, gone = await desk.lead(), await desk.lead(), await desk.lead()
    await desk.act(gone["id"], "erase")
    path = f"/v1/leads/{one['id']}"

    async def rule(act: str, status: int = 409, **body: Any) -> str:
        return str((await desk.refused(f"{path}/{act}", status, **body))["type"]).removeprefix("/problems/")

    assert await rule("unmerge") == "not_merged"
    assert await rule("merge", merged_lead_id=one["id"]) == "already_merged"
    assert await rule("merge", merged_lead_id=gone["id"]) == "erased"
    assert await rule("merge", 404, merged_lead_id=str(new_id())) == "not_found"
    assert await rule("merge", 422) == "invalid"
    early = (clock.utc_now() - timedelta(days=1)).isoformat()
    assert await rule("merge", merged_lead_id=other["id"], occurred_at=early) == "before_previous_step"
    await desk.act(one["id"], "merge", merged_lead_id=other["id"])
    assert await rule("merge", merged_lead_id=other["id"]) == "already_merged"
    assert await rule("unmerge", merged_lead_id=gone["id"]) == "not_merged"
    await desk.act(other["id"], "unmerge")
    assert await rule("unmerge", merged_lead_id=other["id"]) == "not_merged"


async def test_the_end_of_a_merged_leads_cycle_opens_the_persons_next(desk: Desk) -> None:
    one, other = await desk.mql(), await desk.mql()
    await desk.hears("rejected", one["id"], reason="x", recyclable=False)
    await desk.act(one["id"], "merge", merged_lead_id=other["id"])
    refused = await desk.refused(f"/v1/leads/{one['id']}/recycle", 409)
    assert refused["type"] == "/problems/cycle_open"
    await desk.hears("dropped", other["id"], reason="no_budget")
    event = (await desk.told("lead_recycled"))[0]
    assert (event.key, event.data["cycle"], event.data["previous_ref"]) == (one["id"], 2, f"lead/{other['id']}/1")
    assert (await desk.get(one["id"]))["stage"] == "nurturing"


async def test_a_person_is_forgotten_and_what_was_counted_stays(desk: Desk) -> None:
    key = {"Idempotency-Key": "first-telling"}
    body = {"email": "hanako@secret.example.jp", "external_id": "L-9", "company": "サクラ", "channel": "ads", **HANAKO}
    lead = (await desk.api.post("/v1/leads", json=body, headers=key)).json()
    other = await desk.lead(email="hanako2@secret.example.jp", name="佐藤花子")
    path = f"/v1/leads/{lead['id']}"
    await desk.api.patch(path, json={"name": "佐藤 花"})
    await desk.act(lead["id"], "touches", kind="call", content="佐藤 花と電話", note="秘書は田中さん")
    await desk.act(lead["id"], "touches", kind="webinar", content="導入事例")
    await desk.act(lead["id"], "qualify", override_reason="佐藤さんは旧友")
    await desk.hears("rejected", lead["id"], reason="bad_timing", recyclable=False)
    await desk.act(
        lead["id"], "recycle", revisit_on=str(clock.day_of(clock.utc_now()) + timedelta(days=9)), note="花子"
    )
    await desk.act(lead["id"], "merge", merged_lead_id=other["id"])
    refused = "email,name,created_at\nhanako@secret.example.jp,佐藤花子,花子が来た日\n佐藤花子,花子,2025-01-01\n"
    assert "佐藤" in await errors_after(desk.rig, IMPORTS, "marketing", "leads", refused)
    counted = len(await desk.rig.told())
    erased = await desk.act(lead["id"], "erase")
    again = await desk.act(lead["id"], "erase")
    assert (erased["erased_at"], erased["version"]) == (again["erased_at"], again["version"])
    assert [event.key for event in await desk.told("lead_erased")] == [lead["id"], other["id"]]
    assert len(await desk.rig.told()) == counted + 2
    personal = ("name", "name_kana", "email", "phone", "department", "job_title")
    for found in (await desk.get(lead["id"]), await desk.get(other["id"])):
        assert {found[name] for name in personal} == {None}
    assert (await desk.get(lead["id"]))["channel"] == "ads"
    touches = (await desk.api.get(f"{path}/touches")).json()["items"]
    assert [(touch["kind"], touch["content"], touch["note"]) for touch in touches] == [
        ("call", None, None),
        ("webinar", "導入事例", None),
    ]
    await _nothing_left(desk, "花子", "佐藤", "hanako", "secret.example", "サトウ", "田中", "旧友", "副室長")
    await _nothing_left(desk, "1111-2222", "11112222")  # the number as told and as compared; ids may have some of it
    assert await desk.rig.run_rule("recycle due leads", clock.utc_now() + timedelta(days=10)) == 0
    replay = await desk.api.post("/v1/leads", json=body, headers=key)
    assert (replay.status_code, replay.json()) == (201, {"id": lead["id"]})
    for act in ("qualify", "recycle", "touches"):
        more = {"kind": "webinar"} if act == "touches" else {}
        assert (await desk.refused(f"{path}/{act}", 409, **more))["type"] == "/problems/erased"
    assert (await desk.api.patch(path, json={"name": "x"})).status_code == 409
    assert (await desk.api.post("/v1/leads", json={"external_id": "L-9", "name": "x"})).status_code == 409
    fresh = await desk.api.post("/v1/leads", json={"email": "hanako@secret.example.jp"})
    assert fresh.status_code == 201
    assert fresh.json()["id"] != lead["id"]


async def _nothing_left(desk: Desk, *words: str) -> None:
    """No row of any table says any of these words."""
    async with desk.rig.database.reading() as session:
        tables = await session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        for table in tables.all():
            rows = " ".join((await session.scalars(text(f'SELECT t::text FROM "{table}" t'))).all())
            bodies = ""
            if table in ("outbox", "idempotency_key"):
                column = "payload" if table == "outbox" else "body"
                found = await session.scalars(text(f"SELECT convert_from({column}, 'UTF8') FROM {table}"))
                bodies = " ".join(body for body in found if body)
            for word in words:
                assert word not in rows + bodies, (table, word)


async def test_only_those_who_work_with_people_see_who_they_are(desk: Desk) -> None:
    lead = await desk.lead(**HANAKO)
    await desk.act(lead["id"], "touches", kind="call", content="佐藤 花子と電話", note="秘密")
    await desk.api.patch(f"/v1/leads/{lead['id']}", json={"name": "佐藤 花", "segment": "ENT"})
    path = f"/v1/leads/{lead['id']}"
    for role in ("marketing", "inside_sales", "field_sales", "customer_success", "admin", "ops_lead"):
        assert (await desk.rig.client(role).get(path)).json()["phone"] == "090-1111-2222"
    for role in ("viewer", "executive", "product"):
        client = desk.rig.client(role)
        for found in ((await client.get(path)).json(), (await client.get("/v1/leads")).json()["items"][0]):
            assert {found[name] for name in (*HANAKO, "email")} == {None}
            assert found["segment"] == "ENT"
        touch = (await client.get(f"{path}/touches")).json()["items"][0]
        assert (touch["content"], touch["note"]) == (None, None)
        change = (await client.get(f"{path}/changes")).json()[0]["fields"]
        assert change == {"name": [None, None], "segment": [None, "ENT"]}
    assert (await desk.rig.client().get(path)).status_code == 401


async def test_only_marketing_changes_leads(desk: Desk) -> None:
    lead = await desk.lead()
    for role in ("viewer", "inside_sales", "executive", "ops_lead"):
        client = desk.rig.client(role)
        assert (await client.post("/v1/leads", json={"email": "x@example.jp"})).status_code == 403
        assert (await client.patch(f"/v1/leads/{lead['id']}", json={"segment": "x"})).status_code == 403
        assert (await client.post(f"/v1/leads/{lead['id']}/qualify", json={})).status_code == 403
    assert (await desk.rig.client("ops_lead").post(f"/v1/leads/{lead['id']}/erase")).status_code == 200
    assert (await desk.rig.client("admin").post("/v1/leads", json={"email": "y@example.jp"})).status_code == 201
