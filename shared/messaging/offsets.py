"""Where a consumer stands is a row of its own database, moved by compare-and-set in the transaction of the effects.

The group only hands out partitions; a worker that no longer owns one is refused here, whatever it believes.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, Table, Text, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.messaging.kafka import TopicPartition
from shared.messaging.outbox import plumbing

consumer_offset = Table(
    "consumer_offset",
    plumbing,
    Column("partition", Integer, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
)

Ends = Mapping[TopicPartition, tuple[int, int]]
"""For each partition of a batch: the offset expected (its first record's) and the one after its last."""


class Fenced(Exception):
    """Our expected offset was wrong: another worker moved it, or the database went back."""


class Halted(Exception):
    """Going on would lose events or do harm with each of them: a person must look. Nothing was moved."""


class Hole(Halted):
    """The log does not hold our offset any more (retention, truncation, a new topic)."""


_LOAD = text("""
WITH asked AS (SELECT * FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS int[])) AS a(topic, partition)),
made AS (
    INSERT INTO consumer_offset (partition, topic, next_offset)
    SELECT partition, topic, 0 FROM asked ORDER BY partition, topic ON CONFLICT DO NOTHING
)
SELECT 1
""")
_READ = text("""
SELECT o.topic, o.partition, o.next_offset FROM consumer_offset o
JOIN unnest(CAST(:topics AS text[]), CAST(:partitions AS int[])) AS a(topic, partition) USING (topic, partition)
ORDER BY o.partition, o.topic FOR SHARE OF o
""")
# All topics' rows of the batch's partition numbers are locked, so that two owners of different topics of one number
# cannot touch the same journey at once.
_FENCE = text("""
WITH moved AS (
    SELECT * FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS int[]), CAST(:expected AS bigint[]),
                         CAST(:new AS bigint[])) AS m(topic, partition, expected, new)
), locked AS MATERIALIZED (
    SELECT 1 FROM consumer_offset WHERE partition = ANY(CAST(:partitions AS int[]))
    ORDER BY partition, topic FOR UPDATE
), updated AS (
    UPDATE consumer_offset o SET next_offset = m.new FROM moved m
    WHERE (SELECT count(*) FROM locked) > 0
      AND o.topic = m.topic AND o.partition = m.partition AND o.next_offset = m.expected
    RETURNING 1
)
SELECT count(*) FROM updated
""")


def _places(partitions: Iterable[TopicPartition]) -> dict[str, Any]:
    ordered = sorted(partitions)
    return {"topics": [p.topic for p in ordered], "partitions": [p.partition for p in ordered]}


async def load(session: AsyncSession, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """The next offset of each partition; waits for a predecessor's batch that is still open."""
    places = _places(partitions)
    await session.execute(_LOAD, places)
    rows = await session.execute(_READ, places)
    return {TopicPartition(topic, partition): offset for topic, partition, offset in rows}


async def standing(session: AsyncSession) -> dict[tuple[str, int], int]:
    """The next offset by topic and partition; a topic nobody here ever read is left out."""
    rows = await session.execute(text("SELECT topic, partition, next_offset FROM consumer_offset"))
    return {(topic, number): offset for topic, number, offset in rows}


async def fence(session: AsyncSession, ends: Ends) -> None:
    """Move the offsets, as the first statement of a batch. Raises Fenced when any is not where we expect it."""
    places = _places(ends)
    ordered = sorted(ends)
    connection = await session.connection()
    moved = await connection.scalar(
        _FENCE, {**places, "expected": [ends[p][0] for p in ordered], "new": [ends[p][1] for p in ordered]}
    )
    if moved != len(ends):
        raise Fenced(f"{moved} of {len(ends)} partitions are where this worker expects them")
