"""One hand-off a step at a time: a publisher with its relay, a reader with its workers, their databases real and the
log between them in memory. Whoever is killed does nothing more, not even what would be done on the way out.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from shared import clock, failpoints, instruments
from shared.contracts import Event
from shared.contracts.envelope import Meta
from shared.contracts.inside_sales import FirstContactMade
from shared.contracts.marketing import LeadCreated, LeadUpdated, MqlCreated
from shared.database import Database, Transaction
from shared.messaging import relay as relay_module
from shared.messaging.consumer import Loop
from shared.messaging.inbox import Handlers, Inbox, Together
from shared.messaging.kafka import PARTITIONS, KafkaError, TopicPartition
from shared.messaging.relay import Relay
from tests.support.engines import Engines
from tests.support.fake_log import FakeConsumer, FakeLog
from tests.support.messaging import Side

TOPIC = "t.marketing"
PLACES = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
HEARD: Sequence[type[LeadCreated | MqlCreated]] = (LeadCreated, MqlCreated)
TOLD: Sequence[type[LeadCreated | MqlCreated | LeadUpdated]] = (*HEARD, LeadUpdated)
"""What is told; nobody listens to the last."""

_WRITE_DOWN = """
WITH written AS (INSERT INTO heard (id, key, sequence) VALUES ($1, $2, $3))
INSERT INTO tally AS t (key, times) VALUES ($2, 1) ON CONFLICT (key) DO UPDATE SET times = t.times + 1
"""
_TELLS = ("outbox", "outbox_stream", "outbox_dead", "relay_offset")
_HEARS = ("heard", "tally", "applied_sequence", "parked_event", "dead_letter", "consumer_offset", *_TELLS)
_KEPT = ("outbox", "outbox_stream", "relay_offset")


class Killed(BaseException):
    """The process ends here."""


def _die() -> None:
    raise Killed


async def lived(work: Awaitable[object], dies_at: str | None) -> bool:
    """Whether it came through. It dies at that failpoint, if it comes there."""
    if dies_at:
        failpoints._plan[dies_at] = _die
    try:
        await work
        return True
    except Killed:
        return False
    finally:
        failpoints._plan.pop(dies_at or "", None)


class RelayLife:
    """A relay's life through the doors of `Relay.run`, without its lock: several may believe to lead."""

    def __init__(self, publisher: Side) -> None:
        self._database = publisher.database
        self._relay = Relay(publisher.database, "", publisher.name)
        self._connection: asyncpg.Connection | None = None
        self.held: list[asyncpg.Record] = []

    @property
    def leads(self) -> bool:
        return self._connection is not None

    async def start(self) -> None:
        self._connection = await self._database.direct()
        await self._relay._catch_up(self._connection)

    async def read(self, most: int) -> None:
        assert self._connection is not None
        self.held = await self._connection.fetch(relay_module._READ, most)

    async def send(self, dies_at: str | None) -> None:
        """What it read, perhaps long ago. After any error of Kafka's it begins again, like after its death."""
        rows, self.held = self.held, []
        assert self._connection is not None
        try:
            if not await lived(self._relay._publish(self._connection, rows), dies_at):
                self.end()
        except KafkaError:
            self.end()

    def end(self) -> None:
        connection, self._connection, self.held = self._connection, None, []
        if connection is not None:
            connection.terminate()


class WorkerLife:
    """A worker's life: the real loop and inbox. What it is assigned, `consumer` says."""

    def __init__(self, bench: "Bench") -> None:
        self._bench = bench
        self.consumer = FakeConsumer(bench.log)
        self._begin()

    def _begin(self) -> None:
        bench = self._bench
        handlers: Handlers = {LeadCreated: bench.hear, MqlCreated: Together(bench.hear_together)}
        self.inbox = Inbox(bench.reader.database, handlers, {TOPIC: "marketing"}, bench.reader.dead_topic)
        self.loop = Loop(self.consumer, self.inbox, self._rest)

    def _rest(self) -> None:
        self.loop.stopping = True

    async def step(self, most: int, dies_at: str | None = None) -> None:
        """Until it has come through once; fenced, it reads its offsets again."""
        self.loop.stopping, self.loop.records = False, most
        if not await lived(self.loop.run(), dies_at):
            await self.end()

    async def redrive(self, dies_at: str | None = None) -> int:
        moved = 0

        async def work() -> None:
            nonlocal moved
            moved = await self.inbox.redrive()

        if not await lived(work(), dies_at):
            await self.end()
        return moved

    async def end(self) -> None:
        """And another begins in its place, with what it was assigned."""
        if self.inbox._line is not None:
            self.inbox._line.driver.terminate()
        await self.inbox.close()
        self._begin()


@dataclass(frozen=True)
class Word:
    """One event: its journey, its kind, and the word that it is known again by."""

    key: UUID
    kind: type[LeadCreated | MqlCreated | LeadUpdated]
    word: int

    @property
    def event(self) -> Event:
        return self.kind(lead_id=self.key, cycle=self.word)


class Bench:
    """The two databases, used for one run after another, and the log, which is a new one each time."""

    def __init__(self, publisher: Side, reader: Side, hands: dict[Side, asyncpg.Connection]) -> None:
        self.publisher, self.reader = publisher, reader
        self._hands = hands  # ours, beside what is tried
        self.log = FakeLog()
        self.broken: set[str] = set()  # journeys whose handler fails
        self.in_disorder = False

    @classmethod
    async def open(cls, engines: Engines) -> "Bench":
        instruments.service = "test"
        hands: dict[Side, asyncpg.Connection] = {}
        for name, topic in (("marketing", TOPIC), ("inside_sales", "t.inside-sales")):
            side = Side(engines.create_database(name), "", name, topic)
            await side.prepare()
            hands[side] = await side.database.direct()
            await hands[side].execute("SET synchronous_commit = off")
        publisher, reader = hands
        for copy, table in (("aside", "outbox"), *((f"kept_{table}", table) for table in _KEPT)):
            await hands[publisher].execute(f"CREATE TABLE {copy} (LIKE {table})")
        return cls(publisher, reader, hands)

    async def close(self, engines: Engines) -> None:
        for side, hand in self._hands.items():
            hand.terminate()
            await side.stop()
            engines.drop_database(side.url)

    async def begin(self) -> None:
        self.log, self.broken, self.in_disorder = FakeLog(), set(), False
        await self.do(self.publisher, *_emptied(*_TELLS, "aside"))
        await self.load_reader_anew()

    async def load_reader_anew(self) -> None:
        await self.do(self.reader, *_emptied(*_HEARS))

    async def do(self, side: Side, *statements: str) -> None:
        """By hand, in one transaction."""
        await self._hands[side].execute("; ".join(statements))

    async def look(self, side: Side, query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self._hands[side].fetch(query)]

    async def hear(self, tx: Transaction, event: LeadCreated | MqlCreated, meta: Meta) -> None:
        """The effect: it is written down, counted, and told on."""
        await tx.fetch(_WRITE_DOWN, str(event.cycle), meta.key, meta.sequence)
        if meta.key in self.broken:
            raise ValueError("a handler's bug")
        told = FirstContactMade(lead_id=event.lead_id, cycle=event.cycle)
        tx.announce(told, journey=event.lead_id, at=clock.utc_now())

    async def hear_together(self, tx: Transaction, some: Sequence[tuple[Any, Meta]]) -> None:
        self.in_disorder |= len({meta.key for _, meta in some}) < len(some)  # an error here would only be parked
        for event, meta in some:
            await self.hear(tx, event, meta)

    async def keep(self) -> None:
        """A backup of the publisher's database."""
        copies = [f"INSERT INTO kept_{table} TABLE {table}" for table in _KEPT]
        await self.do(self.publisher, *_emptied(*(f"kept_{table}" for table in _KEPT)), *copies)

    async def restore(self) -> None:
        copies = [f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE kept_{table}" for table in _KEPT]
        await self.do(self.publisher, *_emptied(*_KEPT), *copies)

    async def drain(self, workers: Sequence[WorkerLife]) -> None:
        """Everything goes its way, by the relay's own loop and the workers'."""
        database: Database = self.publisher.database
        relay = asyncio.create_task(Relay(database, "", self.publisher.name).run())
        async with asyncio.timeout(20):
            while not relay.done() and await self.look(self.publisher, "SELECT FROM outbox LIMIT 1"):  # noqa: ASYNC110  # a table tells no one
                await asyncio.sleep(0.001)
        relay.cancel()
        await asyncio.wait([relay])
        if not relay.cancelled():
            relay.result()
        for worker in workers:
            while await worker.redrive() or await self._behind(worker):
                await worker.step(500)

    async def _behind(self, worker: WorkerLife) -> bool:
        loop = worker.loop
        return loop.owned is not worker.consumer.assignment() or any(
            self.log.end(place) != loop.next[place] for place in worker.consumer.assignment()
        )


def _emptied(*tables: str) -> list[str]:
    return [f"DELETE FROM {table}" for table in tables]
