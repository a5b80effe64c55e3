"""The Kafka room: the only place that knows aiokafka, with a guard for each of its measured traps.

A1  one refused or failed batch leaves the idempotent producer's numbers wrong: any error ends the producer.
A2  sequence numbers wrap after 2^31 records of a partition: a producer is renewed by age and by count.
A3  cancelling a send does not un-send it, and stop() can hang while the broker is away or swallow a cancellation:
    stopping is bounded and never cancelled.
A7  a rebalance asks every assignor in turn: exactly one is configured.
A9  one batch per partition and request: batches are large.
A10 unsafe defaults (latest, auto-commit, slow metadata): none is left to the default.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, TopicAlreadyExistsError
from aiokafka.partitioner import murmur2

from shared.contracts.envelope import CONTENT_TYPE

log = structlog.get_logger()

PARTITIONS = 12
BATCH_BYTES = 786_432
RENEW_AFTER_SECONDS = 24 * 3600
RENEW_AFTER_RECORDS = 1_000_000_000
SEND_TIMEOUT = 15.0
CLOSE_TIMEOUT = 5.0
KEPT_FOR_EVER = {
    "retention.ms": "-1",
    "cleanup.policy": "delete",
    "max.message.bytes": "1048588",
    "message.timestamp.type": "LogAppendTime",  # a sender's stamp is refused when it is an hour ahead
}

__all__ = [
    "PARTITIONS",
    "AIOKafkaConsumer",
    "ConsumerRecord",
    "KafkaError",
    "MessageSizeTooLargeError",
    "Outgoing",
    "Sender",
    "TopicPartition",
    "close_within",
    "ensure_topics",
    "make_consumer",
    "open_reader",
    "partition_of",
    "read_spans",
    "whole_log",
]


@lru_cache(maxsize=65_536)
def partition_of(key: str) -> int:
    """Java's partition of a key. Cached: aiokafka's murmur2 is pure Python and takes 8 µs."""
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % PARTITIONS)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record on its way; `id` is its outbox row."""

    id: int
    topic: str
    key: str | None
    type: str
    traceparent: str | None
    value: bytes

    @property
    def partition(self) -> int:
        return partition_of(self.key) if self.key is not None else 0

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        trace = [("traceparent", self.traceparent.encode())] if self.traceparent else []
        return [("content-type", CONTENT_TYPE), ("ce_type", self.type.encode()), *trace]


class Sender:
    """An idempotent producer that is thrown away after any error. One at a time per service: the relay's."""

    def __init__(self, servers: str, client: str) -> None:
        self._servers = servers
        self._client = client
        self._producer: AIOKafkaProducer | None = None
        self._born = 0.0
        self._sent = 0

    async def send(self, rows: Sequence[Outgoing]) -> dict[tuple[str, int], int]:
        """Send rows in their order; returns the next offset of each (topic, partition) written to.

        Raises whatever went wrong: nothing may then be taken as unsent, and the producer is gone.
        """
        try:
            producer = await self._ready()
            async with asyncio.timeout(SEND_TIMEOUT):
                results = await asyncio.gather(*await self._enqueue(producer, rows))
        except BaseException:
            await self.close()
            raise
        self._sent += len(rows)
        ends: dict[tuple[str, int], int] = {}
        for metadata, count in results:
            place = metadata.topic, metadata.partition
            ends[place] = max(ends.get(place, 0), metadata.offset + count)
        return ends

    async def _enqueue(
        self, producer: AIOKafkaProducer, rows: Sequence[Outgoing]
    ) -> list[Coroutine[Any, Any, tuple[Any, int]]]:
        groups: dict[tuple[str, int], list[Outgoing]] = {}
        for row in rows:
            groups.setdefault((row.topic, row.partition), []).append(row)
        futures = []
        now = int(time.time() * 1000)  # where the broker does not stamp itself it refuses the future: not the event's
        for (topic, partition), found in groups.items():
            batch, count = producer.create_batch(), 0
            for row in found:
                key = row.key.encode() if row.key is not None else None
                if batch.append(key=key, value=row.value, timestamp=now, headers=row.headers) is None:
                    if not count:
                        raise MessageSizeTooLargeError(f"{row.type} has {len(row.value)} bytes")
                    futures.append(_counted(await producer.send_batch(batch, topic, partition=partition), count))
                    batch, count = producer.create_batch(), 0
                    batch.append(key=key, value=row.value, timestamp=now, headers=row.headers)
                count += 1
            futures.append(_counted(await producer.send_batch(batch, topic, partition=partition), count))
        return futures

    async def _ready(self) -> AIOKafkaProducer:
        old = time.monotonic() - self._born > RENEW_AFTER_SECONDS or self._sent > RENEW_AFTER_RECORDS
        if self._producer and old:
            await self.close()
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._servers,
                client_id=self._client,
                acks="all",
                enable_idempotence=True,
                linger_ms=0,
                max_batch_size=BATCH_BYTES,
                max_request_size=1_048_576,
                request_timeout_ms=10_000,
                retry_backoff_ms=50,
                metadata_max_age_ms=30_000,
            )
            self._producer, self._born, self._sent = producer, time.monotonic(), 0
            async with asyncio.timeout(SEND_TIMEOUT):
                await producer.start()
        return self._producer

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        await close_within(CLOSE_TIMEOUT, producer.stop())  # what was accepted may still land: a duplicate, and dropped


_closing: set[asyncio.Future[None]] = set()  # nothing else would keep them


async def close_within(seconds: float, *closings: Coroutine[Any, Any, None]) -> None:
    """Waits no longer than that for clients to close; one that is late, as while its broker is away, goes on by itself.

    Never cancelled: aiokafka's `stop` takes a cancellation for that of a task it waits for, and goes on without it, so
    that neither a time limit nor an ending worker's own cancellation would come through.
    """
    tasks = {asyncio.ensure_future(each) for each in closings}
    _closing.update(tasks)
    for task in tasks:
        task.add_done_callback(_closed)
    await asyncio.wait(tasks, timeout=seconds)


def _closed(task: "asyncio.Future[None]") -> None:
    _closing.discard(task)
    if not task.cancelled() and (error := task.exception()):
        log.info("a client did not close well", error=f"{type(error).__name__}: {error}"[:200])


async def _counted(future: "asyncio.Future[Any]", count: int) -> tuple[Any, int]:
    return await future, count


async def ensure_topics(
    servers: str, topics: Sequence[str], replication: int = 1, config: Mapping[str, str] = KEPT_FOR_EVER
) -> None:
    """Create what is missing, with 12 partitions. An existing topic is left as it is.

    With three replicas or more, two must have a record before it counts as acknowledged: by Kafka's default one would
    do, and what it alone has dies with it.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=10_000)
    await admin.start()
    try:
        missing = set(topics) - set(await admin.list_topics())
        demanded = {**config, **({"min.insync.replicas": "2"} if replication >= 3 else {})}
        new = [NewTopic(name, PARTITIONS, replication, topic_configs=demanded) for name in sorted(missing)]
        if new:
            try:
                await admin.create_topics(new)
            except TopicAlreadyExistsError:
                return  # another service was faster
    finally:
        await close_within(CLOSE_TIMEOUT, admin.close())


def make_consumer(servers: str, group: str, client: str, *, gathers: bool = False) -> AIOKafkaConsumer:
    """A member of `group`. Subscribe before starting it: until then `assignment()` is a new object each time.

    One that `gathers` is not woken by each record: the broker keeps what comes within a fifth of a second together.
    """
    return AIOKafkaConsumer(
        bootstrap_servers=servers,
        group_id=group,
        client_id=client,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        partition_assignment_strategy=(RangePartitionAssignor,),
        session_timeout_ms=3_000,
        heartbeat_interval_ms=500,
        rebalance_timeout_ms=10_000,
        request_timeout_ms=15_000,  # a frozen broker costs so long; above the rebalance, which is one request too
        max_poll_interval_ms=60_000,
        fetch_max_wait_ms=200 if gathers else 250,
        fetch_min_bytes=131_072 if gathers else 1,
        max_partition_fetch_bytes=1 << 20,
        metadata_max_age_ms=5_000,  # how long a broker that leads no more is still asked
    )


@asynccontextmanager
async def open_reader(servers: str, client: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer outside any group, for reading chosen partitions to a known end."""
    reader = AIOKafkaConsumer(
        bootstrap_servers=servers,
        client_id=client,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
        request_timeout_ms=10_000,
        metadata_max_age_ms=30_000,
    )
    try:
        await reader.start()
        yield reader
    finally:
        await close_within(CLOSE_TIMEOUT, reader.stop())


Spans = Mapping[TopicPartition, tuple[int, int]]
"""For each partition the first offset wanted and the one after the last."""


async def read_spans(reader: AIOKafkaConsumer, spans: Spans) -> AsyncIterator[Sequence[ConsumerRecord]]:
    """Every record of these spans, in batches of one partition each, by offset. `reader` is one of `open_reader`."""
    left = {place: span for place, span in spans.items() if span[0] < span[1]}
    reader.assign(list(left))
    for place, (begin, _) in left.items():
        reader.seek(place, begin)
    while [place for place, (_, end) in left.items() if await reader.position(place) < end]:
        for place, records in (await reader.getmany(timeout_ms=200, max_records=5000)).items():
            yield [record for record in records if record.offset < left[place][1]]


async def whole_log(
    reader: AIOKafkaConsumer, places: Sequence[TopicPartition]
) -> dict[TopicPartition, tuple[int, int]]:
    """Where these partitions begin and end now."""
    begins, ends = await reader.beginning_offsets(places), await reader.end_offsets(places)
    return {place: (begins[place], ends[place]) for place in places}
