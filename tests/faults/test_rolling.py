"""One build replaces another while events flow and people work (fault 43 of docs/faults.md)."""

import asyncio
import subprocess
from collections import Counter
from collections.abc import Sized
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from deploy.local.ports import free_ports
from shared import clock
from shared.contracts.envelope import decode
from shared.messaging.consumer import consume
from shared.messaging.inbox import Inbox
from shared.messaging.relay import Relay
from tests.support import builds
from tests.support.builds import Build, LeadCheered, handlers_of
from tests.support.engines import Engines
from tests.support.invariants import broken, quiet
from tests.support.messaging import LONG, MakeSide, Side, journeys, more_than, records_of, until
from tests.support.node import Node, Role, node
from tests.support.service_process import Place, replica, serving


class Replicas:
    """Nodes of one role, of which one replaces another."""

    def __init__(self, stack: ExitStack, role: Role, *sides: Side) -> None:
        self._stack, self._role, self._sides = stack, role, sides
        self._running: list[Node] = []

    async def begin(self, build: Build) -> None:
        begun = self._stack.enter_context(node(self._role, *self._sides, build=build))
        self._running.append(begun)
        await begun.works()

    async def end(self) -> None:
        """The oldest goes when it is asked to."""
        oldest = self._running.pop(0)
        oldest.stop()
        assert await oldest.dies() == 0, oldest.said()


async def test_43_two_builds_side_by_side_in_both_directions_lose_and_double_nothing(sides: MakeSide) -> None:
    """Readers are replaced before anybody tells what only the new build listens to, and put back after it was heard."""
    publisher, reader = await sides("marketing"), await sides("inside_sales")
    await builds.prepare(reader)
    order: tuple[Build, ...] = ("old", "new", "old")
    with ExitStack() as stack:
        readers, tellers = Replicas(stack, "read", reader, publisher), Replicas(stack, "tell", publisher)
        for place, build in enumerate(order):
            await asyncio.gather(readers.begin(build), tellers.begin(build))
            if place:
                await both_hear(reader)
                await asyncio.gather(readers.end(), tellers.end())
            if build == "new":
                await cheered(publisher, reader)
        await asyncio.gather(readers.end(), tellers.end())
    publisher.start(Relay(publisher.database, publisher.kafka, "marketing").run())
    inbox = Inbox(reader.database, handlers_of("old"), {publisher.topic: "marketing"}, reader.dead_topic)
    reader.start(consume(reader.kafka, reader.group, [publisher.topic], inbox))
    await quiet(publisher, reader)
    assert await broken(publisher, reader) == []
    met = await who_heard_whom(publisher, reader)
    assert met.keys() == {(told, heard) for told in ("old", "new") for heard in ("old", "new")}, "not all of them met"


async def both_hear(reader: Side) -> None:
    """Waits until each build has heard a hundred events more, side by side."""

    async def heard() -> tuple[int, int]:
        understood = await reader.count("understood")
        return understood, await reader.count("heard") - understood

    new, old = await heard()

    async def enough() -> bool:
        now = await heard()
        return now[0] >= new + 100 and now[1] >= old + 100

    await until(enough, LONG)


async def cheered(publisher: Side, reader: Side) -> None:
    """Everybody is told of what only the new build knows, and it is heard."""
    async with publisher.database.transaction() as tx:
        for key in journeys():
            tx.announce(LeadCheered(lead_id=key, cycle=1), journey=key, at=clock.utc_now())
    told = await of_type(publisher, LeadCheered.type, least=len(journeys()))

    async def heard() -> bool:
        async with reader.database.reading() as session:
            query = text("SELECT count(*) FROM heard WHERE id = ANY(:told)")
            return int(await session.scalar(query, {"told": told}) or 0) == len(journeys())

    await until(heard, LONG)


async def of_type(publisher: Side, kind: str, least: int) -> list[str]:
    """The ids of the events of a type in the log, once there are so many."""
    found: list[str] = []

    async def there() -> bool:
        metas = [decode(r.value, r.headers)[0] for r in await records_of(publisher.kafka, publisher.topic)]
        found[:] = [meta.id for meta in metas if meta.type == kind]
        return len(found) >= least

    await until(there, LONG)
    return found


async def who_heard_whom(publisher: Side, reader: Side) -> Counter[tuple[str, str]]:
    """How many events of each build each build has heard. Holds that the new build understood each as it was told."""
    async with reader.database.reading() as session:
        understood = {row.id: row.mood for row in await session.execute(text("SELECT id, mood FROM understood"))}
    found: Counter[tuple[str, str]] = Counter()
    for record in await records_of(publisher.kafka, publisher.topic):
        meta, data = decode(record.value, record.headers)
        if meta.type != LeadCheered.type:
            mood = data.get("mood")
            assert understood.get(meta.id, mood) == mood
            found["new" if mood else "old", "new" if meta.id in understood else "old"] += 1
    return found


@pytest.fixture
def place(engines: Engines, tmp_path: Path) -> Place:
    return Place("marketing", engines, tmp_path)


async def test_43_a_service_is_replaced_and_put_back_under_load_and_acts_once_for_each_request(place: Place) -> None:
    ports, stop = (place.port, *free_ports(1)), asyncio.Event()
    answered: dict[str, str] = {}
    odd: list[str] = []

    async def person(number: int) -> None:
        """Asks whoever is there, again under the same key where they were not answered."""
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(place.client(port)) for port in ports]
            for count in range(10_000):
                if stop.is_set():
                    return
                name, key = f"p{number}-{count}", {"Idempotency-Key": str(uuid4())}
                while name not in answered:
                    try:
                        answer = await clients[0].post("/v1/leads", json={"external_id": name}, headers=key)
                    except httpx.TransportError:
                        clients.reverse()
                        await asyncio.sleep(0.02)
                        continue
                    if answer.status_code != 201:
                        odd.append(f"{answer.status_code} {answer.text[:200]}")
                        return
                    answered[name] = answer.json()["id"]
                await asyncio.sleep(0.05)  # the cores are also for whoever starts

    with serving(place) as first:
        people = [asyncio.create_task(person(number)) for number in range(4)]
        async with replica(place, ports[1]) as second:
            await replaced(first, answered)
            async with replica(place, ports[0]):
                await replaced(second, answered)
                stop.set()
                await asyncio.gather(*people)
                await until(lambda: _quiet(place), LONG)
    assert odd == []
    assert place.count("lead") == len(answered) == len(set(answered.values()))
    found = [decode(r.value, r.headers)[0] for r in await records_of(place.engines.kafka, f"{place.topics}.marketing")]
    times = Counter(meta.key for meta in found if meta.type == "marketing.lead_created.v1")
    assert times == dict.fromkeys(answered.values(), 1)


async def replaced(old: "subprocess.Popen[bytes]", answered: Sized) -> None:
    """Both have worked side by side; the old one is asked to go and the other takes over."""
    await asyncio.sleep(0.5)
    old.terminate()
    assert await asyncio.to_thread(old.wait, 15) == 0
    await until(partial(more_than, len(answered) + 19, answered), LONG)


async def _quiet(place: Place) -> bool:
    return place.count("outbox") == 0
