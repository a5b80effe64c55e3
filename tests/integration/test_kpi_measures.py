"""Counter-measures: written down, measured, closed only with their effect or the reason why there is none."""

from datetime import date, timedelta
from typing import Any

import pytest

from services.kpi.app import SERVICE
from shared.clock import day_of, utc_now
from shared.contracts import Event, marketing
from shared.ids import told_id
from tests.support.rig import MakeRig, Rig

TODAY = day_of(utc_now())


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


async def lead(kpi: Rig, name: str, day: date, *, qualified: bool) -> None:
    at = utc_now() - timedelta(days=(TODAY - day).days)
    key = told_id("lead", name)
    events: list[Event] = [marketing.LeadCreated(lead_id=key, cycle=1)]
    events += [marketing.MqlCreated(lead_id=key, cycle=1)] if qualified else []
    await kpi.hand_over([kpi.record(event, key, at=at) for event in events])


async def history(kpi: Rig, began: date) -> None:
    """Of twenty before 2 became MQLs, of twenty after 18."""
    for number in range(20):
        await lead(kpi, f"before-{number}", began - timedelta(days=2), qualified=number < 2)
        await lead(kpi, f"after-{number}", began + timedelta(days=1), qualified=number < 18)


def told(**more: Any) -> dict[str, Any]:
    began = TODAY - timedelta(days=10)
    return {
        "title": "事例を先に送る",
        "metric": "l2m",
        "department": "marketing",
        "owner": "sato",
        "started_on": str(began),
        "due_on": str(began + timedelta(days=5)),
        "review_on": str(TODAY),
        "expected": {"kind": "points", "change": 0.2},
        **more,
    }


async def test_its_effect_is_shown_and_it_is_closed_with_it(kpi: Rig) -> None:
    client = kpi.client("ops_lead")
    await history(kpi, TODAY - timedelta(days=10))
    made = (await client.post("/v1/counter-measures", json=told())).json()
    effect = made["effect"]
    assert (effect["before"]["numerator"], effect["before"]["denominator"]) == (2, 20)
    assert (effect["after"]["numerator"], effect["after"]["denominator"]) == (18, 20)
    assert effect["difference"] == pytest.approx(0.8)
    assert effect["wanted"] == pytest.approx(0.3)
    assert effect["verdict"] == "improved"
    closed = await client.post(f"/v1/counter-measures/{made['id']}/close", json={})
    assert (closed.status_code, closed.json()["state"]) == (200, "closed")
    await lead(kpi, "later", TODAY - timedelta(days=9), qualified=False)
    kept = (await client.get(f"/v1/counter-measures/{made['id']}")).json()["effect"]
    assert kept["after"]["denominator"] == 20, "as it was when it was closed"
    again = await client.post(f"/v1/counter-measures/{made['id']}/close", json={})
    assert (again.status_code, again.json()["type"]) == (409, "/problems/measure_closed")


async def test_without_an_effect_it_needs_a_reason(kpi: Rig) -> None:
    client = kpi.client("ops_lead")
    early = (await client.post("/v1/counter-measures", json=told(review_on=str(TODAY + timedelta(days=3))))).json()
    refused = await client.post(f"/v1/counter-measures/{early['id']}/close", json={})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/not_reviewed_yet")
    unseen = (await client.post("/v1/counter-measures", json=told())).json()
    assert unseen["effect"]["verdict"] == "not_yet"
    refused = await client.post(f"/v1/counter-measures/{unseen['id']}/close", json={})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/effect_not_measured")
    closed = await client.post(
        f"/v1/counter-measures/{unseen['id']}/close", json={"not_measurable_because": "the campaign was stopped"}
    )
    assert closed.json()["not_measurable_because"] == "the campaign was stopped"
    listed = (await client.get("/v1/counter-measures", params={"state": "open"})).json()["items"]
    assert [item["id"] for item in listed] == [early["id"]]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"metric": "won"}, "metric"),
        ({"metric": "luck"}, "metric"),
        ({"due_on": str(TODAY - timedelta(days=30))}, "body"),
        ({"expected": {"kind": "better", "change": 1}}, "expected.kind"),
        ({"expected": {"change": 0.3}}, "expected.kind"),
    ],
)
async def test_what_cannot_be_is_refused(kpi: Rig, more: dict[str, Any], field: str) -> None:
    client = kpi.client("ops_lead")
    answer = await client.post("/v1/counter-measures", json=told(**more))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert (await client.get("/v1/counter-measures")).json()["items"] == []


async def test_it_is_changed_while_it_is_open_and_only_by_operations(kpi: Rig) -> None:
    client = kpi.client("ops_lead")
    made = (await client.post("/v1/counter-measures", json=told())).json()
    changed = await client.put(f"/v1/counter-measures/{made['id']}", json=told(owner="suzuki"))
    assert (changed.json()["owner"], changed.json()["version"]) == ("suzuki", 2)
    assert (await kpi.client("viewer").post("/v1/counter-measures", json=told())).status_code == 403
    missing = await client.get(f"/v1/counter-measures/{told_id('measure', 'x')}")
    assert missing.status_code == 404


async def test_the_list_is_read_by_pages_the_newest_first(kpi: Rig) -> None:
    client, days = kpi.client("ops_lead"), [str(TODAY - timedelta(days=number)) for number in (12, 11, 10)]
    for day in days:
        assert (await client.post("/v1/counter-measures", json=told(title=day, started_on=day))).status_code == 201
    found, cursor = list[str](), dict[str, Any]()
    for _ in days:
        page = (await client.get("/v1/counter-measures", params={"limit": 1, **cursor})).json()
        found += [one["title"] for one in page["items"]]
        cursor = {"cursor": page["next_cursor"]}
    assert (found, cursor["cursor"]) == (days[::-1], None)
    strange = await client.get("/v1/counter-measures", params={"cursor": str(told_id("lead", "x"))})
    assert (strange.status_code, strange.json()["errors"][0]["field"]) == (422, "cursor")
