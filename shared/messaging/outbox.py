"""The outbox: events are rows of the act's own transaction until the relay has seen them into Kafka."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
)

from shared import clock, tracing
from shared.contracts.base import Event
from shared.contracts.envelope import Meta, encode
from shared.ids import new_id

LARGEST_PAYLOAD = 262_144  # far below the broker's limit of 1 MiB: a refused record costs its neighbours a resend

plumbing = MetaData()
"""The tables every service has for its messages, beside its own."""

outbox = Table(
    "outbox",
    plumbing,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("stream", Text),  # no stream and no sequence: a dead letter, in no order
    Column("sequence", BigInteger),
    Column("topic", Text, nullable=False),
    Column("key", Text),
    Column("type", Text, nullable=False),
    Column("traceparent", Text),
    Column("payload", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    UniqueConstraint("stream", "sequence", name="uq_outbox_stream_sequence"),
    CheckConstraint(f"stream IS NULL OR octet_length(payload) <= {LARGEST_PAYLOAD}", name="ck_outbox_payload"),
    postgresql_with={
        "fillfactor": 70,
        "autovacuum_vacuum_scale_factor": 0,
        "autovacuum_vacuum_threshold": 2000,
        "autovacuum_vacuum_cost_delay": 0,
    },
)
outbox_stream = Table(
    "outbox_stream",
    plumbing,
    Column("stream", Text, primary_key=True),
    Column("last_sequence", BigInteger, nullable=False),
    postgresql_with={"fillfactor": 60},
)
outbox_dead = Table(
    "outbox_dead",
    plumbing,
    Column("event_id", Uuid, primary_key=True),
    Column("stream", Text),
    Column("sequence", BigInteger),
    Column("topic", Text, nullable=False),
    Column("key", Text),
    Column("type", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("error", Text, nullable=False),
    Column("voided_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
)
relay_offset = Table(
    "relay_offset",
    plumbing,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
)

# Numbers are taken in the order of the stream's name, so that two acts touching the same streams cannot deadlock;
# the identity is drawn after the stream's row is locked, so that `ORDER BY id` is the order within a stream.
# What is sent must be what was committed, whatever happens to the server: this commit waits for the disk.
_SAFE = "SELECT set_config('synchronous_commit', 'on', true)"
_FLUSH = f"""
WITH safe AS MATERIALIZED ({_SAFE}), given AS (
    SELECT stream, count(*) AS n FROM unnest($1::text[]) AS stream GROUP BY stream ORDER BY stream
), taken AS (
    INSERT INTO outbox_stream AS s (stream, last_sequence) SELECT stream, n FROM given ORDER BY stream
    ON CONFLICT (stream) DO UPDATE SET last_sequence = s.last_sequence + excluded.last_sequence
    RETURNING stream, last_sequence
), numbered AS (
    SELECT e.*, row_number() OVER (PARTITION BY e.stream ORDER BY e.place) AS position
    FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bytea[], $5::text[])
        WITH ORDINALITY AS e(stream, event_id, type, payload, traceparent, place)
)
INSERT INTO outbox (event_id, stream, sequence, topic, key, type, traceparent, payload)
SELECT e.event_id, e.stream, t.last_sequence - g.n + e.position, $6, e.stream, e.type, e.traceparent, e.payload
FROM numbered e JOIN taken t USING (stream) JOIN given g USING (stream) CROSS JOIN safe ORDER BY e.place
"""
_BURY = "INSERT INTO outbox (event_id, topic, type, payload) VALUES ($1, $2, 'dead_letter', $3)"

Fetch = Callable[..., Awaitable[Any]]
"""Runs a statement in the driver's own words as part of the act."""


@dataclass(frozen=True, slots=True)
class _Letter:
    event: Event
    meta: Meta
    traceparent: str | None


class Outbox:
    """Collects the events of one act; `flush` numbers and stores them in one statement just before the commit."""

    def __init__(self, source: str, topic: str) -> None:
        self._source = source
        self._topic = topic
        self._letters: list[_Letter] = []
        self._dead: list[tuple[str, bytes]] = []
        self.written = 0

    def add(self, event: Event, *, key: str, at: datetime, cause: Meta | None = None) -> None:
        meta = Meta(
            id=str(new_id()),
            source=self._source,
            type=event.type,
            time=at,
            recorded=at,  # until it is written down
            key=key,
            sequence=0,
            correlation=(cause.correlation or cause.id) if cause else None,
            causation=cause.id if cause else None,
        )
        self._letters.append(_Letter(event, meta, tracing.current.get()))

    def add_dead_letter(self, topic: str, payload: bytes) -> None:
        """What cannot be decoded has no stream and no order; it only must not vanish."""
        self._dead.append((topic, payload))

    def discard(self, keep: int) -> None:
        """Forget what was added after the first `keep` events: the savepoint they belonged to was rolled back."""
        del self._letters[keep:]

    def __len__(self) -> int:
        return len(self._letters)

    async def flush(self, fetch: Fetch) -> None:
        letters, dead = self._letters, self._dead
        self._letters, self._dead = [], []
        self.written += len(letters) + len(dead)
        if letters:
            now = clock.utc_now()
            await fetch(
                _FLUSH,
                [letter.meta.key for letter in letters],
                [letter.meta.id for letter in letters],
                [letter.meta.type for letter in letters],
                [encode(letter.event, replace(letter.meta, recorded=now)) for letter in letters],
                [letter.traceparent for letter in letters],
                self._topic,
            )
        if dead:
            await fetch(_SAFE)
        for topic, payload in dead:
            await fetch(_BURY, new_id(), topic, payload)
