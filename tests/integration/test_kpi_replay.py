"""A replay that is to compare needs a live consumer that has taken in what is on the topics."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from aiokafka import ConsumerRecord
from sqlalchemy import text

from services.kpi.app import SERVICE
from services.kpi.commands import rebuilding
from services.kpi.commands.rebuilding import Report, rebuild
from services.kpi.commands.storing import beat
from shared.contracts import marketing
from shared.errors import Refused
from shared.ids import told_id
from shared.messaging.kafka import Outgoing, ensure_topics
from shared.messaging.loading import publish
from tests.support.messaging import until
from tests.support.rig import MakeRig, Rig

AT = datetime(2026, 4, 3, tzinfo=UTC)


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    """On topics of its own, which nobody reads but the test."""
    rig = await make_rig(SERVICE)
    rig.runtime.settings = rig.runtime.settings.model_copy(update={"topic_prefix": f"t{uuid4().hex[:8]}"})
    await ensure_topics(rig.runtime.settings.kafka, [rig.runtime.settings.topic(name) for name in SERVICE.listens])
    return rig


async def published(rig: Rig, *names: str) -> list[ConsumerRecord]:
    """An event of each of these leads, on the topic and as the live consumer would be handed it."""
    leads = {name: told_id("lead", name) for name in names}
    found = [rig.record(marketing.LeadCreated(lead_id=lead, cycle=1), lead, at=AT) for lead in leads.values()]
    rows = [
        Outgoing(number, record.topic, record.key.decode(), "x", None, record.value)
        for number, record in enumerate(found)
    ]
    await publish(rig.runtime.settings.kafka, rows)
    return found


async def verified(rig: Rig) -> Report:
    return await rebuild(rig.runtime, SERVICE.listens, verify=True)


async def refused(rig: Rig) -> str:
    with pytest.raises(Refused) as found:
        await verified(rig)
    return found.value.rule


async def test_a_consumer_that_stands_still_cannot_be_compared_with(kpi: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = await published(kpi, "A", "B")
    monkeypatch.setattr(rebuilding, "OVERTAKEN_SECONDS", 0.3)
    assert await refused(kpi) == "kpi_is_behind", "it never read anything"
    await kpi.hand_over([first])
    assert await refused(kpi) == "kpi_is_behind", "of one of two it knows nothing"
    async with kpi.database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM fact")) == 1, "the tables in use are as they were"
    await kpi.hand_over([second])
    report = await verified(kpi)
    assert (report.facts, report.differences, report.switched) == (2, {}, False)


async def test_a_consumer_that_is_on_its_way_is_waited_for(kpi: Rig) -> None:
    records = await published(kpi, "A", "B", "C")
    await kpi.hand_over(records[:1])
    comparing = asyncio.create_task(verified(kpi))
    done, _ = await asyncio.wait([comparing], timeout=2)
    assert not done
    await kpi.hand_over(records[1:])
    report = await asyncio.wait_for(comparing, 20)
    assert (report.facts, report.differences) == (3, {})


async def test_who_asks_as_the_tables_change_over_sees_what_came_last(
    kpi: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is folded in the act of changing over is not in a view that was taken before it."""
    await kpi.hand_over(await published(kpi, "A"))
    viewer, asked = kpi.client("viewer"), list[asyncio.Task[httpx.Response]]()
    fold = rebuilding._fold_all

    async def fold_and_hear_more(*arguments: Any) -> None:
        await fold(*arguments)
        await kpi.hand_over(await published(kpi, "B"))

    async def be_asked(*arguments: Any) -> None:
        days = {"from": "2026-04-01", "to": "2026-05-01"}
        asked.append(asyncio.create_task(viewer.get("/v1/funnel", params=days)))
        await until(lambda: _somebody_waits(kpi))
        await beat(*arguments)

    monkeypatch.setattr(rebuilding, "_fold_all", fold_and_hear_more)
    monkeypatch.setattr(rebuilding, "beat", be_asked)
    assert (await rebuild(kpi.runtime, SERVICE.listens)).switched
    found = (await asked[0]).json()
    assert [step["passes"] for step in found["steps"] if step["milestone"] == "lead"] == [2]


async def _somebody_waits(kpi: Rig) -> bool:
    async with kpi.database.reading() as session:
        query = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'passage'::regclass)"
        return bool(await session.scalar(text(query)))


async def test_who_is_not_behind_is_not_waited_for(kpi: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await kpi.hand_over(await published(kpi, "A"))
    monkeypatch.setattr(rebuilding, "OVERTAKEN_SECONDS", 3 * rebuilding.LOOK_SECONDS)
    async with kpi.database.transaction() as tx:
        await tx.session.execute(text("DELETE FROM passage"))
    assert (await verified(kpi)).differences == {"passage": (0, 1)}
