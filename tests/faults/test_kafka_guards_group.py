"""The guards against what aiokafka does wrong with groups (A5 to A8, A10), each on real engines.

Those of reading are in tests/integration, those of sending in test_kafka_guards.py.
"""

import asyncio
import os
import signal
from contextlib import suppress
from typing import Any

import pytest
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.protocol.group import JoinGroupRequest

from shared.ids import new_id
from shared.messaging import consumer
from shared.messaging.consumer import Stuck
from shared.messaging.kafka import PARTITIONS, AIOKafkaConsumer
from tests.support.engines import Engines
from tests.support.held_worker import held_worker
from tests.support.messaging import LONG, MakeSide, Scribe, heard_of, keys_of, told, until, work


async def test_a5_a_zombie_writes_nothing(sides: MakeSide) -> None:
    """Trap: frozen for longer than its session, a worker wakes with a batch that another has applied meanwhile."""
    keys = keys_of(0, 6)
    marketing, reader = await told(sides, *keys[:3])
    async with held_worker(reader, marketing) as zombie:
        await asyncio.wait_for(zombie.says("holds a batch"), LONG)
        os.kill(zombie.pid, signal.SIGSTOP)
        work(reader, marketing)
        await heard_of(reader, *keys[:3])
        await marketing.say(*keys[3:5])
        await heard_of(reader, *keys[:5])
        await zombie.go_on()
        os.kill(zombie.pid, signal.SIGCONT)
        times = await asyncio.wait_for(zombie.says("fenced"), LONG)
        await heard_of(reader, *keys[:5])
        assert times == "1"
        await marketing.say(keys[5])
        await heard_of(reader, *keys)


async def test_a6_two_workers_of_one_name_share_the_work(sides: MakeSide) -> None:
    """Trap: static members are not fenced, so two of one name take the partitions from each other for ever."""
    marketing, reader = await told(sides)
    workers = [work(reader, marketing) for _ in range(2)]
    half = PARTITIONS // 2
    await until(lambda: _share(workers, half), LONG)
    keys = [key for partition in range(PARTITIONS) for key in keys_of(partition, 2)]
    await marketing.say(*keys)
    await until(lambda: reader.has(len(keys)), LONG)
    assert sorted(key for key, _ in await reader.heard()) == sorted(map(str, keys))
    own = [{place for ends in scribe.applied for place in ends} for scribe, _ in workers]
    assert [len(places) for places in own] == [half, half]
    assert not any(task.done() for _, task in workers)


async def _share(workers: list[tuple[Scribe, "asyncio.Task[None]"]], each: int) -> bool:
    return all(scribe.loads and len(scribe.loads[-1]) == each for scribe, _ in workers)


@pytest.fixture
def joins(monkeypatch: pytest.MonkeyPatch) -> "asyncio.Queue[JoinGroupRequest]":
    """How workers here ask to be let into their group."""
    asked: asyncio.Queue[JoinGroupRequest] = asyncio.Queue()
    send = GroupCoordinator._send_req

    async def spying(self: GroupCoordinator, request: Any) -> Any:
        if isinstance(request, JoinGroupRequest):
            asked.put_nowait(request)
        return await send(self, request)

    monkeypatch.setattr(GroupCoordinator, "_send_req", spying)
    return asked


async def test_a7_a_member_joins_with_one_assignor(sides: MakeSide, joins: "asyncio.Queue[JoinGroupRequest]") -> None:
    """Trap: aiokafka joins the group once for each assignor it knows, one after the other."""
    marketing, reader = await told(sides, key := new_id())
    work(reader, marketing)
    await heard_of(reader, key)
    asked = [joins.get_nowait() for _ in range(joins.qsize())]
    assert asked
    assert [[name for name, _ in request._group_protocols] for request in asked] == [["range"]] * len(asked)


async def test_a10_a_member_has_longer_to_come_back_than_its_session_lasts(
    sides: MakeSide, joins: "asyncio.Queue[JoinGroupRequest]"
) -> None:
    """Trap: by default one that is busy when the group is formed anew is out of it as soon as one that died."""
    marketing, reader = await told(sides)
    work(reader, marketing)
    asked = await asyncio.wait_for(joins.get(), LONG)
    assert (asked._session_timeout, asked._rebalance_timeout) == (3_000, 10_000)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "STUCK_SECONDS", 5.0)
    monkeypatch.setattr(consumer, "WATCH_SECONDS", 0.2)
    monkeypatch.setattr(consumer, "ANSWER_SECONDS", 0.5)


async def stop_fetching(member: AIOKafkaConsumer) -> None:
    fetcher = member._fetcher
    fetcher._fetch_task.cancel()
    await asyncio.gather(
        *fetcher._pending_tasks, return_exceptions=True
    )  # one on its way would still bring what comes next


@pytest.mark.usefixtures("impatient")
async def test_a8_a_worker_that_fetches_no_more_is_noticed(sides: MakeSide, members: list[AIOKafkaConsumer]) -> None:
    """Trap: aiokafka can stop fetching without a word, with every task alive and the heartbeats going on."""
    keys = keys_of(0, 2)
    marketing, reader = await told(sides, keys[0])
    _, worker = work(reader, marketing)
    await heard_of(reader, keys[0])
    await stop_fetching(members[0])
    await marketing.say(keys[1])
    with pytest.raises(Stuck):
        await asyncio.wait_for(worker, LONG)
    work(reader, marketing)
    await heard_of(reader, *keys)


@pytest.mark.usefixtures("impatient")
async def test_a8_a_broker_that_is_away_is_no_standstill(engines: Engines, sides: MakeSide) -> None:
    """Trap: a watch that counts an outage ends every worker just as the broker comes back."""
    keys = keys_of(0, 2)
    marketing, reader = await told(sides, keys[0])
    _, worker = work(reader, marketing)
    await heard_of(reader, keys[0])
    with engines.broker_frozen():
        await asyncio.wait({worker}, timeout=consumer.STUCK_SECONDS + 1.5)
        assert not worker.done()
    await marketing.say(keys[1])
    await heard_of(reader, *keys)
    assert not worker.done()


async def test_a8_a_worker_ended_while_it_joins_leaves_no_member_behind(
    sides: MakeSide, joins: "asyncio.Queue[JoinGroupRequest]"
) -> None:
    """Trap: a client that is not stopped stays a member for ever, and nobody reads the partitions it is given."""
    marketing, reader = await told(sides)
    _, ended = work(reader, marketing)
    await asyncio.wait_for(joins.get(), LONG)
    ended.cancel()
    await asyncio.wait({ended}, timeout=LONG)
    keys = [key for partition in range(PARTITIONS) for key in keys_of(partition, 1)]
    work(reader, marketing)
    await marketing.say(*keys)
    await until(lambda: reader.has(len(keys)), LONG)


@pytest.mark.parametrize("ends", [asyncio.CancelledError, Stuck])
@pytest.mark.usefixtures("impatient")
async def test_a3_a_client_that_hears_of_no_cancellation_holds_no_worker_up(
    sides: MakeSide, members: list[AIOKafkaConsumer], ends: type[BaseException]
) -> None:
    """Trap: aiokafka awaits tasks that it has cancelled itself, and takes our cancellation for theirs."""
    keys = keys_of(0, 2)
    marketing, reader = await told(sides, keys[0])
    _, worker = work(reader, marketing)
    await heard_of(reader, keys[0])
    stop, broker_is_back = members[0].stop, asyncio.Event()

    async def deaf() -> None:
        while not broker_is_back.is_set():
            with suppress(asyncio.CancelledError):
                await broker_is_back.wait()
        await stop()

    members[0].stop = deaf
    if ends is Stuck:
        await stop_fetching(members[0])
        await marketing.say(keys[1])
    else:
        worker.cancel()
    try:
        done, _ = await asyncio.wait({worker}, timeout=LONG)
        assert done, "it hangs"
        with pytest.raises(ends):
            worker.result()
    finally:
        broker_is_back.set()
