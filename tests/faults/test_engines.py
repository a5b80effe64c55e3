"""The engines die, freeze, refuse to write or cannot be reached, under load (faults of docs/faults.md)."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit, urlunsplit

import orjson
import pytest
from sqlalchemy import QueuePool

from shared import instruments
from shared.ids import new_id
from shared.messaging import consumer, kafka
from shared.messaging.kafka import Outgoing
from shared.messaging.loading import publish
from shared.messaging.relay import Relay
from tests.support.engines import Engines
from tests.support.invariants import quiet
from tests.support.load import AWAY, Load, begin, holds, load, ready
from tests.support.messaging import LONG, MakeSide, Side, records_of, until
from tests.support.proxy import Proxy, proxied


async def back(engines: Engines) -> None:
    """Until PostgreSQL answers."""

    def answers() -> bool:
        try:
            return engines.sql("SELECT 1") == "1"
        except RuntimeError:
            return False

    stop = time.monotonic() + AWAY
    while not await asyncio.to_thread(answers):
        assert time.monotonic() < stop
        await asyncio.sleep(0.1)


async def test_9_a_broker_killed_again_and_again(sides: MakeSide, engines: Engines) -> None:
    publisher, reader = await ready(sides)
    async with load(publisher) as loads:
        for _ in range(2):
            await asyncio.sleep(1)
            killed = engines.process("kafka")
            os.kill(killed, signal.SIGKILL)
            await asyncio.sleep(1.5)
            await until(partial(_another, engines, killed), AWAY)
    assert all(not each.failed for each in loads), "people notice nothing of a broker that is away"
    await holds(publisher, reader, loads)


async def _another(engines: Engines, killed: int) -> bool:
    try:
        return engines.process("kafka") != killed
    except StopIteration:
        return False


async def test_8_11_a_broker_away_for_longer_than_a_send_may_take(
    sides: MakeSide, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The producer is given up and made anew; no partition is stuck, and each journey keeps its order."""
    monkeypatch.setattr(kafka, "SEND_TIMEOUT", 1.0)
    monkeypatch.setattr(kafka, "CLOSE_TIMEOUT", 0.5)
    publisher, reader = await ready(sides)
    rebuilt = instruments.relay_rebuilds._value.get()
    async with load(publisher) as loads:
        await asyncio.sleep(1)
        with engines.broker_frozen():
            await asyncio.sleep(5)
            await until(partial(_waiting, publisher, 100), LONG)
        await asyncio.sleep(1)
    assert all(not each.failed for each in loads)
    assert instruments.relay_rebuilds._value.get() > rebuilt
    await holds(publisher, reader, loads)


async def _waiting(side: Side, events: int) -> bool:
    return await side.count("outbox") > events


async def test_34_a_dead_letter_waits_for_the_broker_like_any_event(sides: MakeSide, engines: Engines) -> None:
    publisher, reader = await ready(sides)
    await quiet(publisher, reader)
    await publish(publisher.kafka, [Outgoing(0, publisher.topic, str(new_id()), "x", None, b"\xffno event")])
    await quiet(publisher, reader)
    assert await reader.count("outbox") == 1, "moved past it, and it is kept in the same act"
    with engines.broker_frozen():
        reader.start(Relay(reader.database, reader.kafka, "inside_sales").run())
        await asyncio.sleep(1)
        assert await reader.count("outbox") == 1
    await until(lambda: reader.has(0, "outbox"), LONG)
    (letter,) = [orjson.loads(record.value) for record in await records_of(reader.kafka, reader.dead_topic)]
    assert (letter["topic"], bytes.fromhex(letter["value"])) == (publisher.topic, b"\xffno event")


async def test_16_17_a_database_killed_under_load(sides: MakeSide, engines: Engines) -> None:
    """An act is there with its event or not at all; a batch half done is read again."""
    publisher, reader = await ready(sides)
    async with load(publisher) as loads:
        for _ in range(2):
            await asyncio.sleep(1)
            os.kill(engines.process("postgres"), signal.SIGKILL)
            await asyncio.sleep(1)
            await back(engines)
        await until(partial(_noticed, loads, 0), LONG)
    await holds(publisher, reader, loads)


async def _noticed(loads: Sequence[Load], times: int) -> bool:
    return sum(each.failed for each in loads) > times


async def test_18_connections_cut_again_and_again(sides: MakeSide, engines: Engines) -> None:
    publisher, reader = await ready(sides)
    names = ", ".join(f"'{side.url.rpartition('/')[2]}'" for side in (publisher, reader))
    cut = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname IN ({names})"
    async with load(publisher) as loads:
        for _ in range(20):
            await asyncio.sleep(0.2)
            await asyncio.to_thread(engines.sql, cut)
    assert sum(each.failed for each in loads) > 0
    await holds(publisher, reader, loads)
    pool = publisher.database.engine.pool
    assert isinstance(pool, QueuePool)
    assert pool.checkedout() == 0


async def test_20_a_database_that_takes_no_writes_is_waited_for(sides: MakeSide, engines: Engines) -> None:
    publisher, reader = await ready(sides)
    names = [side.url.rpartition("/")[2] for side in (publisher, reader)]
    async with load(publisher) as loads:
        await asyncio.sleep(1)
        for name in names:
            engines.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            engines.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        await asyncio.sleep(3)
        await until(partial(_noticed, loads, 10), LONG)
        for name in names:
            engines.sql(f"ALTER DATABASE {name} RESET default_transaction_read_only")
            engines.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        await asyncio.sleep(1)
    assert await reader.count("parked_event") == 0, "what the database refuses is no poison"
    await holds(publisher, reader, loads)


@asynccontextmanager
async def behind_proxies(sides: MakeSide) -> AsyncIterator[tuple[Side, Side, Proxy]]:
    """Both with their databases behind one proxy."""
    publisher, reader = await sides("marketing"), await sides("inside_sales")
    place = urlsplit(publisher.url)
    assert place.hostname
    assert place.port
    async with proxied(place.hostname, place.port) as proxy:

        def through(side: Side) -> Side:
            found = urlsplit(side.url)
            netloc = f"{found.username}:{found.password}@{proxy.address}"
            return Side(urlunsplit(found._replace(netloc=netloc)), side.kafka, side.name, side.topic)

        ways = through(publisher), through(reader)
        try:
            begin(*ways)
            yield (*ways, proxy)
        finally:
            proxy.heal()
            proxy.reset()
            for way in ways:
                await way.stop()


@pytest.mark.parametrize("fault", ["reset", "slow"])
async def test_21_a_bad_way_to_the_database(sides: MakeSide, fault: str) -> None:
    async with behind_proxies(sides) as (publisher, reader, proxy):
        async with load(publisher) as loads:
            for _ in range(5):
                await asyncio.sleep(0.5)
                if fault == "reset":
                    proxy.reset()
                else:
                    proxy.delay = 0.05 if not proxy.delay else 0.0
            proxy.heal()
        await holds(publisher, reader, loads)


@pytest.mark.parametrize("fault", ["swallows", "half_open"])
async def test_21_a_way_to_the_database_that_ends_without_a_word(
    sides: MakeSide, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Nobody is told that the connection is gone: only patience that ends helps."""
    monkeypatch.setattr(consumer, "STUCK_SECONDS", 4.0)
    async with behind_proxies(sides) as (publisher, reader, proxy):
        async with load(publisher) as loads:
            await asyncio.sleep(1)
            setattr(proxy, fault, True)
            await asyncio.sleep(2)
            proxy.heal()
        await publisher.say(*loads[0].keys)
        loads[0].tried.update(map(str, loads[0].keys))
        await holds(publisher, reader, loads)
