"""Does every reader know what every publisher told: number by number, whatever the topics and alerts say?

Both sides keep the last number of every stream. A reader that lacks one although it stands at the end of the log has
lost it; a publisher that is below what others heard has forgotten acts, as after a restore.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import asyncpg

from deploy.local.checks.finding import Finding, Silent, System, bad, ok, warning
from deploy.local.ports import SERVICES
from shared.messaging.kafka import PARTITIONS, KafkaError, TopicPartition, open_reader

EXAMPLES = 3
PATIENCE_SECONDS = 20.0
_TOLD = 'SELECT stream, last_sequence AS last FROM outbox_stream ORDER BY stream COLLATE "C"'
_HEARD = """
SELECT stream COLLATE "C" AS stream, max(last) AS last FROM (
    SELECT stream, {number} AS last FROM {table} WHERE source = $1
    UNION ALL SELECT stream, sequence FROM parked_event WHERE source = $1
    UNION ALL SELECT stream, sequence FROM dead_letter WHERE source = $1 AND stream IS NOT NULL
) AS x GROUP BY 1 ORDER BY 1
"""


@dataclass
class Difference:
    """Streams where one side has less than the other, some of them by name."""

    streams: int = 0
    examples: tuple[str, ...] = ()

    def add(self, stream: str, less: int, more: int) -> None:
        self.streams += 1
        if len(self.examples) < EXAMPLES:
            self.examples = (*self.examples, f"{stream} ({less} of {more})")

    def __str__(self) -> str:
        return f"{self.streams} journeys, as {', '.join(self.examples)}"


async def numbers(system: System) -> AsyncIterator[Finding]:
    """For each publisher and each of its readers."""
    for publisher in SERVICES:
        try:
            async with system.database(publisher) as told, told.transaction(isolation="repeatable_read", readonly=True):
                newest = await told.fetchval("SELECT max(id) FROM outbox")  # also fixes what is seen of the publisher
                if (ends := await _sent(system, publisher, newest)) is None:
                    yield warning(publisher, "what it told is not sent yet", "see OutboxNotSent in docs/runbook.md")
                    continue
                for reader in SERVICES:
                    if finding := await _pair(system, publisher, told, reader, ends):
                        yield finding
        except (Silent, asyncpg.UndefinedTableError):
            continue  # said of the database


async def _sent(system: System, publisher: str, newest: int | None) -> dict[int, int] | None:
    """Where its topic ends once all it has told by now is sent; None where that is not to be waited for."""
    stop = time.monotonic() + PATIENCE_SECONDS
    async with system.database(publisher) as now:
        while newest is not None and await now.fetchval("SELECT EXISTS (SELECT FROM outbox WHERE id <= $1)", newest):
            if time.monotonic() > stop:
                return None
            await asyncio.sleep(0.2)
    places = [TopicPartition(system.publishers[publisher], number) for number in range(PARTITIONS)]
    try:
        async with open_reader(system.kafka, "themodel-doctor") as reader:
            return {place.partition: end for place, end in (await reader.end_offsets(places)).items()}
    except (KafkaError, OSError) as error:
        raise Silent("kafka") from error


async def _pair(
    system: System, publisher: str, told: asyncpg.Connection, reader: str, ends: Mapping[int, int]
) -> Finding | None:
    topic, area = system.publishers[publisher], f"{publisher} → {reader}"
    async with system.database(reader) as heard:
        if not await heard.fetchval("SELECT count(*) FROM consumer_offset WHERE topic = $1", topic):
            return None
        if not await _arrived(heard, topic, ends):
            return warning(area, "what was told has not arrived yet", "ask again when the readers have caught up")
        missing = await _less(told, heard, reader, publisher, of_reader=True)
        if missing.streams:
            advice = "`themodel where <journey>` says where it is; `themodel replay kpi` reads a topic again"
            return bad(area, f"{reader} lacks the newest numbers of {missing}", advice)
        async with heard.transaction(isolation="repeatable_read", readonly=True), system.database(publisher) as now:
            await heard.fetchval("SELECT 1")
            forgotten = await _less(now, heard, reader, publisher, of_reader=False)
    if forgotten.streams:
        advice = "a restored database catches up as its relay starts: start it; if it runs, its acts of then are lost"
        return bad(area, f"{publisher} has forgotten numbers that {reader} heard of {forgotten}", advice)
    return ok(area, "every number that was told is known")


async def _arrived(heard: asyncpg.Connection, topic: str, ends: Mapping[int, int]) -> bool:
    """Waits until the reader stands there."""
    stop = time.monotonic() + PATIENCE_SECONDS
    while True:
        rows = await heard.fetch("SELECT partition, next_offset FROM consumer_offset WHERE topic = $1", topic)
        standing = {row["partition"]: row["next_offset"] for row in rows}
        if all(standing.get(partition, 0) >= end for partition, end in ends.items()):
            return True
        if time.monotonic() > stop:
            return False
        await asyncio.sleep(0.2)


def _heard_by(reader: str) -> str:
    kpi = reader == "kpi"
    return _HEARD.format(
        number="highest" if kpi else "last_sequence", table="stream_state" if kpi else "applied_sequence"
    )


async def _less(
    told: asyncpg.Connection, heard: asyncpg.Connection, reader: str, publisher: str, *, of_reader: bool
) -> Difference:
    """Where the reader has less than the publisher (or the other way round), both walked through in one order."""
    found = Difference()
    async with AsyncExitStack() as stack:
        for connection in (told, heard):
            if not connection.is_in_transaction():
                await stack.enter_async_context(connection.transaction(readonly=True))
        ours = told.cursor(_TOLD, prefetch=5000).__aiter__()
        theirs = heard.cursor(_heard_by(reader), f"/{publisher}", prefetch=5000).__aiter__()
        one, other = await anext(ours, None), await anext(theirs, None)
        while one is not None or other is not None:
            stream = min(row["stream"] for row in (one, other) if row is not None)
            said = one["last"] if one is not None and one["stream"] == stream else 0
            known = other["last"] if other is not None and other["stream"] == stream else 0
            less, more = (known, said) if of_reader else (said, known)
            if less < more:
                found.add(stream, less, more)
            if said:
                one = await anext(ours, None)
            if known:
                other = await anext(theirs, None)
    return found
