"""Visits, spend, campaigns, and the rules people change."""

from datetime import timedelta
from typing import Any

import pytest

from services.marketing.app import SERVICE
from shared import clock
from tests.support.marketing import Desk
from tests.support.rig import MakeRig

DAY = {"date": "2026-04-01", "channel": "ads"}


@pytest.fixture
async def desk(make_rig: MakeRig) -> Desk:
    return Desk(await make_rig(SERVICE))


async def test_the_last_told_count_of_a_day_wins(desk: Desk) -> None:
    answers = [
        await desk.api.post("/v1/visits", json=DAY | {"visitors": visitors, "campaign": campaign})
        for visitors, campaign in ((100, None), (100, None), (120, None), (30, "spring"))
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 201]
    assert answers[0].json()["id"] == answers[2].json()["id"]
    told = await desk.told("visits_recorded")
    assert [(event.key, event.sequence, event.data["visitors"]) for event in told] == [
        ("2026-04-01/ads", 1, 100),
        ("2026-04-01/ads", 2, 120),
        ("2026-04-01/ads", 3, 30),
    ]
    assert told[0].time.isoformat() == "2026-03-31T15:00:00+00:00"  # the day begins in Tokyo
    assert "campaign" not in told[0].data
    found = (await desk.api.get("/v1/visits?date_from=2026-04-01&date_to=2026-04-02&channel=ads")).json()["items"]
    assert [(row["campaign"], row["visitors"]) for row in found] == [(None, 120), ("spring", 30)]
    one = await desk.api.get(f"/v1/visits/{found[0]['id']}")
    assert (one.json()["visitors"], one.headers["ETag"]) == (120, '"2"')


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"amount": 5000}, {"amount": 5000, "currency": "JPY"}),
        ({"spend": 5000}, {"amount": 5000, "currency": "JPY"}),
        ({"amount": "12.50", "currency": "USD"}, {"amount": 1250, "currency": "USD"}),
        ({"amount": {"amount": 1250, "currency": "USD"}}, {"amount": 1250, "currency": "USD"}),
    ],
)
async def test_spend_in_every_form(desk: Desk, body: dict[str, Any], expected: dict[str, Any]) -> None:
    answer = await desk.api.post("/v1/spend", json=DAY | body)
    assert (answer.status_code, answer.json()["amount"]) == (201, expected)
    told = (await desk.told("spend_recorded"))[0]
    assert (told.key, told.data["spend"]) == ("2026-04-01/ads", expected)
    again = await desk.api.post("/v1/spend", json=DAY | body)
    assert again.status_code == 200
    more = await desk.api.post("/v1/spend", json=DAY | {"amount": 1})
    assert more.json()["amount"] == {"amount": 1, "currency": "JPY"}
    assert len(await desk.told("spend_recorded")) == 2


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("visits", {"visitors": -1}),
        ("visits", {"visitors": 1.5}),
        ("visits", {}),
        ("visits", {"visitors": 1, "date": "2026-04-31"}),
        ("visits", {"visitors": 1, "date": "0001-01-01"}),
        ("visits", {"visitors": 1, "date": str(clock.day_of(clock.utc_now()) + timedelta(days=2))}),
        ("visits", {"visitors": 1, "channel": ""}),
        ("spend", {"amount": -1}),
        ("spend", {"amount": 1.5}),
        ("spend", {"amount": 1, "currency": "XXY"}),
        ("spend", {"amount": "NaN"}),
        ("spend", {}),
    ],
)
async def test_what_is_malformed_is_422(desk: Desk, path: str, body: dict[str, Any]) -> None:
    await desk.refused(f"/v1/{path}", 422, **DAY | body)
    assert await desk.rig.told() == []


async def test_many_days_at_once(desk: Desk) -> None:
    days = [{"date": f"2026-05-{day:02}", "channel": "organic", "visitors": day} for day in range(1, 32)]
    answer = await desk.api.post("/v1/visits:batch", json={"items": [*days, days[0] | {"visitors": 9}, {"date": "x"}]})
    assert [item["status"] for item in answer.json()["items"]] == [201] * 31 + [200, 422]
    assert len(await desk.told("visits_recorded")) == 32
    ahead = {"date": str(clock.day_of(clock.utc_now()) + timedelta(days=2)), "channel": "x", "amount": 1}
    answer = await desk.api.post("/v1/spend:batch", json=[DAY | {"amount": 3}, ahead])
    assert [item["status"] for item in answer.json()["items"]] == [201, 422]
    assert len((await desk.api.get("/v1/spend")).json()["items"]) == 1


async def test_a_campaign_lives(desk: Desk) -> None:
    body = {
        "external_id": "C-1",
        "name": "秋のウェビナー",
        "type": "webinar",
        "budget": 300000,
        "starts_on": "2026-10-01",
    }
    made = await desk.api.post("/v1/campaigns", json=body)
    assert (made.status_code, made.json()["status"], made.json()["budget"]) == (
        201,
        "planned",
        {"amount": 300000, "currency": "JPY"},
    )
    path = "/v1/campaigns/ext:C-1"
    assert (await desk.api.patch(path, json={"status": "active", "ends_on": "2026-10-31"})).json()["status"] == "active"
    for wrong, status in (
        ({"status": "planned"}, 409),
        ({"ends_on": "2026-09-01"}, 422),
        ({"type": None}, 422),
        ({"budget": -1}, 422),
    ):
        assert (await desk.api.patch(path, json=wrong)).status_code == status
    assert (await desk.api.patch(path, json={"budget": None})).json()["budget"] is None
    again = await desk.api.post("/v1/campaigns", json=body | {"name": "冬のウェビナー"})
    assert (again.status_code, again.json()["name"], again.json()["status"]) == (200, "冬のウェビナー", "active")
    listed = (await desk.api.get("/v1/campaigns?status=active&type=webinar")).json()["items"]
    assert [campaign["id"] for campaign in listed] == [made.json()["id"]]
    assert (await desk.api.get("/v1/campaigns?colour=red")).status_code == 422


async def test_the_coded_lists_have_words(desk: Desk) -> None:
    lists = (await desk.api.get("/v1/reasons")).json()
    assert {"cycle_source", "stage", "campaign_status", "company_work"} == set(lists)
    one = (await desk.api.get("/v1/reasons?for=cycle_source")).json()["cycle_source"]
    assert [reason["code"] for reason in one] == [
        *("mql_rejected", "no_opportunity", "unfollowed", "sql_returned", "deal_lost", "dormant_customer"),
    ]


async def test_lists_turn_pages_and_refuse_what_they_do_not_know(desk: Desk) -> None:
    leads = [(await desk.lead(segment="SMB" if n % 2 else "ENT"))["id"] for n in range(5)]
    first = (await desk.api.get("/v1/leads?limit=2")).json()
    await desk.lead()
    second = (await desk.api.get(f"/v1/leads?limit=10&cursor={first['next_cursor']}")).json()
    assert [lead["id"] for lead in first["items"] + second["items"]][:5] == leads
    assert second["next_cursor"] is None
    assert len((await desk.api.get("/v1/leads?segment=SMB")).json()["items"]) == 2
    assert [lead["id"] for lead in (await desk.api.get(f"/v1/leads?lead_id={leads[3]}")).json()["items"]] == [leads[3]]
    tomorrow = (clock.utc_now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (await desk.api.get(f"/v1/leads?created_at_from={tomorrow}")).json()["items"] == []
    assert len((await desk.api.get(f"/v1/leads?updated_at_to={tomorrow}&owner=nobody")).json()["items"]) == 0
    for wrong in ("limit=501", "colour=red", "status=asleep", "cursor=x", "sort=name"):
        assert (await desk.api.get(f"/v1/leads?{wrong}")).status_code == 422, wrong
    for path in ("accounts", "campaigns", "visits", "spend", "recycling", f"leads/{leads[0]}/touches"):
        answer = await desk.api.get(f"/v1/{path}?limit=1&sort=-updated_at")
        assert answer.status_code == 200, answer.text
        assert (await desk.api.get(f"/v1/{path}?colour=red")).status_code == 422
