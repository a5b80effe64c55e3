"""The guards against what aiokafka does wrong when it reads (A4, A10), each on real engines.

Those of groups and of sending are in tests/faults, since they freeze the broker.
"""

import asyncio
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from sqlalchemy import text

from shared import instruments
from shared.ids import new_id
from shared.messaging.consumer import Batch, Loop
from shared.messaging.kafka import PARTITIONS, AIOKafkaConsumer, TopicPartition, make_consumer
from tests.support.engines import Engines
from tests.support.messaging import LONG, MakeSide, Scribe, Side, heard_of, keys_of, told, until, work

PLACE = 3


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
