"""What cannot be without an earlier event is found when that event is missing, and nothing else is."""

import asyncio
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text

from services.kpi.api.questions import viewing
from services.kpi.app import SERVICE
from services.kpi.domain.periods import Period
from services.kpi.exporter import export, view_of
from services.kpi.metrics.conservation import CHECKS
from services.kpi.metrics.question import Question
from shared import clock
from shared.contracts import field_sales, inside_sales, marketing
from shared.contracts.base import Event
from shared.ids import told_id
from shared.instruments import registry
from tests.support.kpi import records, take, worked_example
from tests.support.local import eventually
from tests.support.rig import MakeRig, Rig

LEAD, DEAL = told_id("lead", "A"), told_id("opportunity", "D")
OPENED = marketing.LeadCreated(lead_id=LEAD, cycle=1)
ACCEPTED = inside_sales.MqlAccepted(lead_id=LEAD, cycle=1)
STARTED = field_sales.OpportunityOpened(opportunity_id=DEAL, lead_id=LEAD, cycle=1, origin="sql")
LOST = field_sales.DealLost(opportunity_id=DEAL, lead_id=LEAD, cycle=1, reason="price")
RETURNED = field_sales.SqlReturned(opportunity_id=DEAL, lead_id=LEAD, cycle=1, reason="no_need", recyclable=True)
HANDED = inside_sales.SqlAccepted(lead_id=LEAD, cycle=1, opportunity_id=DEAL)


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


async def found(rig: Rig) -> dict[str, Any]:
    answer = await rig.client("viewer").get("/v1/conservation")
    assert answer.status_code == 200, answer.text
    whole: dict[str, Any] = answer.json()
    assert whole["holds"] == (not any(check["broken"] for check in whole["checks"]))
    return {check["id"]: check for check in whole["checks"]}


async def broken(rig: Rig) -> dict[str, list[str]]:
    return {name: check["examples"] for name, check in (await found(rig)).items() if check["broken"]}


async def test_nothing_told_is_nothing_broken(kpi: Rig) -> None:
    assert list(await found(kpi)) == [check.id for check in CHECKS]
    assert await broken(kpi) == {}


async def test_who_looks_for_nobody_takes_one_processor(kpi: Rig) -> None:
    question = Question(Period(date(2026, 4, 1), date(2026, 7, 1)), kpi.runtime.settings.zone, clock.utc_now())
    async with viewing(kpi.runtime, question) as view:
        assert await view.session.scalar(text("SHOW max_parallel_workers_per_gather")) != "0"
    async with kpi.database.reading() as session:
        await view_of(session, kpi.runtime, question.whole)
        assert await session.scalar(text("SHOW max_parallel_workers_per_gather")) == "0"


@pytest.mark.parametrize(
    ("first", "then", "check", "name"),
    [
        (OPENED, ACCEPTED, "cycles", f"{LEAD}/1"),
        (HANDED, RETURNED, "sqls", str(DEAL)),
        (STARTED, LOST, "deals", str(DEAL)),
    ],
)
async def test_a_missing_event_is_found_until_it_comes(
    kpi: Rig, first: Event, then: Event, check: str, name: str
) -> None:
    await kpi.hand_over([kpi.record(OPENED, LEAD)] if check != "cycles" else [])
    await kpi.hand_over([kpi.record(then, DEAL)])
    assert await broken(kpi) == {check: [name]}
    await kpi.hand_over([kpi.record(first, LEAD)])
    assert await broken(kpi) == {}
    assert (await found(kpi))[check]["looked_at"] == 1


async def test_a_cycle_in_two_places_or_none_is_found(kpi: Rig) -> None:
    await kpi.hand_over([kpi.record(OPENED, LEAD)])
    again = (
        "INSERT INTO place (lead_id, cycle, at, place, latest) SELECT lead_id, 1, now(), 'opp_won', latest FROM place"
    )
    async with kpi.database.transaction() as tx:
        await tx.session.execute(text(again))
    assert await broken(kpi) == {"places": [f"{LEAD}/1"]}
    async with kpi.database.transaction() as tx:
        await tx.session.execute(text("DELETE FROM place"))
    assert await broken(kpi) == {"places": [f"{LEAD}/1"]}


async def test_the_worked_example_is_whole(kpi: Rig) -> None:
    told, _ = worked_example()
    await take(kpi, records(kpi, told))
    assert await broken(kpi) == {}
    assert (await found(kpi))["places"]["looked_at"] == 14


async def test_a_loaded_history_may_begin_in_the_middle(kpi: Rig) -> None:
    await kpi.hand_over([kpi.record(LOST, DEAL, source="/load/old/field_sales", replay_only=True)])
    assert await broken(kpi) == {}


async def test_the_chain_closes_in_every_slice_of_a_span(kpi: Rig) -> None:
    told, _ = worked_example()
    await take(kpi, records(kpi, told))
    quarter = {"from": "2026-04-01", "to": "2026-07-01"}
    answer = await kpi.client("viewer").get("/v1/conservation", params=quarter)
    (chain,) = [check for check in answer.json()["checks"] if check["id"] == "chain"]
    assert (chain["broken"], chain["looked_at"] > 9 * 4) == (0, True)
    refused = await kpi.client("viewer").get("/v1/conservation", params={"from": "2026-07-01", "to": "2026-04-01"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "to")


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ('UPDATE place SET latest = \'{"channel": "other"}\'', "slices"),
        ("UPDATE opportunity_state SET opened_at = opened_at + interval '1 day'", "pipeline"),
        ("UPDATE passage SET outside = true WHERE milestone = 'opportunity'", "pipeline"),
        ('UPDATE opportunity_state SET latest = \'{"channel": "other"}\'', "pipeline"),
        ("DELETE FROM opportunity_state", "pipeline"),
        ("UPDATE opportunity_state SET status = 'open' WHERE status = 'won'", "pipeline"),
        ("UPDATE passage SET until = NULL WHERE milestone = 'lost'", "edges"),
    ],
)
async def test_rows_that_do_not_fit_each_other_are_found(kpi: Rig, change: str, check: str) -> None:
    told, _ = worked_example()
    await take(kpi, records(kpi, told))
    async with kpi.database.transaction() as tx:
        await tx.session.execute(text(change))
    assert check in await broken(kpi)


async def test_a_chain_that_does_not_close_is_named_and_exported(kpi: Rig) -> None:
    """A deal won that comes from outside the chain is no goal of field sales, and yet a base of customer success."""
    won = field_sales.DealWon(opportunity_id=DEAL, lead_id=LEAD, cycle=1, channel="ads")
    for event in (OPENED, HANDED, STARTED, won):
        await kpi.hand_over([kpi.record(event, LEAD)])
    assert await broken(kpi) == {}
    async with kpi.database.transaction() as tx:
        await tx.session.execute(text("UPDATE passage SET outside = true WHERE milestone = 'won'"))
    (check,) = [name for name in await broken(kpi) if name == "chain"]
    examples = (await found(kpi))[check]["examples"]
    assert {"all: customer_success", "channel=ads: customer_success"} <= set(examples)
    exporting = asyncio.create_task(export(kpi.runtime))
    try:
        wanted = (await found(kpi))["chain"]["broken"]
        gauge = "themodel_conservation_broken", {"check": "chain"}
        await eventually(lambda: registry.get_sample_value(*gauge) == wanted, within=30)
    finally:
        exporting.cancel()
        await asyncio.gather(exporting, return_exceptions=True)
