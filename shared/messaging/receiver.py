"""What everyone who reads the topics does alike: offsets fenced, records opened, what is no event buried, all counted.

The fast way takes a batch as a whole. If that fails, everything is rolled back and the batch is taken carefully.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import orjson
import structlog

from shared import clock, failpoints, instruments
from shared.contracts import EVENTS
from shared.contracts.envelope import Meta, Undecodable, decode
from shared.database import Database, Transaction
from shared.line import Line
from shared.messaging import dead_letters, offsets
from shared.messaging.consumer import Batch
from shared.messaging.kafka import ConsumerRecord, TopicPartition
from shared.messaging.offsets import Ends, Fenced
from shared.messaging.parking import Letter, Stream
from shared.sqlerrors import transient

log = structlog.get_logger()

DEAD_SAMPLE = 65_536


class Receiver(ABC):
    """A Store: `publishers` says for each topic who speaks there."""

    ordered: ClassVar[bool] = True  # whether an event waits for those of its journey before it

    def __init__(self, database: Database, publishers: Mapping[str, str], dead_topic: str) -> None:
        self._database = database
        self._publishers = publishers
        self._dead_topic = dead_topic
        self._line: Line | None = None
        for publisher in publishers.values():
            instruments.clock_skew.labels(publisher)  # 0 until it is seen

    async def load(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        async with self._database.transaction() as tx:
            return await offsets.load(tx.session, partitions)

    async def standing(self) -> dict[tuple[str, int], int]:
        async with self._database.reading() as session:
            return await offsets.standing(session)

    async def apply(self, ends: Ends, batch: Batch) -> None:
        records = _in_order(batch)
        try:
            await self.take_all(ends, [open_record(record, self._publishers[record.topic]) for record in records])
        except Fenced:
            raise
        except Exception as error:
            if transient(error):
                raise
            await self._carefully(ends, records)

    async def _carefully(self, ends: Ends, records: Sequence[ConsumerRecord]) -> None:
        async with self._database.transaction() as tx:
            await offsets.fence(tx.session, ends)
            await self.take_each(tx, [letter for record in records if (letter := await self._open(tx, record))])

    @asynccontextmanager
    async def acting(self) -> AsyncIterator[Transaction]:
        """One act, on a connection kept for one batch after another."""
        async with self._database.transaction(line=await self._own_line()) as tx:
            yield tx
            failpoints.reach("consumer.before_commit")

    async def alone(self, statement: str, *arguments: Any) -> None:
        """A statement that is an act of its own, without a transaction around."""
        await (await self._own_line()).alone(statement, *arguments)

    async def _own_line(self) -> Line:
        if self._line is None or not self._line.holds():
            await self.close()
            self._line = await self._database.line()
        return self._line

    async def close(self) -> None:
        line, self._line = self._line, None
        if line:
            await line.close()

    @abstractmethod
    async def take_all(self, ends: Ends, letters: Sequence[Letter]) -> None:
        """Apply a batch in one transaction with the offsets it ends at, or raise and leave nothing behind."""

    @abstractmethod
    async def take_each(self, tx: Transaction, letters: Sequence[Letter]) -> None:
        """Apply a batch so that one that fails costs nobody but itself."""

    @abstractmethod
    async def take_again(self, tx: Transaction, stream: Stream) -> int:
        """Try what is parked of a journey once more, in its order; returns how many were applied."""

    async def take_again_unreadable(self, tx: Transaction, record: ConsumerRecord) -> None:
        """What could not be read once, and perhaps can be now. Raises Undecodable."""
        await self.take_each(tx, [open_record(record, self._publishers.get(record.topic, ""))])

    async def _open(self, tx: Transaction, record: ConsumerRecord) -> Letter | None:
        try:
            return open_record(record, self._publishers[record.topic])
        except Undecodable as error:
            await dead_letters.keep(tx, record, str(error))
            self._bury(tx, record, str(error))
            return None

    def _bury(self, tx: Transaction, record: ConsumerRecord, error: str) -> None:
        log.error("dead letter", topic=record.topic, partition=record.partition, offset=record.offset, error=error)
        payload = {
            "error": error,
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "key": (record.key or b"").hex(),
            "value": (record.value or b"")[:DEAD_SAMPLE].hex(),
            "headers": [[name, content.hex()] for name, content in record.headers],
        }
        tx.outbox.add_dead_letter(self._dead_topic, orjson.dumps(payload))
        tx.after_commit(lambda: instruments.dead_letters.labels(instruments.service).inc())
        tx.after_commit(lambda: count("unknown", "dead"))


def open_record(record: ConsumerRecord, publisher: str) -> Letter:
    """A record of the topic `publisher` speaks on. Raises Undecodable."""
    headers = list(record.headers)
    meta, data = decode(record.value, headers)
    if meta.publisher != publisher:
        raise Undecodable(f"{meta.source} does not speak on {record.topic}")
    if meta.sequence < 1:
        raise Undecodable("a sequence begins with 1")
    return Letter(meta, data, record.topic, record.partition, record.offset, record.value, headers)


def letter_of(row: Any) -> Letter:
    """A parked event, as it came."""
    headers = [(name, content.encode("latin-1")) for name, content in row.headers]
    meta, data = decode(row.value, headers)
    return Letter(meta, data, row.topic, row.partition, row.offset, row.value, headers)


def count(kind: str, outcome: str, number: int = 1) -> None:
    instruments.consumed.labels(instruments.service, kind if kind in EVENTS else "unknown", outcome).inc(number)


def waited(meta: Meta) -> None:
    """How long an event took from its department to us; what seems to come before it was told shows that one of the
    two clocks is wrong."""
    seconds = (clock.utc_now() - meta.recorded).total_seconds()
    instruments.handoff.labels(instruments.service).observe(max(0.0, seconds))
    instruments.clock_skew.labels(meta.publisher).set(max(0.0, -seconds))


def _in_order(batch: Batch) -> list[ConsumerRecord]:
    """In the order of each partition; between topics there is none, and no handler may rely on one."""
    return [record for place in sorted(batch) for record in batch[place]]
