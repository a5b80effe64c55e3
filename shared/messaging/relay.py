"""The relay: outbox rows into Kafka, in order, deleted only once acknowledged. Nothing else sends.

One relay per service holds a session advisory lock. Losing the lock while sends are on their way can repeat events;
consumers drop repeats by sequence, so safety is not in the lock.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import structlog

from shared import clock, failpoints, instruments
from shared.contracts.envelope import decode, with_sequence
from shared.database import Database
from shared.messaging.heartbeat import Pulse
from shared.messaging.kafka import (
    PARTITIONS,
    KafkaError,
    Outgoing,
    Sender,
    TopicPartition,
    open_reader,
    read_spans,
    whole_log,
)
from shared.sqlerrors import transient

log = structlog.get_logger()

LOCK = 0x7E_0DE1_0B0C  # any constant of our own: "one relay per database"
CHANNEL = "outbox"
POLL_SECONDS = 0.1
PACE_SECONDS = 0.004  # after a short batch: an eager relay takes the cores in tiny batches
LIVE_ROWS, FULL_ROWS = 500, 2000
ATTEMPTS = 5

_READ = "SELECT id, stream, sequence, topic, key, type, traceparent, payload FROM outbox ORDER BY id LIMIT $1"
_SETTLE = """
WITH gone AS (DELETE FROM outbox WHERE id = ANY($1::bigint[]))
INSERT INTO relay_offset AS r (topic, partition, next_offset)
SELECT * FROM unnest($2::text[], $3::int[], $4::bigint[])
ON CONFLICT (topic, partition) DO UPDATE SET next_offset = greatest(r.next_offset, excluded.next_offset)
"""
_PUBLISHED = """
published AS (SELECT stream, max(n) AS last FROM unnest($1::text[], $2::bigint[]) AS x(stream, n) GROUP BY stream)
"""
# Locks the counters: whoever tells of these journeys meanwhile comes after.
_LIFT = f"""
WITH {_PUBLISHED} INSERT INTO outbox_stream AS s (stream, last_sequence)
SELECT stream, last FROM published ORDER BY stream
ON CONFLICT (stream) DO UPDATE SET last_sequence = greatest(s.last_sequence, excluded.last_sequence)
"""
# A restored database may have told something before its relay knew how far it had once been. Those numbers are taken,
# and readers would pass over what comes under them: from the first of them on all get the next ones, in their order. A
# number that nobody has published yet is nobody else's, however low.
_TAKE_BACK = """
UPDATE outbox o SET sequence = -o.sequence FROM (
    SELECT stream, min(sequence) AS first FROM outbox
    JOIN unnest($1::text[], $2::bigint[]) AS x(stream, sequence) USING (stream, sequence) GROUP BY stream
) AS taken WHERE o.stream = taken.stream AND o.sequence >= taken.first RETURNING o.stream
"""
_NUMBER_ANEW = f"""
WITH {_PUBLISHED}, numbered AS (
    SELECT o.id, o.stream, p.last + row_number() OVER (PARTITION BY o.stream ORDER BY o.id) AS number
    FROM outbox o JOIN published p USING (stream) WHERE o.sequence < 0
), written AS (
    UPDATE outbox o SET sequence = n.number FROM numbered n WHERE o.id = n.id
)
UPDATE outbox_stream s SET last_sequence = n.last
FROM (SELECT stream, max(number) AS last FROM numbered GROUP BY stream) AS n WHERE s.stream = n.stream
"""
_FAILED = "UPDATE outbox SET attempts = attempts + 1 WHERE id = $1 RETURNING attempts"
_VOID = """
WITH dead AS (
    INSERT INTO outbox_dead (event_id, stream, sequence, topic, key, type, payload, error)
    SELECT event_id, stream, sequence, topic, key, type, payload, $2 FROM outbox WHERE id = $1
    ON CONFLICT DO NOTHING
)
UPDATE outbox SET type = $3, payload = $4, attempts = 0 WHERE id = $1
"""


class Relay:
    """Runs until cancelled. `wake` may be called from anywhere in this process after a commit."""

    def __init__(self, database: Database, servers: str, publisher: str, heartbeats: str | None = None) -> None:
        """`heartbeats` is the topic on which it says how far it has come."""
        self._database = database
        self._publisher = publisher
        self._servers = servers
        self._sender = Sender(servers, f"themodel-{publisher}-relay")
        self._pulse = Pulse(self._sender, publisher, heartbeats) if heartbeats else None
        self._hint = asyncio.Event()
        self.leading = False
        self.moved_at = 0.0

    def wake(self) -> None:
        self._hint.set()

    async def run(self) -> None:
        """Lead when the lock can be had, follow otherwise; an engine that is away is waited for."""
        failures = 0
        while True:
            try:
                await self._lead()
                failures = 0
            except Exception as error:
                if not (isinstance(error, KafkaError) or transient(error)):
                    raise
                failures += 1
                instruments.relay_rebuilds.inc()
                log.warning("relay waits", error=f"{type(error).__name__}: {error}"[:200], failures=failures)
                await asyncio.sleep(min(0.05 * 2 ** min(failures, 7), 5.0))
            finally:
                self.leading = False
                await self._sender.close()

    async def _lead(self) -> None:
        connection = await self._database.direct()
        try:
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
                self.moved_at = time.monotonic()  # another relay leads: that is progress too
                await asyncio.sleep(1)
            await connection.execute("SET synchronous_commit = off")  # forgotten, it is sent again and dropped
            await connection.execute("SET enable_seqscan = off")  # the outbox is small, and full of what was deleted
            await connection.add_listener(CHANNEL, lambda *_: self._hint.set())
            await self._catch_up(connection)
            self.leading = True
            await self._drain(connection)
        finally:
            connection.terminate()

    async def _drain(self, connection: asyncpg.Connection) -> None:
        while True:
            asked = clock.utc_now()
            rows = await connection.fetch(_READ, FULL_ROWS if self._hint.is_set() else LIVE_ROWS)
            self._hint.clear()
            self.moved_at = time.monotonic()
            all_sent = not rows or await self._publish(connection, rows)
            if len(rows) >= LIVE_ROWS:
                continue
            if self._pulse and all_sent:
                await self._pulse.beat(asked)
            await asyncio.sleep(PACE_SECONDS)
            with contextlib.suppress(
                TimeoutError
            ):  # not wait_for: on Python 3.11 it loses a cancellation at that moment
                async with asyncio.timeout(POLL_SECONDS):
                    await self._hint.wait()

    async def _publish(self, connection: asyncpg.Connection, rows: Sequence[asyncpg.Record]) -> bool:
        """Whether all of them are in Kafka now."""
        outgoing = [_outgoing(row) for row in rows]
        failpoints.reach("relay.after_read")
        try:
            ends = await self._sender.send(outgoing)
        except KafkaError as error:
            if getattr(error, "retriable", False) or not _names_a_record(error):
                raise
            return await self._one_by_one(connection, outgoing)
        failpoints.reach("relay.after_ack")
        await _settle(connection, [row.id for row in outgoing], ends)
        failpoints.reach("relay.after_settle")
        return True

    async def _one_by_one(self, connection: asyncpg.Connection, outgoing: Sequence[Outgoing]) -> bool:
        """One record is refused: send its neighbours, and void the culprit after a few tries, keeping its number."""
        for row in outgoing:
            try:
                ends = await self._sender.send([row])
            except KafkaError as error:
                if not _names_a_record(error):
                    raise
                failed = await connection.fetchval(_FAILED, row.id)
                if failed is not None and failed >= ATTEMPTS:  # none: another relay has voided and sent it meanwhile
                    await self._void(connection, row, error)
                return False  # what follows may be of the same stream: start again from the outbox
            await _settle(connection, [row.id], ends)
        return True

    async def _void(self, connection: asyncpg.Connection, row: Outgoing, error: KafkaError) -> None:
        kind = f"{self._publisher}.voided.v1"
        envelope = orjson.loads(row.value)
        envelope.pop("sequence", None)
        envelope.update(type=kind, data={"type": row.type, "reason": type(error).__name__})
        log.error("event voided", type=row.type, key=row.key, error=str(error)[:200])
        instruments.voided.inc()
        await connection.execute(_VOID, row.id, str(error)[:500], kind, orjson.dumps(envelope))

    async def _catch_up(self, connection: asyncpg.Connection) -> None:
        """Read our own topic from the last acknowledged offset to its end: what is there already is not sent again,
        and the streams' counters continue after the last number ever published, even in a restored database."""
        topic = self._database.topic
        known = {
            row["partition"]: row["next_offset"]
            for row in await connection.fetch("SELECT * FROM relay_offset WHERE topic = $1", topic)
        }
        async with open_reader(self._servers, f"themodel-{self._publisher}-catch-up") as reader:
            found, ends = await _published_since(reader, topic, known)
        if not found:
            return
        async with connection.transaction():
            await connection.execute("DELETE FROM outbox WHERE event_id = ANY($1::uuid[])", [f["id"] for f in found])
            published = [f["key"] for f in found], [f["sequence"] for f in found]
            await connection.execute(_LIFT, *published)
            if again := await connection.fetch(_TAKE_BACK, *published):
                log.error("numbers told anew", journeys=len({row["stream"] for row in again}), events=len(again))
                await connection.execute(_NUMBER_ANEW, *published)
            await _settle(connection, [], {(topic, p): end for p, end in ends.items()})
        log.info("relay caught up with its own topic", events=len(found))


def _outgoing(row: asyncpg.Record) -> Outgoing:
    payload = row["payload"] if row["stream"] is None else with_sequence(row["payload"], row["sequence"])
    return Outgoing(row["id"], row["topic"], row["key"], row["type"], row["traceparent"], payload)


def _names_a_record(error: KafkaError) -> bool:
    """Refusals that a retry of the same bytes will meet again."""
    return type(error).__name__ in {"MessageSizeTooLargeError", "RecordTooLargeError", "InvalidRecordError"}


async def _settle(connection: asyncpg.Connection, ids: Sequence[int], ends: dict[tuple[str, int], int]) -> None:
    places = sorted(ends)
    await connection.execute(_SETTLE, ids, [t for t, _ in places], [p for _, p in places], [ends[p] for p in places])
    instruments.relayed.inc(len(ids))


async def _published_since(
    reader: Any, topic: str, known: dict[int, int]
) -> tuple[list[dict[str, Any]], dict[int, int]]:
    log = await whole_log(reader, [TopicPartition(topic, number) for number in range(PARTITIONS)])
    spans = {place: (max(known.get(place.partition, 0), begin), end) for place, (begin, end) in log.items()}
    found = [event async for records in read_spans(reader, spans) for record in records if (event := _ours(record))]
    return found, {place.partition: end for place, (_, end) in log.items()}


def _ours(record: Any) -> dict[str, Any] | None:
    """Id, key and sequence of an event we told ourselves; loaded history and foreign bytes are not ours."""
    try:
        meta, _ = decode(record.value, record.headers)
        if meta.source != f"/{meta.publisher}" or not meta.type.startswith(f"{meta.publisher}."):
            return None
        return {"id": UUID(meta.id), "key": meta.key, "sequence": meta.sequence}
    except ValueError:
        return None
