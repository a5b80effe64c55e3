"""Dead letters as people see them: what this service could not take in, why, since when, and what became of it.

Four kinds. `parked`: an event that waits in `parked_event`, with everything later of its journey behind it.
`unreadable`: bytes that are no event of ours. `voided`: an event of our own that Kafka refused for ever. `discarded`:
what somebody decided to do without, and why; its number was passed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Integer,
    LargeBinary,
    Select,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    case,
    cast,
    func,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped

from shared.database import Transaction
from shared.errors import NotFound, Refused
from shared.line import fetch
from shared.messaging import parking
from shared.messaging.kafka import ConsumerRecord
from shared.messaging.outbox import outbox_dead, plumbing
from shared.messaging.parking import Stream, parked_event

dead_letter = Table(
    "dead_letter",
    plumbing,
    Column("id", Uuid, primary_key=True, server_default=func.gen_random_uuid()),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger),  # of a number that never came there is none
    Column("source", Text),
    Column("stream", Text),
    Column("sequence", BigInteger),
    Column("type", Text),
    Column("key", LargeBinary),
    Column("value", LargeBinary),
    Column("headers", JSONB, nullable=False),
    Column("error", Text),
    Column("found_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("discarded_at", DateTime(timezone=True)),
    Column("discarded_by", Text),
    Column("discarded_because", Text),
    UniqueConstraint("topic", "partition", "offset", name="uq_dead_letter_place"),
)

_KEEP = """
INSERT INTO dead_letter (topic, partition, "offset", key, value, headers, error)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7) ON CONFLICT ON CONSTRAINT uq_dead_letter_place DO NOTHING
"""
_DISCARD_PARKED = """
WITH gone AS (DELETE FROM parked_event WHERE id = $1 RETURNING *)
INSERT INTO dead_letter (id, topic, partition, "offset", source, stream, sequence, type, value, headers, error,
                         found_at, discarded_at, discarded_by, discarded_because)
SELECT id, topic, partition, "offset", source, stream, sequence, type, value, headers, error,
       parked_at, clock_timestamp(), $2, $3 FROM gone
ON CONFLICT ON CONSTRAINT uq_dead_letter_place DO UPDATE
SET discarded_at = excluded.discarded_at, discarded_by = excluded.discarded_by,
    discarded_because = excluded.discarded_because
"""
_MISSING = """
SELECT n FROM generate_series(
    1 + coalesce((SELECT last_sequence FROM applied_sequence WHERE source = $1 AND stream = $2), 0), $3::bigint - 1
) AS n WHERE NOT EXISTS (SELECT FROM parked_event WHERE source = $1 AND stream = $2 AND sequence = n)
ORDER BY n LIMIT 20
"""
_GIVE_UP = """
INSERT INTO dead_letter (topic, partition, source, stream, sequence, headers, error, discarded_at, discarded_by,
                         discarded_because)
SELECT $1, $2, $3, $4, n, '[]', 'it never came', clock_timestamp(), $6, $7 FROM unnest($5::bigint[]) AS n
"""
_HOLD = ("SELECT FROM parked_event WHERE id = $1 FOR UPDATE", "SELECT FROM dead_letter WHERE id = $1 FOR UPDATE")
_LEFT = """
SELECT count(*), (array_agg(coalesce(error, reason) ORDER BY sequence))[1] FROM parked_event
WHERE source = $1 AND stream = $2
"""
_DISCARD_UNREADABLE = """
UPDATE dead_letter SET discarded_at = clock_timestamp(), discarded_by = $2, discarded_because = $3
WHERE id = $1 AND discarded_at IS NULL
"""


class _Seen(DeclarativeBase):
    """Only read."""


def _columns(of: Table, kind: ColumnElement[str], **more: ColumnElement[Any]) -> Select[Any]:
    empty: dict[str, ColumnElement[Any]] = {
        "partition": cast(null(), Integer),
        "offset": cast(null(), BigInteger),
        "source": cast(null(), Text),
        "reason": cast(null(), Text),
        "attempts": cast(null(), Integer),
        "headers": cast(null(), JSONB),
        "key": cast(null(), LargeBinary),
        "discarded_at": cast(null(), DateTime(timezone=True)),
        "discarded_by": cast(null(), Text),
        "discarded_because": cast(null(), Text),
    }
    names = (
        *("id", "topic", "partition", "offset", "source", "sequence", "type", "key", "value", "headers", "error"),
        *("journey", "created_at", "reason", "attempts", "discarded_at", "discarded_by", "discarded_because"),
    )
    known = {**empty, **dict(of.c.items()), "journey": of.c.stream, **more}
    return select(kind.label("kind"), *(known[name].label(name) for name in names))


class DeadLetter(_Seen):
    """One of them, whichever kind it is."""

    __table__ = union_all(
        _columns(parked_event, literal("parked"), created_at=parked_event.c.parked_at, key=cast(null(), LargeBinary)),
        _columns(
            dead_letter,
            case((dead_letter.c.discarded_at.is_(None), "unreadable"), else_="discarded"),
            created_at=dead_letter.c.found_at,
        ),
        _columns(
            outbox_dead,
            literal("voided"),
            id=outbox_dead.c.event_id,
            value=outbox_dead.c.payload,
            created_at=outbox_dead.c.voided_at,
            key=cast(null(), LargeBinary),
        ),
    ).subquery("letter")
    __mapper_args__ = {"primary_key": [__table__.c.id]}  # noqa: RUF012  # SQLAlchemy's own name and form
    id: Mapped[UUID]
    kind: Mapped[str]
    created_at: Mapped[datetime]


async def keep(tx: Transaction, record: ConsumerRecord, error: str) -> None:
    """What cannot be read, as it came."""
    headers = orjson.dumps([[name, content.decode("latin-1")] for name, content in record.headers]).decode()
    place = record.topic, record.partition, record.offset
    await tx.fetch(_KEEP, *place, record.key, record.value, headers, error[:2000])


async def find(session: AsyncSession, letter_id: UUID, *, held: bool = False) -> Any:
    """The letter; `held` against anybody else who does something about its journey. Raises NotFound."""
    if held:
        for statement in _HOLD:
            await fetch(session, statement, letter_id)
    letter = await session.scalar(select(DeadLetter).where(DeadLetter.id == letter_id))
    if letter is None:
        raise NotFound("No dead letter has this id")
    return letter


async def left(tx: Transaction, stream: Stream) -> tuple[int, str | None]:
    """How many of a journey still wait, and what is wrong with the first of them."""
    ((waiting, error),) = await tx.fetch(_LEFT, *stream)
    return waiting, error


def record_of(letter: Any) -> ConsumerRecord:
    """An unreadable letter as the record it was."""
    headers = tuple((name, content.encode("latin-1")) for name, content in letter.headers)
    return ConsumerRecord(
        letter.topic, letter.partition, letter.offset, 0, 0, letter.key, letter.value, None, 0, 0, headers
    )


async def forget(tx: Transaction, letter: Any) -> None:
    """It was taken in after all."""
    await tx.fetch("DELETE FROM dead_letter WHERE id = $1", letter.id)


async def missing_before(session: AsyncSession, letter: Any) -> Sequence[int]:
    """The numbers of its journey that never came, the first twenty; empty when what precedes it waits too, or is
    applied."""
    rows = await fetch(session, _MISSING, letter.source, letter.journey, letter.sequence)
    return [row["n"] for row in rows]


async def discard(tx: Transaction, letter: Any, *, ordered: bool, by: str, because: str) -> Stream | None:
    """Do without it; where journeys are `ordered`, its number is passed. Gives the journey whose later events go on.

    Raises Refused for what does not wait any more, and for an event that another number of its journey precedes.
    """
    if letter.kind == "unreadable":
        await tx.fetch(_DISCARD_UNREADABLE, letter.id, by, because)
        return None
    stream = _waiting(letter)
    if ordered:
        await _refuse_missing(tx, letter)
        last, _ = await parking.standing(tx, [stream])
        if letter.sequence > last[stream] + 1:
            raise Refused(f"Number {last[stream] + 1} of its journey comes first", rule="not_next")
        await parking.save_sequences(tx, {stream: letter.sequence})
    await tx.fetch(_DISCARD_PARKED, letter.id, by, because)
    return stream


async def give_up_missing(tx: Transaction, letter: Any, *, by: str, because: str) -> Stream:
    """Go on without the numbers before it that never came. Raises Refused where there are none."""
    stream = _waiting(letter)
    missing = await missing_before(tx.session, letter)
    last, _ = await parking.standing(tx, [stream])
    if not missing or missing[0] != last[stream] + 1:
        raise Refused("No number is missing before the next event of its journey", rule="nothing_missing")
    run = [n for place, n in enumerate(missing) if n == missing[0] + place]  # as far as nothing of it waits
    await tx.fetch(_GIVE_UP, letter.topic, letter.partition, *stream, run, by, because)
    await parking.save_sequences(tx, {stream: run[-1]})
    return stream


def _waiting(letter: Any) -> Stream:
    if letter.kind != "parked":
        raise Refused(f"It does not wait: it is {letter.kind}", rule="not_waiting")
    return letter.source, letter.journey


async def _refuse_missing(tx: Transaction, letter: Any) -> None:
    if missing := await missing_before(tx.session, letter):
        told = ", ".join(map(str, missing))
        raise Refused(
            f"Numbers of its journey never came: {told}. Give them up first, or find them",
            rule="numbers_missing",
            missing=list(map(str, missing)),
        )
