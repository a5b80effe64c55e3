"""What must hold of a hand-off, against a plain list of what was committed."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar
from uuid import UUID, uuid5

from hypothesis.stateful import RuleBasedStateMachine, invariant

from shared import clock
from shared.contracts.envelope import Meta, Undecodable, decode, encode, with_sequence
from shared.contracts.marketing import LeadCreated
from shared.messaging.kafka import TopicPartition, partition_of
from tests.support.handoff import HEARD, PLACES, TOPIC, Bench, RelayLife, Word, WorkerLife

T = TypeVar("T")
Hearing = tuple[str, int, str]
"""The journey, the number and the word."""


class HandOffModel(RuleBasedStateMachine):
    """`committed` is the model: by journey, in order. `left` says how often what is rare may still happen in a run."""

    def __init__(self, runner: asyncio.Runner, bench: Bench, left: dict[str, int]) -> None:
        super().__init__()
        self.runner, self.bench, self.left = runner, bench, Counter(left)
        self._failed = False
        self.run(bench.begin())
        self.committed: defaultdict[str, list[Word]] = defaultdict(list)
        self.void: set[int] = set()  # words that Kafka refuses
        self.loaded: Counter[str] = Counter()  # another system's past, by journey
        self.garbage = 0
        self.gaps = False  # a row was taken away, for a while
        self.open: list[tuple[AsyncExitStack, list[Word]]] = []
        self.relays = [RelayLife(bench.publisher), RelayLife(bench.publisher)]
        self.workers = [WorkerLife(bench), WorkerLife(bench)]
        self.workers[0].consumer.assign(PLACES)
        self.last_word = 0

    def run(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        try:
            return self.runner.run(awaited())
        except BaseException:
            self._failed = True
            raise

    def words(self, told: Sequence[tuple[UUID, Any]]) -> list[Word]:
        found = [Word(key, kind, self.last_word + place) for place, (key, kind) in enumerate(told, 1)]
        self.last_word += len(found)
        return found

    def commit(self, words: Sequence[Word]) -> None:
        for word in words:
            self.committed[str(word.key)].append(word)

    def expected(self) -> dict[str, list[Hearing]]:
        """What is heard of each journey in the end."""
        found: defaultdict[str, list[Hearing]] = defaultdict(list)
        for key, words in self.committed.items():
            for number, word in enumerate(words, 1):
                if word.kind in HEARD and word.word not in self.void:
                    found[key].append((key, number, str(word.word)))
        return dict(found)

    async def stands(self) -> dict[TopicPartition, int]:
        rows = await self.bench.look(self.bench.reader, "SELECT partition, next_offset FROM consumer_offset")
        return {TopicPartition(TOPIC, partition): offset for partition, offset in rows}

    def sent(self) -> list[tuple[int, int, Meta]]:
        """What lies in the log and was told by the publisher: its partition and offset, and what it is."""
        found = []
        for record in self.bench.log.all(TOPIC):
            try:
                meta = decode(record.value, ())[0]
            except Undecodable:
                continue
            if meta.source == "/marketing" and meta.sequence > 0:
                found.append((record.partition, record.offset, meta))
        return found

    async def start(self, relay: RelayLife) -> None:
        """It takes out of the outbox what lies in the log behind where the last one had settled."""
        relay.end()
        bench, publisher = self.bench, self.bench.publisher
        settled = dict(await bench.look(publisher, "SELECT partition, next_offset FROM relay_offset"))
        await relay.start()
        since = {meta.id for number, offset, meta in self.sent() if offset >= settled.get(number, 0)}
        left = {str(found) for (found,) in await bench.look(publisher, "SELECT event_id FROM outbox")}
        assert not left & since, "it would send again what lies there"

    def write(self, key: UUID, value: bytes | None) -> None:
        self.bench.log.write(TopicPartition(TOPIC, partition_of(str(key))), str(key).encode(), value)

    @invariant()
    def what_was_heard_is_a_beginning_of_what_was_told(self) -> None:
        self.run(self._heard())

    async def _heard(self) -> dict[str, list[Hearing]]:
        assert not self.bench.in_disorder, "two of one journey were given to a handler together"
        heard: defaultdict[str, list[Hearing]] = defaultdict(list)
        rows = await self.bench.look(self.bench.reader, "SELECT key, sequence, id FROM heard ORDER BY n")
        for key, number, word in rows:
            heard[key].append((key, number, word))
        expected = self.expected()
        for key, found in heard.items():
            assert found == expected.get(key, [])[: len(found)], f"{key} was heard as {found}"
        return dict(heard)

    def teardown(self) -> None:
        try:
            if not self._failed:
                self.run(self._all_is_heard_in_the_end())
        finally:
            self.runner.run(self._end())

    async def _all_is_heard_in_the_end(self) -> None:
        """Nothing goes wrong any more."""
        bench = self.bench
        for stack, words in self.open:
            await stack.aclose()
            self.commit(words)
        self.open.clear()
        bench.broken.clear()
        bench.log.land()
        await bench.do(bench.publisher, "INSERT INTO outbox OVERRIDING SYSTEM VALUE SELECT * FROM aside")
        self.workers[0].consumer.assign(PLACES[:6])
        self.workers[1].consumer.assign(PLACES[6:])
        await bench.drain(self.workers)
        assert await self._heard() == self.expected()
        await self._books_agree()
        await self._nothing_waits()

    async def _books_agree(self) -> None:
        """Counters, numbers and offsets are those of the model and of the log; each effect told on once."""
        bench, reader = self.bench, self.bench.reader
        times = {key: len(found) for key, found in self.expected().items()}
        assert dict(await bench.look(reader, "SELECT key, times FROM tally")) == times
        told_on = await bench.look(reader, "SELECT stream FROM outbox WHERE stream IS NOT NULL")
        assert Counter(key for (key,) in told_on) == times
        last = {("/marketing", key): len(words) for key, words in self.committed.items() if words}
        last |= {("/load/crm/marketing", key): number for key, number in self.loaded.items()}
        found = await bench.look(reader, "SELECT source, stream, last_sequence FROM applied_sequence")
        assert {(source, stream): number for source, stream, number in found} == last
        assert await self.stands() == {place: bench.log.end(place) for place in PLACES}

    async def _nothing_waits(self) -> None:
        """And nothing lies in the log that was never told; what is no event is kept, each time it came."""
        bench, reader = self.bench, self.bench.reader
        assert await bench.look(bench.publisher, "SELECT FROM outbox") == []
        assert await bench.look(reader, "SELECT FROM parked_event") == []
        assert len(await bench.look(reader, "SELECT FROM dead_letter")) == self.garbage
        assert len(await bench.look(reader, "SELECT FROM outbox WHERE stream IS NULL")) == self.garbage
        numbers = {(key, number) for key, words in self.committed.items() for number in range(1, len(words) + 1)}
        ids, lasts = defaultdict(set), Counter[str]()
        for _, _, meta in self.sent():
            assert self.gaps or meta.sequence <= lasts[meta.key] + 1, "one came before the one before it"
            lasts[meta.key] = max(lasts[meta.key], meta.sequence)
            ids[meta.key, meta.sequence].add(meta.id)
        assert ids.keys() == numbers
        assert all(len(found) == 1 for found in ids.values()), "two events bear one number"

    async def _end(self) -> None:
        for relay in self.relays:
            relay.end()
        for worker in self.workers:
            await worker.end()
        for stack, _ in self.open:
            await stack.aclose()


def told_by(source: str, key: UUID, number: int) -> bytes:
    now = clock.utc_now()
    event_id = str(uuid5(key, f"{source} {number}"))
    meta = Meta(event_id, source, LeadCreated.type, now, now, str(key), number, replay_only=source.startswith("/load"))
    return with_sequence(encode(LeadCreated(lead_id=key, cycle=999), meta), number)
