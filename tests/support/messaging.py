"""Publishers and readers of events, each with a database of its own, on topics of their own."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence, Sized
from contextlib import asynccontextmanager
from typing import Any, Protocol
from uuid import UUID, uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from sqlalchemy import text

from shared import clock, instruments
from shared.contracts import Event
from shared.contracts.envelope import Meta, decode
from shared.contracts.marketing import LeadCreated
from shared.database import Database, Transaction
from shared.ids import new_id, told_id
from shared.messaging import consumer, offsets
from shared.messaging.consumer import Batch, consume
from shared.messaging.inbox import Handlers, Inbox
from shared.messaging.kafka import (
    PARTITIONS,
    AIOKafkaConsumer,
    ConsumerRecord,
    TopicPartition,
    ensure_topics,
    open_reader,
    partition_of,
    read_spans,
    whole_log,
)
from shared.messaging.offsets import Ends
from shared.messaging.outbox import plumbing
from shared.messaging.parking import Letter, Stream
from shared.messaging.receiver import Receiver
from shared.messaging.relay import Relay
from tests.support.engines import Engines

LONG = 30.0  # seconds; far above what anything here takes, far below for ever
_WRITE_DOWN = text("""
WITH written AS (INSERT INTO heard (id, key, sequence) VALUES (:id, :key, :sequence))
INSERT INTO tally AS t (key, times) VALUES (:key, 1) ON CONFLICT (key) DO UPDATE SET times = t.times + 1
""")
# What a reader heard, and a count kept beside it; what a publisher ever told, which its outbox forgets.
_BOOKS = (
    "CREATE TABLE heard (n bigserial, id text, key text, sequence bigint)",
    "CREATE TABLE tally (key text PRIMARY KEY, times bigint NOT NULL)",
    "CREATE TABLE outbox_journal (id text PRIMARY KEY, key text, sequence bigint)",
    """CREATE FUNCTION journal() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO outbox_journal SELECT event_id, stream, sequence FROM added
        WHERE stream IS NOT NULL ON CONFLICT DO NOTHING;
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER journal AFTER INSERT ON outbox REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION journal()""",
)


def _said(task: "asyncio.Task[None]") -> None:
    """What ends by itself is seen in the output of the test that waits for it in vain."""
    if not task.cancelled() and (error := task.exception()):
        traceback.print_exception(error)


class Side:
    """A publisher or a reader with a database of its own, on topics of its own."""

    def __init__(self, url: str, kafka: str, name: str, topic: str) -> None:
        self.database = Database(url, source=f"/{name}", topic=topic, pool_size=4)
        self.url, self.kafka, self.name, self.topic = url, kafka, name, topic
        self.dead_topic = f"{topic.split('.')[0]}.dead-letters.{name}"
        self.group = f"group-{topic}"
        self.tasks: list[asyncio.Task[None]] = []

    async def prepare(self) -> None:
        async with self.database.engine.begin() as connection:
            await connection.run_sync(plumbing.create_all)
            for statement in _BOOKS:
                await connection.execute(text(statement))

    def start(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        task.add_done_callback(_said)
        self.tasks.append(task)
        return task

    async def say(self, *keys: UUID, cycle: int = 1) -> None:
        async with self.database.transaction() as tx:
            for key in keys:
                tx.announce(LeadCreated(lead_id=key, cycle=cycle), journey=key, at=clock.utc_now())

    async def count(self, table: str) -> int:
        async with self.database.reading() as session:
            return int(await session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)

    async def has(self, rows: int, table: str = "heard") -> bool:
        return await self.count(table) == rows

    async def heard(self) -> list[tuple[str, int]]:
        async with self.database.reading() as session:
            return [(k, s) for k, s in await session.execute(text("SELECT key, sequence FROM heard ORDER BY n"))]

    async def end_tasks(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def stop(self) -> None:
        await self.end_tasks()
        await self.database.close()


async def write_down(tx: Transaction, event: Event, meta: Meta) -> None:
    row = {"id": meta.id, "key": meta.key, "sequence": meta.sequence}
    await tx.session.execute(_WRITE_DOWN, row)


async def until(true: Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
    """Asks soon, then less often: asking takes from who is to make it true."""
    pause = 0.02
    async with asyncio.timeout(seconds):
        while not await true():
            await asyncio.sleep(pause)
            pause = min(1.3 * pause, 0.2)


async def more_than(number: int, things: Sized) -> bool:
    """To wait for, where something else fills `things`."""
    return len(things) > number


class MakeSide(Protocol):
    async def __call__(self, name: str, largest: int | None = None) -> Side:
        """`largest` is what the broker takes on its topic, in bytes of a batch."""


async def _narrow_topic(servers: str, topic: str, largest: int) -> None:
    """Made with its limit: a topic's settings changed later take their time."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        limit = {"max.message.bytes": str(largest)}
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1, topic_configs=limit)])
    finally:
        await admin.close()


@asynccontextmanager
async def making_sides(engines: Engines, replication: int = 1) -> AsyncIterator[MakeSide]:
    instruments.service = "test"
    prefix = f"t{uuid4().hex[:8]}"
    made: list[Side] = []

    async def make(name: str, largest: int | None = None) -> Side:
        side = Side(engines.create_database(name), engines.kafka, name, f"{prefix}.{name.replace('_', '-')}")
        if largest is not None:
            await _narrow_topic(engines.kafka, side.topic, largest)
        await ensure_topics(engines.kafka, [side.topic, side.dead_topic], replication)
        await side.prepare()
        made.append(side)
        return side

    try:
        yield make
    finally:
        for side in made:
            await side.stop()
            engines.drop_database(side.url)


@pytest.fixture
async def sides(engines: Engines) -> AsyncIterator[MakeSide]:
    async with making_sides(engines) as make:
        yield make


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


def reading(side: Side, publisher: Side, handlers: Handlers) -> Inbox:
    inbox = Inbox(side.database, handlers, {publisher.topic: publisher.name}, side.dead_topic)
    side.start(consume(side.kafka, side.group, [publisher.topic], inbox))
    return inbox


class Scribe(Receiver):
    """Writes down whatever it is given and knows no sequence numbers, so that nothing behind the offsets hides what
    came twice. Keeps what it was asked to load, and what it applied."""

    def __init__(self, side: Side, publisher: Side) -> None:
        super().__init__(side.database, {publisher.topic: publisher.name}, side.dead_topic)
        self.loads: list[list[TopicPartition]] = []
        self.applied: list[Ends] = []

    async def load(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        self.loads.append(list(partitions))
        return await super().load(partitions)

    async def apply(self, ends: Ends, batch: Batch) -> None:
        await super().apply(ends, batch)
        self.applied.append(ends)

    async def take_all(self, ends: Ends, letters: Sequence[Letter]) -> None:
        async with self._database.transaction() as tx:
            await offsets.fence(tx.session, ends)
            await self.take_each(tx, letters)

    async def take_again(self, tx: Transaction, stream: Stream) -> int:
        raise AssertionError("nothing is parked here")

    async def take_each(self, tx: Transaction, letters: Sequence[Letter]) -> None:
        for letter in letters:
            row = {"id": letter.meta.id, "key": letter.meta.key, "sequence": letter.meta.sequence}
            await tx.session.execute(_WRITE_DOWN, row)


async def told(sides: MakeSide, *keys: UUID) -> tuple[Side, Side]:
    """A publisher whose relay runs and who has told of these, and a reader that has not begun."""
    marketing, reader = await sides("marketing"), await sides("inside_sales")
    marketing.start(Relay(marketing.database, marketing.kafka, "marketing").run())
    await marketing.say(*keys)
    await until(lambda: marketing.has(0, "outbox"))
    return marketing, reader


def work(reader: Side, publisher: Side, scribe: Scribe | None = None) -> tuple[Scribe, "asyncio.Task[None]"]:
    scribe = scribe or Scribe(reader, publisher)
    return scribe, reader.start(consume(reader.kafka, reader.group, [publisher.topic], scribe))


async def heard_of(reader: Side, *keys: UUID) -> None:
    """Waits until it has heard so much, and holds that it was of these, in this order."""
    await until(lambda: _has_at_least(reader, len(keys)), LONG)
    assert [key for key, _ in await reader.heard()] == [str(key) for key in keys]


async def _has_at_least(reader: Side, rows: int) -> bool:
    return await reader.count("heard") >= rows


def journeys() -> list[UUID]:
    """Those that the replicas of a publisher tell of."""
    return [told_id("lead", str(number)) for number in range(10)]


def keys_of(partition: int, count: int) -> list[UUID]:
    """So many journeys whose events all go to one partition."""
    found: list[UUID] = []
    while len(found) < count:
        key = new_id()
        if partition_of(str(key)) == partition:
            found.append(key)
    return found


async def log_of(side: Side) -> list[Meta]:
    """Every event that lies in a side's topic, by partition and offset."""
    return [decode(record.value, record.headers)[0] for record in await records_of(side.kafka, side.topic)]


async def records_of(servers: str, topic: str) -> list[ConsumerRecord]:
    """Everything that lies in a topic, by partition and offset."""
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    found: list[ConsumerRecord] = []
    async with open_reader(servers, "test") as reader:
        async for records in read_spans(reader, await whole_log(reader, places)):
            found += records
    return sorted(found, key=lambda record: (record.partition, record.offset))
