"""What cannot be applied yet waits here, per stream and in order: a gap, or an event whose handler failed.

One rule does both: an event is applied only if its number follows the last one applied. A failed event leaves the
last number where it was, so everything later of its stream parks behind it by itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import BigInteger, Column, DateTime, Integer, LargeBinary, Table, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.envelope import Meta
from shared.database import Transaction
from shared.messaging.offsets import Halted
from shared.messaging.outbox import plumbing

PARKED_LIMIT = 1_000  # streams; so many at once are a bug in code and not in data

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
    Column("id", Uuid, nullable=False, unique=True, server_default=func.gen_random_uuid()),
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

_STANDING = """
SELECT x.source, x.stream, coalesce(a.last_sequence, 0) AS last, EXISTS (
    SELECT FROM parked_event p WHERE p.source = x.source AND p.stream = x.stream
) AS parked
FROM unnest($1::text[], $2::text[]) AS x(source, stream) LEFT JOIN applied_sequence a USING (source, stream)
"""
_SAVE = """
INSERT INTO applied_sequence AS a (source, stream, last_sequence)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) ORDER BY 1, 2
ON CONFLICT (source, stream) DO UPDATE SET last_sequence = greatest(a.last_sequence, excluded.last_sequence)
"""
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
_UNPARK = text("DELETE FROM parked_event WHERE source = :source AND stream = :stream AND sequence <= :sequence")
_HEADS = text("""
SELECT p.source, p.stream FROM parked_event p
LEFT JOIN applied_sequence a USING (source, stream)
WHERE p.sequence = coalesce(a.last_sequence, 0) + 1 ORDER BY p.parked_at LIMIT 200
""")

Stream = tuple[str, str]


class TooManyParked(Halted):
    """Every event fails: applying more would only park them all."""


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


async def standing(tx: Transaction, streams: Iterable[Stream]) -> tuple[dict[Stream, int], set[Stream]]:
    """The last number applied of each stream, 0 where none was, and those of which anything is parked: hardly any."""
    unique = sorted(set(streams))
    rows = await tx.fetch(_STANDING, [source for source, _ in unique], [stream for _, stream in unique])
    last = {(row["source"], row["stream"]): row["last"] for row in rows}
    return last, {(row["source"], row["stream"]) for row in rows if row["parked"]}


async def save_sequences(tx: Transaction, last: Mapping[Stream, int]) -> None:
    moved = sorted(last)
    if moved:
        numbers = [last[stream] for stream in moved]
        await tx.fetch(_SAVE, [source for source, _ in moved], [stream for _, stream in moved], numbers)


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


async def refuse_too_many(tx: Transaction) -> None:
    """To be asked after something was parked. Raises TooManyParked."""
    ((streams,),) = await tx.fetch("SELECT count(*) FROM (SELECT DISTINCT source, stream FROM parked_event) AS s")
    if streams > PARKED_LIMIT:
        raise TooManyParked(f"{streams} journeys would wait: mend what fails in their events first")


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
