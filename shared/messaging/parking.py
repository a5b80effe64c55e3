"""What cannot be applied yet waits here, per stream and in order: a gap, or an event whose handler failed.

One rule does both: an event is applied only if its number follows the last one applied. A failed event leaves the
last number where it was, so everything later of its stream parks behind it by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import BigInteger, Column, DateTime, Integer, LargeBinary, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.envelope import Meta
from shared.messaging.outbox import plumbing

GAP = "gap"
POISON = "poison"

applied_sequence = Table(
    "applied_sequence",
    plumbing,
    Column("source", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("last_sequence", BigInteger, nullable=False),
    postgresql_with={"fillfactor": 70},
)
parked_event = Table(
    "parked_event",
    plumbing,
    Column("source", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("reason", Text, nullable=False),
    Column("error", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("parked_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
)

_LAST = text("""
SELECT a.source, a.stream, a.last_sequence FROM applied_sequence a
JOIN unnest(CAST(:sources AS text[]), CAST(:streams AS text[])) AS x(source, stream) USING (source, stream)
""")
_SAVE = text("""
INSERT INTO applied_sequence AS a (source, stream, last_sequence)
SELECT * FROM unnest(CAST(:sources AS text[]), CAST(:streams AS text[]), CAST(:numbers AS bigint[]))
ORDER BY 1, 2
ON CONFLICT (source, stream) DO UPDATE SET last_sequence = greatest(a.last_sequence, excluded.last_sequence)
""")
_PARK = text("""
INSERT INTO parked_event AS p
    (source, stream, sequence, topic, partition, "offset", type, value, headers, reason, error, attempts)
VALUES (:source, :stream, :sequence, :topic, :partition, :offset, :type, :value, CAST(:headers AS jsonb), :reason,
        :error, 1)
ON CONFLICT (source, stream, sequence) DO UPDATE
SET reason = excluded.reason, error = excluded.error, attempts = p.attempts + 1
""")
_WAITING = text("""
SELECT source, stream, sequence, topic, partition, "offset", type, value, headers FROM parked_event
WHERE source = :source AND stream = :stream AND sequence >= :sequence ORDER BY sequence LIMIT 500 FOR UPDATE
""")
_PARKED = text("""
SELECT DISTINCT p.source, p.stream FROM parked_event p
JOIN unnest(CAST(:sources AS text[]), CAST(:streams AS text[])) AS x(source, stream) USING (source, stream)
""")
_UNPARK = text("DELETE FROM parked_event WHERE source = :source AND stream = :stream AND sequence <= :sequence")
_HEADS = text("""
SELECT p.source, p.stream FROM parked_event p
LEFT JOIN applied_sequence a USING (source, stream)
WHERE p.sequence = coalesce(a.last_sequence, 0) + 1 ORDER BY p.parked_at LIMIT 200
""")

Stream = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Letter:
    """One decoded record: where it lay, what it says, and its original bytes."""

    meta: Meta
    data: dict[str, Any]
    topic: str
    partition: int
    offset: int
    value: bytes
    headers: Sequence[tuple[str, bytes]]


async def last_sequences(session: AsyncSession, streams: Sequence[Stream]) -> dict[Stream, int]:
    """The last number applied of each stream; 0 where none was."""
    unique = sorted(set(streams))
    rows = await session.execute(_LAST, {"sources": [s for s, _ in unique], "streams": [k for _, k in unique]})
    return dict.fromkeys(unique, 0) | {(source, stream): last for source, stream, last in rows}


async def save_sequences(session: AsyncSession, last: dict[Stream, int]) -> None:
    moved = sorted(last)
    if moved:
        await session.execute(
            _SAVE,
            {
                "sources": [source for source, _ in moved],
                "streams": [stream for _, stream in moved],
                "numbers": [last[key] for key in moved],
            },
        )


async def park(session: AsyncSession, letter: Letter, reason: str, error: str | None = None) -> None:
    """Put an event aside with its original bytes; parking it again counts another attempt."""
    await session.execute(
        _PARK,
        {
            "source": letter.meta.source,
            "stream": letter.meta.key,
            "sequence": letter.meta.sequence,
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.offset,
            "type": letter.meta.type,
            "value": letter.value,
            "headers": orjson.dumps([[name, content.decode("latin-1")] for name, content in letter.headers]).decode(),
            "reason": reason,
            "error": error,
        },
    )


async def parked_among(session: AsyncSession, streams: Sequence[Stream]) -> set[Stream]:
    """Those streams of which anything is parked: hardly ever one."""
    unique = sorted(set(streams))
    rows = await session.execute(_PARKED, {"sources": [s for s, _ in unique], "streams": [k for _, k in unique]})
    return {(source, stream) for source, stream in rows}


async def waiting(session: AsyncSession, stream: Stream, after: int) -> list[Any]:
    """The parked events of a stream that directly follow number `after`, in order, without a gap between them."""
    rows = await session.execute(_WAITING, {"source": stream[0], "stream": stream[1], "sequence": after + 1})
    found: list[Any] = []
    for row in rows:
        if row.sequence != after + 1 + len(found):
            break
        found.append(row)
    return found


async def unpark(session: AsyncSession, stream: Stream, through: int) -> None:
    await session.execute(_UNPARK, {"source": stream[0], "stream": stream[1], "sequence": through})


async def heads(session: AsyncSession) -> list[Stream]:
    """Streams whose next number is parked: a mended handler could go on with them."""
    return [(source, stream) for source, stream in await session.execute(_HEADS)]
