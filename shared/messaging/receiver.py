"""What everyone who reads the topics does alike: offsets fenced, records opened, what is no event buried, all counted.

The fast way takes a batch as a whole. If that fails, everything is rolled back and the batch is taken carefully.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import structlog

from shared import clock, instruments
from shared.contracts import EVENTS
from shared.contracts.envelope import Meta, Undecodable, decode
from shared.database import Database, Transaction
from shared.messaging import offsets
from shared.messaging.consumer import Batch
from shared.messaging.kafka import ConsumerRecord, TopicPartition
from shared.messaging.offsets import Ends, Fenced
from shared.messaging.parking import Letter
from shared.sqlerrors import transient

log = structlog.get_logger()

DEAD_SAMPLE = 65_536


class Receiver(ABC):
    """A Store: `publishers` says for each topic who speaks there."""

    def __init__(self, database: Database, publishers: Mapping[str, str], dead_topic: str) -> None:
        self._database = database
        self._publishers = publishers
        self._dead_topic = dead_topic

    async def load(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        async with self._database.transaction() as tx:
            return await offsets.load(tx.session, partitions)

    async def apply(self, ends: Ends, batch: Batch) -> None:
        try:
            await self._apply(ends, batch, careful=False)
        except Fenced:
            raise
        except Exception as error:
            if transient(error):
                raise
            await self._apply(ends, batch, careful=True)

    async def _apply(self, ends: Ends, batch: Batch, *, careful: bool) -> None:
        async with self._database.transaction() as tx:
            await offsets.fence(tx.session, ends)
            letters = [letter for record in _in_order(batch) if (letter := self._open(tx, record))]
            await self.take(tx, letters, careful=careful)

    @abstractmethod
    async def take(self, tx: Transaction, letters: Sequence[Letter], *, careful: bool) -> None:
        """Apply a batch. When `careful`, one that fails may cost nobody but itself."""

    def _open(self, tx: Transaction, record: ConsumerRecord) -> Letter | None:
        try:
            return open_record(record, self._publishers[record.topic])
        except Undecodable as error:
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
    """How long an event took from its department to us."""
    seconds = (clock.utc_now() - meta.recorded).total_seconds()
    instruments.handoff.labels(instruments.service).observe(max(0.0, seconds))


def _in_order(batch: Batch) -> list[ConsumerRecord]:
    """In the order of each partition; between topics there is none, and no handler may rely on one."""
    return [record for place in sorted(batch) for record in batch[place]]
