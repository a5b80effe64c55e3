"""The guards against what aiokafka does wrong when it reads (A4 to A8, A10), each on real engines.

Those of sending are in test_kafka_guards.py.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.protocol.group import JoinGroupRequest
from sqlalchemy import text

from shared import instruments
from shared.ids import new_id
from shared.messaging import consumer
from shared.messaging.consumer import Batch, Loop, Stuck
from shared.messaging.kafka import PARTITIONS, AIOKafkaConsumer, TopicPartition, make_consumer
from tests.support.engines import Engines, own_engines
from tests.support.held_worker import held_worker
from tests.support.messaging import LONG, MakeSide, Scribe, Side, heard_of, keys_of, told, until, work

PLACE = 3


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    """A pair of our own, since its broker is frozen."""
    with own_engines() as own:
        yield own


@pytest.fixture
def members(monkeypatch: pytest.MonkeyPatch) -> list[AIOKafkaConsumer]:
    """The clients of the workers that run here, as they join."""
    found: list[AIOKafkaConsumer] = []
    join = consumer._joined

    async def joined(*arguments: Any) -> AIOKafkaConsumer:
        found.append(await join(*arguments))
        return found[-1]

    monkeypatch.setattr(consumer, "_joined", joined)
    return found


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The offsets of PLACE as aiokafka delivers them to workers here, before anything is made of them."""
    found: list[int] = []
    contiguous = Loop.contiguous

    def spying(self: Loop, records: Batch) -> Batch:
        found.extend(
            record.offset for place, several in records.items() if place.partition == PLACE for record in several
        )
        return contiguous(self, records)

    monkeypatch.setattr(Loop, "contiguous", spying)
    return found


async def stand_at(reader: Side, publisher: Side, offset: int) -> None:
    async with reader.database.transaction() as tx:
        row = {"topic": publisher.topic, "partition": PLACE, "offset": offset}
        await tx.session.execute(text("INSERT INTO consumer_offset VALUES (:partition, :topic, :offset)"), row)


def fenced() -> float:
    return float(instruments.fenced._value.get())


async def test_a4_nothing_below_the_databases_offset_is_read(sides: MakeSide, read: list[int]) -> None:
    """Trap: aiokafka delivers from where Kafka believes the group stands while the database is still being asked."""
    keys = keys_of(PLACE, 9)
    marketing, reader = await told(sides, *keys[:8])
    await stand_at(reader, marketing, 5)
    before = fenced()
    work(reader, marketing)
    await heard_of(reader, *keys[5:8])
    await marketing.say(keys[8])
    await heard_of(reader, *keys[5:])
    assert read == [5, 6, 7, 8]
    assert fenced() == before


async def test_a4_a_database_that_is_slow_and_then_fails_is_waited_for(
    engines: Engines, sides: MakeSide, read: list[int]
) -> None:
    """Trap: what goes wrong while a new owner asks for its offsets is logged, and reading begins at 0 all the same."""
    keys = keys_of(PLACE, 8)
    marketing, reader = await told(sides, *keys)
    await stand_at(reader, marketing, 5)
    name = reader.url.rpartition("/")[2]
    waiting = f"FROM pg_stat_activity WHERE datname = '{name}' AND wait_event_type = 'Lock'"

    async def waits() -> bool:
        return engines.sql(f"SELECT count(*) {waiting}") == "1"

    async with reader.database.transaction() as tx:
        await tx.session.execute(text("SELECT FROM consumer_offset FOR UPDATE"))
        scribe, _ = work(reader, marketing)
        await until(waits, LONG)
        assert engines.sql(f"SELECT pg_terminate_backend(pid) {waiting}") == "t"
        await until(lambda: _looked(scribe, 2), LONG)
        await until(waits, LONG)
        assert read == []
    await heard_of(reader, *keys[5:])
    assert read == [5, 6, 7]


async def _looked(scribe: Scribe, times: int) -> bool:
    return len(scribe.loads) >= times


class Slow(Scribe):
    """Its first look at the offsets takes until `answer`."""

    def __init__(self, side: Side, publisher: Side) -> None:
        super().__init__(side, publisher)
        self.asked, self.answer = asyncio.Event(), asyncio.Event()

    async def load(self, partitions: Any) -> dict[TopicPartition, int]:
        offsets = await super().load(partitions)
        self.asked.set()
        await self.answer.wait()
        return offsets


async def test_a4_partitions_lost_while_the_offsets_were_read_are_left_alone(sides: MakeSide) -> None:
    """Trap: a rebalance goes on beside us, so offsets may be those of partitions that are no longer ours."""
    keys = [new_id() for _ in range(40)]
    marketing, reader = await told(sides, *keys)
    slow, first = work(reader, marketing, Slow(reader, marketing))
    assert isinstance(slow, Slow)
    await asyncio.wait_for(slow.asked.wait(), LONG)
    before = fenced()
    other, second = work(reader, marketing)
    await until(lambda: _looked(other, 1), LONG)
    slow.answer.set()
    await until(lambda: reader.has(len(keys)), LONG)
    await until(lambda: _looked(slow, 2), LONG)
    assert sorted(key for key, _ in await reader.heard()) == sorted(map(str, keys))
    assert [len(places) for places in slow.loads[:2]] == [PARTITIONS, PARTITIONS // 2]
    assert not first.done()
    assert not second.done()
    assert fenced() == before


async def test_a4_records_that_come_again_are_passed_over(
    sides: MakeSide, read: list[int], members: list[AIOKafkaConsumer]
) -> None:
    """Trap: the position can be set back behind our back, and records we have applied are delivered again."""
    keys = keys_of(PLACE, 4)
    marketing, reader = await told(sides, *keys[:3])
    work(reader, marketing)
    await heard_of(reader, *keys[:3])
    before = fenced()
    members[0].seek(TopicPartition(marketing.topic, PLACE), 0)
    await marketing.say(keys[3])
    await heard_of(reader, *keys)
    assert read == [0, 1, 2, 0, 1, 2, 3], "they did not come again: the test did not do its work"
    assert fenced() == before


async def test_a5_a_zombie_writes_nothing(sides: MakeSide) -> None:
    """Trap: frozen for longer than its session, a worker wakes with a batch that another has applied meanwhile."""
    keys = keys_of(PLACE, 6)
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
        await asyncio.wait_for(zombie.says("fenced 1"), LONG)
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


async def test_a7_a_member_joins_with_one_assignor(sides: MakeSide, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap: aiokafka joins the group once for each assignor it knows, one after the other."""
    asked: list[JoinGroupRequest] = []
    send = GroupCoordinator._send_req

    async def spying(self: GroupCoordinator, request: Any) -> Any:
        if isinstance(request, JoinGroupRequest):
            asked.append(request)
        return await send(self, request)

    monkeypatch.setattr(GroupCoordinator, "_send_req", spying)
    marketing, reader = await told(sides, key := new_id())
    work(reader, marketing)
    await heard_of(reader, key)
    assert [[name for name, _ in request._group_protocols] for request in asked] == [["range"]] * len(asked)
    assert 1 <= len(asked) <= 2  # the broker may answer the first by a name to come back with


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
    keys = keys_of(PLACE, 2)
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
    keys = keys_of(PLACE, 2)
    marketing, reader = await told(sides, keys[0])
    _, worker = work(reader, marketing)
    await heard_of(reader, keys[0])
    with engines.broker_frozen():
        await asyncio.wait({worker}, timeout=consumer.STUCK_SECONDS + 1.5)
        assert not worker.done()
    await marketing.say(keys[1])
    await heard_of(reader, *keys)
    assert not worker.done()


async def test_a10_a_new_group_reads_from_the_beginning_and_commits_nothing(sides: MakeSide) -> None:
    """Trap: by its defaults aiokafka begins at the end of the log, and commits what nobody has applied yet."""
    keys = keys_of(PLACE, 3)
    marketing, reader = await told(sides, *keys)
    member = make_consumer(reader.kafka, reader.group, "test")
    member.subscribe([marketing.topic])
    await member.start()
    try:
        found: list[int] = []
        async with asyncio.timeout(LONG):
            while len(found) < len(keys):
                for records in (await member.getmany(timeout_ms=200)).values():
                    found += [record.offset for record in records]
    finally:
        await member.stop()
    admin = AIOKafkaAdminClient(bootstrap_servers=reader.kafka)
    await admin.start()
    try:
        committed = await admin.list_consumer_group_offsets(reader.group)
    finally:
        await admin.close()
    assert found == [0, 1, 2]
    assert {place: at for place, at in committed.items() if at.offset >= 0} == {}
