"""Clocks that differ, and times that are none: what an API makes of them (fault 41 of docs/faults.md)."""

from dataclasses import replace
from datetime import datetime, timedelta

import httpx
import orjson
import pytest
from aiokafka import ConsumerRecord
from sqlalchemy import text

from services.field_sales.app import SERVICE as FIELD_SALES
from services.inside_sales.app import SERVICE as INSIDE_SALES
from services.kpi.app import SERVICE as KPI
from services.marketing.app import SERVICE as MARKETING
from shared import clock, worker
from shared.contracts.marketing import MqlCreated
from shared.ids import new_id
from shared.service import Service
from tests.support import field_sales
from tests.support.field_sales import Seller
from tests.support.inside_sales import Desk
from tests.support.marketing import Desk as MarketingDesk
from tests.support.rig import MakeRig, Rig, keys

HOUR = timedelta(hours=1)

# A second that was put in, an hour no clock showed or showed twice, and what is no time at all.
NO_TIMES = (
    "2016-12-31T23:59:60Z",
    "2017-01-01T08:59:60+09:00",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:00:00+24:00",
    "2026-11-01T01:30:00",
    "2026-01-01T00:00:00[Europe/Berlin]",
    "now",
)


async def test_41_the_next_department_works_on_at_once_whose_clock_is_an_hour_behind(make_rig: MakeRig) -> None:
    """Its steps are put with the step they follow, not before it."""
    ahead = clock.utc_now() + HOUR
    desk = Desk(await make_rig(INSIDE_SALES))
    lead = await desk.mql(at=ahead)
    await desk.act(lead, "activities", {"kind": "call", "outcome": "connected"}, status=201)
    await desk.act(lead, "accept")
    assert {told.time for told in await desk.rig.told()} == {ahead}
    late = {"kind": "call", "outcome": "connected", "occurred_at": (ahead - HOUR).isoformat()}
    assert await desk.refused(lead, "activities", late) == "before_previous_step", "what is told is taken at its word"


async def test_41_field_sales_takes_what_was_handed_over_by_a_clock_ahead(make_rig: MakeRig) -> None:
    ahead = clock.utc_now() + HOUR
    rig = await make_rig(FIELD_SALES)
    seller = Seller(rig.client("field_sales", user="sato"))
    for act, body in (("accept", {}), ("return", {"reason": "no_budget"})):
        sql = await field_sales.offer(rig, at=ahead)
        await seller.act(sql.opportunity_id, act, body)
    assert {told.time for told in await rig.told()} == {ahead}
    sql = await field_sales.offer(rig, at=ahead)
    await seller.act(sql.opportunity_id, "accept", {"occurred_at": (ahead - HOUR).isoformat()}, 409)


async def test_41_marketing_recycles_what_ended_by_a_clock_ahead(make_rig: MakeRig) -> None:
    desk = MarketingDesk(await make_rig(MARKETING))
    lead = await desk.mql()
    await desk.hears("rejected", lead["id"], at=clock.utc_now() + HOUR, reason="bad_timing", recyclable=False)
    assert (await desk.act(lead["id"], "recycle"))["cycle"] == 2


async def test_41_times_that_are_none_are_refused_with_a_reason(make_rig: MakeRig) -> None:
    marketing, kpi = await make_rig(MARKETING), await make_rig(KPI)
    soon, later = (clock.utc_now() + ahead for ahead in (timedelta(seconds=30), HOUR))
    for told in (*NO_TIMES, later.isoformat()):
        lead = {"email": "a@example.jp", "channel": "ads", "occurred_at": told}
        answer = await marketing.client("marketing").post("/v1/leads", json=lead)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "occurred_at"), told
    lead = {"email": "a@example.jp", "channel": "ads", "occurred_at": soon.isoformat()}
    assert (await marketing.client("marketing").post("/v1/leads", json=lead)).status_code == 201
    for told in NO_TIMES:
        answer = await kpi.client("viewer").get("/v1/funnel", params={"as_of": told})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "as_of"), told


async def test_41_a_token_of_a_clock_ahead_holds_and_ends_by_ours(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, found = clock.utc_now(), {}
    client = (await make_rig(KPI)).client()
    for ahead in (0.0, 45.0, 3600.0):
        monkeypatch.setattr(clock, "utc_now", lambda ahead=ahead: now + timedelta(seconds=ahead))
        found[ahead] = keys().issue("x", ["viewer"])
    monkeypatch.undo()
    statuses = [
        (await client.get("/v1/funnel", headers={"Authorization": f"Bearer {token}"})).status_code
        for token in (*found.values(), keys().issue("x", ["viewer"], timedelta(seconds=-1)))
    ]
    assert statuses == [200, 200, 401, 401]


async def test_41_how_long_something_waits_is_told_by_one_clock(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database's: or a service an hour ahead of it would find what it has just stored an hour old, and take no
    more writes."""
    desk = MarketingDesk(await make_rig(MARKETING))
    await desk.lead()
    now = clock.utc_now()
    monkeypatch.setattr(clock, "utc_now", lambda: now + HOUR)
    await worker.observe_outbox(desk.rig.runtime)
    assert desk.rig.runtime.health.outbox_rows > 0
    assert 0 <= desk.rig.runtime.health.outbox_seconds < HOUR.total_seconds() / 2
    await desk.lead()


@pytest.mark.parametrize("service", [INSIDE_SALES, KPI], ids=lambda service: str(service.name))
async def test_41_events_of_no_time_are_dead_letters_and_hold_up_nobody(make_rig: MakeRig, service: Service) -> None:
    rig = await make_rig(service)
    beyond = ("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00")
    wrong = [("time", told) for told in (*NO_TIMES, *beyond) if "T24:00:00Z" not in told]  # Python 3.13 takes it
    wrong += [("recordedtime", beyond[0]), ("sequence", str(2**63))]
    for name, told in wrong:
        await rig.hand_over([await _an_mql(rig, **{name: told})])
    good = await _an_mql(rig)
    await rig.hand_over([good])
    async with rig.database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM dead_letter")) == len(wrong)
        assert await session.scalar(text("SELECT count(*) FROM parked_event")) == 0
    path = "/v1/prospects" if service is INSIDE_SALES else "/v1/journeys"
    assert (await rig.client("admin").get(f"{path}/{good.key.decode()}")).status_code == 200


async def _an_mql(rig: Rig, **wrong: str) -> ConsumerRecord:
    """As marketing tells it, but for what is `wrong` of the envelope."""
    lead = new_id()
    record = rig.record(MqlCreated(lead_id=lead, cycle=1), lead)
    return replace(record, value=orjson.dumps({**orjson.loads(record.value), **wrong}))


async def test_41_kpi_counts_by_when_it_happened_on_days_of_23_and_25_hours_too(make_rig: MakeRig) -> None:
    """Whenever it was written down, by whatever clock."""
    kpi = await make_rig(KPI)
    viewer = kpi.client("viewer")
    days = {  # of New York: the instants of its first and last minute, and one of the hour that is there twice
        "2025-03-09": ("2025-03-09T05:00:00Z", "2025-03-10T03:59:59Z"),
        "2025-11-02": ("2025-11-02T04:00:00Z", "2025-11-02T05:30:00Z", "2025-11-02T06:30:00Z", "2025-11-03T04:59:59Z"),
    }
    around = ("2025-03-09T04:59:59Z", "2025-03-10T04:00:00Z", "2025-11-02T03:59:59Z", "2025-11-03T05:00:00Z")
    for number, told in enumerate((*around, *days["2025-03-09"], *days["2025-11-02"])):
        lead, at = new_id(), datetime.fromisoformat(told)
        written = at + HOUR if number % 2 else at - HOUR
        await kpi.deliver(MqlCreated(lead_id=lead, cycle=1), lead, at=at, recorded=written)
    for day, instants in days.items():
        after = (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()
        assert await _mqls(viewer, **{"from": day, "to": after, "timezone": "America/New_York"}) == len(instants)
    assert await _mqls(viewer, **{"from": "2025-03-01", "to": "2025-12-01", "timezone": "America/New_York"}) == 10


async def test_41_what_lies_ahead_is_counted_once_its_time_has_come(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    kpi, now, (soon, never) = await make_rig(KPI), clock.utc_now(), (new_id(), new_id())
    viewer = kpi.client("viewer")
    await kpi.deliver(MqlCreated(lead_id=soon, cycle=1), soon, at=now + HOUR)
    await kpi.deliver(MqlCreated(lead_id=never, cycle=1), never, at=datetime.fromisoformat("9999-12-31T23:59:59Z"))
    days = {"from": "2020-01-01", "to": clock.day_of(now + timedelta(days=3)).isoformat()}
    assert await _mqls(viewer, **days) == 0
    monkeypatch.setattr(clock, "utc_now", lambda: now + HOUR + timedelta(seconds=1))
    assert await _mqls(viewer, **days) == 1


async def _mqls(viewer: httpx.AsyncClient, **asked: str) -> int:
    answer = await viewer.get("/v1/funnel", params=asked)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["stages"][0]["goal"]["value"])
