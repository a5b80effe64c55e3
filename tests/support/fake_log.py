"""A log in memory that does what a real one does on its worst days: Kafka's part in tests of what surrounds it."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from aiokafka.errors import KafkaConnectionError, NodeNotReadyError, RequestTimedOutError

from shared.messaging.kafka import PARTITIONS, ConsumerRecord, MessageSizeTooLargeError, Outgoing, TopicPartition

WELL, UNHEARD, REFUSED, HALF, TWICE, HUNG = "well", "unheard", "refused", "half", "twice", "hung"
MOODS = (WELL, UNHEARD, REFUSED, HALF, TWICE, HUNG)
"""What becomes of a send: accepted; accepted, but the acknowledgement is lost; refused; some partitions accept it;
accepted twice; given up by the sender, and accepted later."""


class FakeLog:
    """Topics of 12 partitions, kept for ever. `moods` are those of the next sends; then all is well."""

    def __init__(self) -> None:
        self.records: defaultdict[TopicPartition, list[ConsumerRecord]] = defaultdict(list)
        self.moods: list[str] = []
        self.hung: list[Sequence[Outgoing]] = []
        self.too_large: set[int] = set()  # outbox rows that the topic refuses until they are void

    def write(
        self, place: TopicPartition, key: bytes | None, value: bytes | None, headers: Iterable[object] = ()
    ) -> int:
        """Returns the offset after it."""
        offset = len(self.records[place])
        self.records[place].append(ConsumerRecord(*place, offset, 0, 0, key, value, None, 0, 0, tuple(headers)))
        return offset + 1

    def take(self, rows: Iterable[Outgoing]) -> dict[tuple[str, int], int]:
        """Returns where each partition written to ends."""
        ends: dict[tuple[str, int], int] = {}
        for row in rows:
            key = row.key.encode() if row.key is not None else None
            ends[row.topic, row.partition] = self.write(
                TopicPartition(row.topic, row.partition), key, row.value, row.headers
            )
        return ends

    def land(self) -> None:
        """What senders gave up arrives after all."""
        hung, self.hung = self.hung, []
        for rows in hung:
            self.take(rows)

    def repeat(self) -> None:
        """Everything once more, as after a mirror or a restore of the brokers."""
        for place, records in list(self.records.items()):
            for record in list(records):
                self.write(place, record.key, record.value, record.headers)

    def end(self, place: TopicPartition) -> int:
        return len(self.records[place])

    def all(self, topic: str) -> list[ConsumerRecord]:
        return [record for number in range(PARTITIONS) for record in self.records[TopicPartition(topic, number)]]

    def sender(self, _: str, __: str) -> "FakeSender":
        """In the place of `Sender`."""
        return FakeSender(self)

    @asynccontextmanager
    async def reader(self, _: str, __: str) -> "AsyncIterator[FakeConsumer]":
        """In the place of `open_reader`."""
        yield FakeConsumer(self)


class FakeSender:
    """As `Sender`: rows in their order, or an error after which nothing may be taken as unsent."""

    def __init__(self, log: FakeLog) -> None:
        self._log = log

    async def send(self, rows: Sequence[Outgoing]) -> dict[tuple[str, int], int]:
        await asyncio.sleep(0)
        log = self._log
        if log.too_large & {row.id for row in rows if not row.type.endswith(".voided.v1")}:
            raise MessageSizeTooLargeError
        mood = log.moods.pop(0) if log.moods else WELL
        if mood == REFUSED:
            raise NodeNotReadyError
        if mood == HUNG:
            log.hung.append(rows)
            raise RequestTimedOutError
        if mood == HALF:
            places = sorted({row.partition for row in rows})
            log.take(row for row in rows if row.partition in places[::2])
            raise KafkaConnectionError
        ends = log.take(rows)
        if mood == UNHEARD:
            raise KafkaConnectionError
        if mood == TWICE:
            ends = log.take(rows)
        return ends

    async def close(self) -> None:
        """Nothing is held."""


class FakeConsumer:
    """A member of a group, or a reader outside one: what it is assigned somebody else decides, and it may not know."""

    def __init__(self, log: FakeLog) -> None:
        self._log = log
        self._assigned: frozenset[TopicPartition] = frozenset()
        self._at: dict[TopicPartition, int] = {}

    def assign(self, places: Iterable[TopicPartition]) -> None:
        """A new object each time, also where it is told the same: that is how a rebalance is seen."""
        self._assigned = frozenset(list(places))
        self._at = dict.fromkeys(self._assigned, 0)

    def assignment(self) -> frozenset[TopicPartition]:
        return self._assigned

    def seek(self, place: TopicPartition, offset: int) -> None:
        self._at[place] = offset

    def slip(self, place: TopicPartition, by: int) -> None:
        """It goes on elsewhere than it was told: a buffer filled before a seek."""
        self._at[place] = min(max(0, self._at[place] + by), self._log.end(place))

    async def position(self, place: TopicPartition) -> int:
        return self._at[place]

    async def beginning_offsets(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 0)

    async def end_offsets(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {place: self._log.end(place) for place in places}

    async def getmany(self, *, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[ConsumerRecord]]:
        """At once, whatever there is."""
        await asyncio.sleep(0)
        found: dict[TopicPartition, list[ConsumerRecord]] = {}
        for place in sorted(self._at):
            some = self._log.records[place][self._at[place] :][: max_records - sum(map(len, found.values()))]
            if some:
                found[place] = some
                self._at[place] += len(some)
        return found
