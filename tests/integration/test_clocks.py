"""Clocks that differ, and times that are none: what an API makes of them (fault 41 of docs/faults.md)."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from services.field_sales.app import SERVICE as FIELD_SALES
from services.inside_sales.app import SERVICE as INSIDE_SALES
from services.kpi.app import SERVICE as KPI
from services.marketing.app import SERVICE as MARKETING
from shared import clock, worker
from shared.contracts.inside_sales import MqlRejected
from shared.contracts.marketing import MqlCreated
from shared.service import Service
from tests.support import field_sales
from tests.support.field_sales import Seller
from tests.support.inside_sales import Desk
from tests.support.marketing import Desk as MarketingDesk
from tests.support.rig import MakeRig, keys

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
