"""Cases through Kafka and kpi in several orders, read back over HTTP to the last digit.

Each folder of a case (see tests/support/case.py) is run by all of this; one more case is one more folder.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from services.kpi.app import SERVICE
from services.kpi.commands.rebuilding import rebuild
from services.kpi.consumers import FactStore
from shared.messaging.consumer import consume
from shared.messaging.kafka import Outgoing, ensure_topics
from shared.messaging.loading import History, publish
from tests.support.case import Case, at
from tests.support.kpi import decide
from tests.support.messaging import until
from tests.support.rig import MakeRig, Rig
from tests.support.samples import worked_example

CASES = [Case(worked_example("events.jsonl").parent)]
EXACT = 1e-6


def records(case: Case, rig: Rig, order: str) -> list[Outgoing]:
    history = History("case", rig.runtime.settings.topic)
    for one in case.told:
        history.add(one.event, event_id=one.event_id, key=one.key, at=one.at, recorded=one.recorded)
    if order == "shuffled and doubled":
        return history.records(shuffle=7, duplicate=30)
    found = history.records()
    return found[::-1] if order == "backwards" else found


@asynccontextmanager
async def reading(rig: Rig) -> AsyncIterator[None]:
    """kpi's consumer at work."""
    settings = rig.runtime.settings
    topics = {settings.topic(name): name for name in SERVICE.listens}
    task = asyncio.create_task(
        consume(settings.kafka, f"case-{uuid4().hex[:8]}", list(topics), FactStore(rig.runtime, topics))
    )
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def heard(rig: Rig, case: Case) -> None:
    """Waits until every event of the case is a fact."""

    async def all_there() -> bool:
        async with rig.database.reading() as session:
            return int(await session.scalar(text("SELECT count(*) FROM fact")) or 0) == len(case.told)

    await until(all_there, 30)


async def wrong(case: Case, client: httpx.AsyncClient) -> list[str]:
    """Every figure that is not what it must be."""
    answers, found = dict[str, Any](), list[str]()
    for asked in case.asked():
        if asked.request not in answers:
            answer = await client.get(asked.request)
            assert answer.is_success, f"{asked.request}: {answer.text[:500]}"
            answers[asked.request] = answer.json()
        try:
            is_ = at(answers[asked.request], asked.path)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            found.append(f"{asked.leaf}: nothing at {asked.path} of {asked.request} ({error!r})")
            continue
        if asked.digits is not None:
            is_ = round(is_, asked.digits)
        if not same(is_, asked.wanted):
            found.append(f"{asked.leaf}: {asked.path} of {asked.request} is {is_}, not {asked.wanted}")
    return found


def same(is_: Any, wanted: Any) -> bool:
    if isinstance(wanted, float | int) and isinstance(is_, float | int):
        return is_ == pytest.approx(wanted, abs=EXACT, rel=1e-9)
    return bool(is_ == wanted)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.folder.name)
@pytest.mark.parametrize("order", ["as they stand", "backwards", "shuffled and doubled"])
async def test_every_figure_is_exact_in_whatever_order_it_was_told(make_rig: MakeRig, case: Case, order: str) -> None:
    rig = await make_rig(SERVICE)
    settings = rig.runtime.settings = rig.runtime.settings.model_copy(update={"topic_prefix": f"t{uuid4().hex[:8]}"})
    await ensure_topics(settings.kafka, [settings.topic(name) for name in SERVICE.listens])
    await publish(settings.kafka, records(case, rig, order))
    await decide(rig, case.decisions)
    if case.goal:
        answer = await rig.client("ops_lead").put("/v1/goals/shared", json=case.goal)
        assert answer.status_code == 200, answer.text
    client = rig.client("viewer")
    async with reading(rig):
        await heard(rig, case)
        assert not (found := await wrong(case, client)), "\n".join(found)
        if order != "as they stand":
            report = await rebuild(rig.runtime, SERVICE.listens)
            assert (report.switched, report.facts) == (True, len(case.told))
            assert not (found := await wrong(case, client)), "\n".join(found)
