"""The consumer loop: no listener, no lock around getmany, no pause.

A rebalance is seen as a new assignment object; then the offsets are read from the database and sought. Whatever is
left in a buffer or a zombie's hands is made harmless by the compare-and-set of `offsets.fence`. Measured reasons:
a lock taken in a listener and held around getmany deadlocks with aiokafka's rebalance; a cancelled getmany switches
max_poll_interval off; watchdogs that count an outage kill every worker just as the broker comes back.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import structlog

from shared import failpoints, instruments
from shared.messaging.kafka import (
    AIOKafkaConsumer,
    ConsumerRecord,
    KafkaError,
    TopicPartition,
    close_within,
    make_consumer,
)
from shared.messaging.offsets import Ends, Fenced, Hole
from shared.sqlerrors import transient

log = structlog.get_logger()

Batch = dict[TopicPartition, Sequence[ConsumerRecord]]
FIRST_BATCH, LARGEST_BATCH = 100, 500  # records; cheap ones may be followed by dear ones
SHORT_SECONDS, LONG_SECONDS = 0.5, 2.0  # of one batch; no batch may come near what the watch takes for stuck
STUCK_SECONDS = 15.0
WATCH_SECONDS, ANSWER_SECONDS = 2.0, 5.0  # how often the watch asks the broker, and how long it waits for the answer
KAFKA_COMMIT_SECONDS = 5.0


class Store(Protocol):
    """Where offsets and effects live together."""

    async def load(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The next offset of each partition, creating rows that are missing."""

    async def standing(self) -> dict[tuple[str, int], int]:
        """The next offset by topic and partition, as it stands now."""

    async def apply(self, ends: Ends, batch: Batch) -> None:
        """One transaction: fence, then effects. Raises Fenced."""

    async def close(self) -> None:
        """Nobody will apply anything more."""


class Loop:
    """Reads batches and hands them to the store until `stopping`. Raises what a person must look at."""

    def __init__(self, consumer: Any, store: Store, alive: Callable[[], None] = lambda: None) -> None:
        self.consumer, self.store, self.alive = consumer, store, alive
        self.owned: object = None
        self.next: dict[TopicPartition, int] = {}
        self.corrected: set[TopicPartition] = set()
        self.records = FIRST_BATCH
        self.stopping = False
        self.moved = time.monotonic()
        self.failures = 0

    async def run(self) -> None:
        while not self.stopping:
            try:
                await self.step()
            except Fenced:  # normal at a hand-over: read the offsets again
                instruments.fenced.inc()
                self.owned = None
            except Exception as error:
                if not transient(error):
                    raise
                self.owned, self.failures = None, self.failures + 1  # commit unknown too: the database decides
                log.warning("consumer waits", error=f"{type(error).__name__}: {error}"[:200], failures=self.failures)
                await asyncio.sleep(min(0.1 * 2 ** min(self.failures, 6), 5.0))

    async def step(self) -> None:
        assigned = self.consumer.assignment()  # a new object after every rebalance
        if assigned is not self.owned:
            offsets = await self.store.load(sorted(assigned))
            if self.consumer.assignment() is not assigned:
                return
            for partition, offset in offsets.items():  # no await between the check and the last seek
                self.consumer.seek(partition, offset)
            self.next, self.owned, self.corrected = offsets, assigned, set()
        records = await self.consumer.getmany(timeout_ms=200, max_records=self.records)  # never inside wait_for
        if self.consumer.assignment() is not self.owned:
            return  # rebalanced while waiting
        if batch := self.contiguous(records):
            ends = {place: (found[0].offset, found[-1].offset + 1) for place, found in batch.items()}
            failpoints.reach("consumer.after_read")
            begun = time.monotonic()
            await self.store.apply(ends, batch)
            failpoints.reach("consumer.after_apply")
            self.next.update({place: end for place, (_, end) in ends.items()})
            self.moved = time.monotonic()
            self.records = paced(self.records, sum(map(len, batch.values())), self.moved - begun)
        self.failures = 0
        self.alive()

    def contiguous(self, records: dict[TopicPartition, Sequence[ConsumerRecord]]) -> Batch:
        """Only records that begin exactly at our offset; one seek is tried before a hole is believed."""
        batch: Batch = {}
        for place, found in records.items():
            fresh = [record for record in found if record.offset >= self.next[place]]
            if not fresh:
                continue
            if fresh[0].offset == self.next[place]:
                batch[place] = fresh
                self.corrected.discard(place)
            elif place in self.corrected:
                raise Hole(f"{place.topic}/{place.partition} begins at {fresh[0].offset}, we are at {self.next[place]}")
            else:
                self.corrected.add(place)
                self.consumer.seek(place, self.next[place])
        return batch

    async def watch(self, stuck: float) -> None:
        """Returns when there was something to read and nothing moved for `stuck` seconds of working engines. Raises
        Hole when the log ends below where we are: it is not the one we read."""
        calm = time.monotonic()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            stood = dict(self.next)
            try:
                async with asyncio.timeout(ANSWER_SECONDS):  # not wait_for: Python 3.11's may lose a cancellation
                    ends = await self.consumer.end_offsets(list(stood))
            except (KafkaError, TimeoutError):
                ends = {}  # broker away: expected
            for place, end in ends.items():
                if end < stood[place]:  # aiokafka would go on at its beginning, and all of it look read
                    raise Hole(f"{place.topic}/{place.partition} ends at {end}, we are at {stood[place]}")
            behind = sum(max(0, end - self.next.get(place, end)) for place, end in ends.items())
            instruments.lag.labels(instruments.service).set(behind)
            now = time.monotonic()
            if self.failures or not behind:
                calm = now
            if now - max(calm, self.moved) > stuck:
                log.error("consumer does not move", behind=behind, seconds=round(now - self.moved))
                return
            await self._look_back(stood)

    async def _look_back(self, stood: dict[TopicPartition, int]) -> None:
        """A database that was restored, or lost its last commits in a crash, knows less than we have given it. While
        nothing new comes no batch of ours would find out, and what it has lost would wait for the next event."""
        try:
            standing = await self.store.standing()
        except Exception as error:
            if not transient(error):
                raise
            return  # the next look
        if any(standing.get((place.topic, place.partition), 0) < offset for place, offset in stood.items()):
            log.warning("consumer reads again what its database has lost")
            self.owned = None

    async def tell_kafka(self) -> None:
        """Kafka's own committed offsets, for lag tools only: late, bounded, errors ignored."""
        while True:
            await asyncio.sleep(KAFKA_COMMIT_SECONDS)
            with contextlib.suppress(Exception):
                mine = {p: o for p, o in self.next.items() if p in self.consumer.assignment() and o > 0}
                async with asyncio.timeout(3):
                    await self.consumer.commit(mine)


def paced(size: int, taken: int, seconds: float) -> int:
    """How many records the next batch may have, after `taken` of them took so long.

    A backlog of thousands is one transaction only where handlers are quick: one longer than the watch's patience would
    be rolled back and begun again for ever.
    """
    if seconds > LONG_SECONDS:
        return max(FIRST_BATCH // 10, size // 2)
    if seconds < SHORT_SECONDS and taken >= size:
        return min(LARGEST_BATCH, size * 2)
    return size


class Stuck(Exception):
    """A worker with something to do does nothing: build it anew."""


async def consume(
    servers: str,
    group: str,
    topics: Sequence[str],
    store: Store,
    alive: Callable[[], None] = lambda: None,
    *,
    gathers: bool = False,
) -> None:
    """Run one worker until cancelled; `alive` is called whenever it has looked for something to do. One that `gathers`
    hears a little later, and of more at once.

    Raises Stuck, Halted, or what a handler's surroundings cannot stand.
    """
    consumer = await _joined(servers, group, topics, gathers)
    loop = Loop(consumer, store, alive)
    side = [asyncio.create_task(loop.watch(STUCK_SECONDS)), asyncio.create_task(loop.tell_kafka())]
    running = asyncio.create_task(loop.run())
    try:
        await asyncio.wait([running, side[0]], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        else:
            side[0].result()
            raise Stuck("lag and no progress")
    finally:
        loop.stopping = True
        for task in side:
            task.cancel()
        await asyncio.wait([running], timeout=2)
        running.cancel()
        await close_within(3, store.close(), consumer.stop())


async def _joined(servers: str, group: str, topics: Sequence[str], gathers: bool) -> AIOKafkaConsumer:
    """A started member; a broker that is away is waited for, with a new client each time."""
    pause = 0.1
    while True:
        consumer = make_consumer(servers, group, group, gathers=gathers)
        consumer.subscribe(list(topics))
        try:
            await consumer.start()
            return consumer
        except (KafkaError, OSError) as error:
            log.warning("consumer waits for the broker", error=str(error)[:200])
            await close_within(3, consumer.stop())
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)
        except BaseException:  # cancelled: left alone, it would stay a member whose partitions nobody reads
            await close_within(3, consumer.stop())
            raise
