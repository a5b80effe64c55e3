"""Touches, score, and the one MQL of a cycle."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.marketing.app import SERVICE
from shared import clock
from tests.support.marketing import Desk
from tests.support.rig import MakeRig


@pytest.fixture
async def desk(make_rig: MakeRig) -> Desk:
    return Desk(await make_rig(SERVICE))


async def test_touches_raise_the_score_until_the_criteria_make_the_mql(desk: Desk) -> None:
    lead = await desk.lead(company="株式会社サクラ", phone="03-1234-5678", channel="ads")
    assert lead["score"] == 15
    first = await desk.act(lead["id"], "touches", kind="Webinar", content="導入事例")
    assert (first["kind"], first["score"], first["mql"]) == ("webinar", 35, False)
    second = await desk.act(lead["id"], "touches", kind="webinar")
    assert (second["score"], second["mql"]) == (55, True)
    mql = (await desk.told("mql_created"))[0]
    assert {"cycle": 1, "score": 55, "fit": 15, "engagement": 40, "criteria_version": 1}.items() <= mql.data.items()
    assert (mql.data["declared"], mql.data["channel"]) == (False, "ads")
    assert {"content": "導入事例", "score": 35}.items() <= (await desk.told("touch_recorded"))[0].data.items()
    found = await desk.get(lead["id"])
    assert (found["stage"], found["score"]) == ("mql_waiting", 55)
    assert found["cycles"][0]["mql_score"] == 55
    await desk.act(lead["id"], "touches", kind="demo_request")
    assert len(await desk.told("mql_created")) == 1
    listed = (await desk.api.get(f"/v1/leads/{lead['id']}/touches?kind=webinar")).json()["items"]
    assert [touch["content"] for touch in listed] == ["導入事例", None]


async def test_ten_touches_at_once_make_one_mql(desk: Desk) -> None:
    lead = await desk.lead(company="株式会社サクラ", phone="03-1234-5678")
    await asyncio.gather(*(desk.act(lead["id"], "touches", kind="demo_request") for _ in range(10)))
    assert len(await desk.told("mql_created")) == 1
    assert [event.sequence for event in await desk.rig.told() if event.key == lead["id"]] == list(range(1, 13))


async def test_history_is_scored_as_of_its_own_time(desk: Desk) -> None:
    begun = datetime(2025, 1, 1, tzinfo=UTC)
    lead = await desk.lead(company="サクラ", phone="03-1234-5678", occurred_at=begun.isoformat())
    for day, kind in ((0, "webinar"), (30, "webinar"), (31, "page_view")):
        at = begun + timedelta(days=day)
        touch = await desk.act(lead["id"], "touches", kind=kind, at=at.isoformat())
    assert touch["score"] == 15 + 30  # 20 · ½ + 20, a day older, and 1
    assert await desk.told("mql_created") == []
    late = await desk.act(lead["id"], "touches", kind="pricing_view", at=(begun + timedelta(days=30)).isoformat())
    assert late["mql"]
    mql = (await desk.told("mql_created"))[0]
    assert mql.time == begun + timedelta(days=31)  # when the last piece of evidence was there


async def test_interest_passes_by_rule(desk: Desk) -> None:
    lead = await desk.lead()
    await desk.act(lead["id"], "touches", kind="webinar")
    now = clock.utc_now()
    assert await desk.rig.run_rule("let interest pass", now) == 0
    version = (await desk.get(lead["id"]))["version"]
    assert await desk.rig.run_rule("let interest pass", now + timedelta(days=30)) == 1
    found = await desk.get(lead["id"])
    assert (found["fit"], round(found["engagement"], 2), found["score"]) == (5, 10.0, 15)
    assert found["version"] == version
    assert await desk.rig.run_rule("let interest pass", now + timedelta(days=30)) == 0


async def test_a_person_may_declare_what_the_criteria_do_not(desk: Desk) -> None:
    lead = await desk.lead()
    refused = await desk.refused(f"/v1/leads/{lead['id']}/qualify", 409)
    assert refused["type"] == "/problems/criteria_not_met"
    assert refused["missing"] == ["score 50 (is 5)", "engagement 10 (is 0)"]
    assert await desk.told("mql_created") == []
    found = await desk.act(lead["id"], "qualify", override_reason="社長の紹介")
    assert found["stage"] == "mql_waiting"
    mql = (await desk.told("mql_created"))[0]
    assert (mql.data["declared"], mql.data["overridden"]) == (True, True)
    assert "社長の紹介" not in str(mql.envelope)
    again = await desk.refused(f"/v1/leads/{lead['id']}/qualify", 409, override_reason="x")
    assert again["type"] == "/problems/already_mql"


async def test_a_declared_mql_that_meets_the_criteria_is_not_overridden(desk: Desk) -> None:
    await desk.set_rule("mql_criteria", automatic=False)
    lead = await desk.lead(phone="03-1234-5678")
    touch = await desk.act(lead["id"], "touches", kind="demo_request")
    assert (touch["score"], touch["mql"]) == (55, False)
    await desk.act(lead["id"], "qualify")
    mql = (await desk.told("mql_created"))[0]
    assert (mql.data["declared"], mql.data["overridden"], mql.data["criteria_version"]) == (True, False, 2)


async def test_a_segment_has_its_own_criteria_and_a_patch_is_judged_too(desk: Desk) -> None:
    easy = {"score": 10, "fit": 0, "engagement": 0, "required": ["industry"], "reachable": True}
    await desk.set_rule("mql_criteria", by_segment={"ENT": easy})
    lead = await desk.lead(phone="03-1234-5678")
    answer = await desk.api.patch(f"/v1/leads/{lead['id']}", json={"segment": "ENT"})
    assert answer.json()["stage"] == "nurturing"
    answer = await desk.api.patch(f"/v1/leads/{lead['id']}", json={"industry": "IT"})
    assert answer.json()["stage"] == "mql_waiting"
    kinds = [event.type.split(".")[1] for event in await desk.rig.told()]
    assert kinds == ["lead_created", "lead_updated", "lead_updated", "mql_created"]


async def test_declaring_before_the_cycle_began_is_refused(desk: Desk) -> None:
    lead = await desk.lead()
    earlier = (clock.utc_now() - timedelta(days=1)).isoformat()
    refused = await desk.refused(f"/v1/leads/{lead['id']}/qualify", 409, override_reason="x", occurred_at=earlier)
    assert refused["type"] == "/problems/before_previous_step"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "two words"},
        {"kind": "a@b.example"},
        {"kind": "0312345678"},
        {"kind": "webinar", "at": "2100-01-01T00:00:00Z"},
        {"kind": "webinar", "at": "2026-01-01"},
        {"kind": "webinar", "colour": "red"},
    ],
)
async def test_a_malformed_touch_is_422(desk: Desk, body: dict[str, Any]) -> None:
    lead = await desk.lead()
    await desk.refused(f"/v1/leads/{lead['id']}/touches", 422, **body)


async def test_what_a_person_wrote_stays_home(desk: Desk) -> None:
    lead = await desk.lead(name="山田太郎")
    for content in ("山田太郎さんと話した", "mail to someone@example.jp", "電話 090-1234-5678"):
        touch = await desk.act(lead["id"], "touches", kind="call", content=content, note="とても怒っていた")
        assert touch["content"] == content
    for event in await desk.told("touch_recorded"):
        assert "content" not in event.data
        assert "怒って" not in str(event.envelope)


async def test_a_touch_told_twice_by_its_own_id_is_one(desk: Desk) -> None:
    lead, other = await desk.lead(), await desk.lead()
    body = {"kind": "webinar", "external_id": "T-1"}
    first = await desk.api.post(f"/v1/leads/{lead['id']}/touches", json=body)
    again = await desk.api.post(f"/v1/leads/{lead['id']}/touches", json=body)
    assert (first.status_code, again.status_code, again.json()["id"]) == (201, 200, first.json()["id"])
    assert len(await desk.told("touch_recorded")) == 1
    await desk.refused(f"/v1/leads/{other['id']}/touches", 409, **body)


async def test_unknown_leads_are_404(desk: Desk) -> None:
    nobody = "00000000-0000-7000-8000-000000000000"
    for place in (nobody, "ext:nobody", "nonsense"):
        assert (await desk.api.get(f"/v1/leads/{place}")).status_code == 404
        await desk.refused(f"/v1/leads/{place}/touches", 404, kind="webinar")
        for act in ("qualify", "recycle", "erase"):
            await desk.refused(f"/v1/leads/{place}/{act}", 404)


async def test_a_version_read_too_long_ago_is_412(desk: Desk) -> None:
    lead = await desk.lead()
    path, stale = f"/v1/leads/{lead['id']}", {"If-Match": '"1"'}
    assert (await desk.api.patch(path, json={"segment": "ENT"}, headers=stale)).status_code == 200
    assert (await desk.api.patch(path, json={"segment": "SMB"}, headers=stale)).status_code == 412
    assert (await desk.api.post(f"{path}/qualify", json={"override_reason": "x"}, headers=stale)).status_code == 412
    assert (await desk.get(lead["id"]))["segment"] == "ENT"
