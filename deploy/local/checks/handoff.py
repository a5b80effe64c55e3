"""Does what was told arrive: schemas, outboxes, readers, what waits."""

from collections.abc import AsyncIterator, Mapping

import asyncpg
from alembic.script import ScriptDirectory

from deploy.local.checks.finding import Finding, Silent, System, bad, ok, one, warning
from deploy.local.migrate import folder_of
from deploy.local.ports import SERVICES
from shared.messaging.kafka import PARTITIONS, KafkaError, TopicPartition, open_reader
from shared.messaging.relay import LOCK
from shared.migrate import config

OLD_SECONDS, FULL_SECONDS = 20, 60
BEHIND = 1000
_UNSENT = """
SELECT count(*) AS rows, extract(epoch FROM clock_timestamp() - min(created_at))::float8 AS age FROM outbox
"""
Ends = Mapping[TopicPartition, int]


async def migrations(system: System) -> AsyncIterator[Finding]:
    for service in SERVICES:
        head = ScriptDirectory.from_config(config(folder_of(service))).get_current_head()
        try:
            async with system.database(service) as connection:
                found = await _revision(connection)
        except Silent:
            continue  # said of the database
        if found != head:
            advice = f"`python -m services.{service} migrate`; a database newer than the code wants the newer code"
            yield bad(f"schema of {service}", f"is at {found or 'nothing'}, the code is at {head}", advice)
        else:
            yield ok(f"schema of {service}", f"is at {head}")


async def _revision(connection: asyncpg.Connection) -> str | None:
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    found: str | None = await connection.fetchval("SELECT string_agg(version_num, ' ') FROM alembic_version")
    return found


async def outboxes(system: System) -> AsyncIterator[Finding]:
    for service in SERVICES:
        area = f"outbox of {service}"
        try:
            async with system.database(service) as connection:
                row = await one(connection, _UNSENT)
                relays = await _relays(connection)
        except (Silent, asyncpg.UndefinedTableError):
            continue
        told = f"{row['rows']} events wait, the oldest for {row['age'] or 0:.0f} s"
        if (row["age"] or 0) > OLD_SECONDS and not relays:
            yield bad(area, f"{told}, and no relay sends", f"start {service} with the role all or worker")
        elif (row["age"] or 0) > FULL_SECONDS:
            yield bad(area, f"{told}: the service takes no more writes", "see OutboxNotSent in docs/runbook.md")
        elif (row["age"] or 0) > OLD_SECONDS:
            yield warning(area, told, "see OutboxNotSent in docs/runbook.md")
        else:
            yield ok(area, told if row["rows"] else "is empty")


async def _relays(connection: asyncpg.Connection) -> int:
    """How many hold the relay's lock here."""
    query = """
        SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (classid::bigint << 32) + objid::bigint = $1
    """
    return int(await connection.fetchval(query, LOCK))


async def readers(system: System) -> AsyncIterator[Finding]:
    """Where each service stands in each topic it reads."""
    places = [TopicPartition(topic, n) for topic in system.publishers.values() for n in range(PARTITIONS)]
    try:
        async with open_reader(system.kafka, "themodel-doctor") as reader:
            there = [place for place in places if place.topic in await reader.topics()]
            begins, ends = await reader.beginning_offsets(there), await reader.end_offsets(there)
    except (KafkaError, OSError):
        return  # said of Kafka
    for service in SERVICES:
        try:
            async with system.database(service) as connection:
                rows = await connection.fetch("SELECT topic, partition, next_offset FROM consumer_offset")
        except (Silent, asyncpg.UndefinedTableError):
            continue
        standing = {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        for finding in _standing(service, standing, begins, ends):
            yield finding


def _standing(service: str, standing: Ends, begins: Ends, ends: Ends) -> list[Finding]:
    area, found, behind = f"reader of {service}", [], 0
    for place, offset in sorted(standing.items()):
        where = f"{place.topic}/{place.partition}"
        if place not in ends:
            continue  # said of the topic
        behind += max(0, ends[place] - offset)
        if offset > ends[place]:
            told = f"stands at {offset} of {where}, which ends at {ends[place]}"
            found.append(bad(area, told, "the topic was made anew or cut: see ConsumerHalted in docs/runbook.md"))
        elif offset < begins[place]:
            told = f"stands at {offset} of {where}, which begins at {begins[place]}"
            found.append(bad(area, told, "retention took what was not read: see ConsumerHalted in docs/runbook.md"))
    if behind > BEHIND:
        found.append(warning(area, f"{behind} events behind", "see ConsumerBehind in docs/runbook.md"))
    return found or [ok(area, f"{behind} events behind")]


async def waiting(system: System) -> AsyncIterator[Finding]:
    """What could not be taken in, or not be sent."""
    query = """
        SELECT (SELECT count(DISTINCT (source, stream)) FROM parked_event) AS parked,
               (SELECT count(*) FROM dead_letter WHERE discarded_at IS NULL) AS unreadable,
               (SELECT count(*) FROM outbox_dead) AS voided
    """
    for service in SERVICES:
        area = f"dead letters of {service}"
        try:
            async with system.database(service) as connection:
                row = await one(connection, query)
        except (Silent, asyncpg.UndefinedTableError):
            continue
        kinds = (
            ("parked", "journeys wait"),
            ("unreadable", "records were no events"),
            ("voided", "events were voided"),
        )
        told = ", ".join(f"{row[name]} {words}" for name, words in kinds if row[name])
        if told:
            yield warning(area, told, f"`themodel dead-letters list --service {service}`")
        else:
            yield ok(area, "none")
