"""Read topics again from their beginning, beside everyone who is reading them now."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog

from shared.contracts.envelope import Undecodable
from shared.messaging.kafka import PARTITIONS, TopicPartition, open_reader
from shared.messaging.parking import Letter
from shared.messaging.receiver import open_record

log = structlog.get_logger()

BATCH_RECORDS = 5000
WAIT_MS = 200

Position = Mapping[tuple[str, int], int]
"""For each topic and partition the offset after the last record."""


class Replay:
    """Reads on from where it stands; `publishers` says for each topic who speaks there."""

    def __init__(self, reader: Any, publishers: Mapping[str, str]) -> None:
        self._reader = reader
        self._publishers = publishers
        self._next: dict[tuple[str, int], int] = {}
        self._begin: dict[tuple[str, int], int] = {}
        self.unreadable = 0

    @property
    def taken(self) -> Position:
        """How far it has read, where it has read anything."""
        return {place: offset for place, offset in self._next.items() if offset > self._begin[place]}

    async def ends(self) -> Position:
        """Where the topics end now."""
        places = self._places()
        return {(p.topic, p.partition): end for p, end in (await self._reader.end_offsets(places)).items()}

    async def read(self, until: Position) -> AsyncIterator[list[Letter]]:
        """Every record up to `until` and none after it, in batches; what is no event of ours is only counted."""
        while self.behind(until):
            found = await self._reader.getmany(timeout_ms=WAIT_MS, max_records=BATCH_RECORDS)
            for place, records in found.items():
                begin, end = self._next[place.topic, place.partition], until.get((place.topic, place.partition), 0)
                fresh = [record for record in records if begin <= record.offset < end]
                if fresh:
                    begin = self._next[place.topic, place.partition] = fresh[-1].offset + 1
                if records[-1].offset >= begin:  # what comes after is read again when it is wanted
                    self._reader.seek(place, begin)
                if fresh:
                    yield [letter for record in fresh if (letter := self._open(record))]

    def behind(self, until: Position) -> int:
        """How many records are left."""
        return sum(max(0, end - self._next[place]) for place, end in until.items())

    async def begin(self) -> None:
        """Go to the first record there is."""
        places = self._places()
        self._reader.assign(places)
        for place, offset in (await self._reader.beginning_offsets(places)).items():
            self._reader.seek(place, offset)
            self._next[place.topic, place.partition] = self._begin[place.topic, place.partition] = offset

    def _places(self) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for topic in self._publishers for number in range(PARTITIONS)]

    def _open(self, record: Any) -> Letter | None:
        try:
            return open_record(record, self._publishers[record.topic])
        except Undecodable:
            self.unreadable += 1
            return None


@asynccontextmanager
async def replaying(servers: str, client: str, publishers: Mapping[str, str]) -> AsyncIterator[Replay]:
    """A replay at the beginning of its topics."""
    async with open_reader(servers, client) as reader:
        replay = Replay(reader, publishers)
        await replay.begin()
        yield replay
