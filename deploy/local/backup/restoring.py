"""Bringing a backup back: one service's database beside the others at work, or a whole set where nothing is yet."""

import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from deploy.local.backup import log
from deploy.local.backup.databases import Beside, is_empty, load
from deploy.local.backup.making import Tell
from deploy.local.backup.manifest import Manifest
from deploy.local.errors import CommandError
from shared.contracts.envelope import Undecodable, decode
from shared.contracts.marketing import LeadErased
from shared.messaging.kafka import PARTITIONS, TopicPartition, ensure_topics, open_reader, read_spans, whole_log

Migrate = Callable[[str, str], Awaitable[None]]
"""Brings the database of a service at a url to the newest schema."""


@dataclass
class Restored:
    """`forgotten` counts by type what the service told since: the others know it, the service no longer does.
    `erased` are people who were forgotten since, and are known again: they must be erased again."""

    kept: str
    forgotten: Counter[str] = field(default_factory=Counter)
    erased: list[str] = field(default_factory=list)


async def restore_set(
    folder: Path, manifest: Manifest, urls: Mapping[str, str], servers: str, *, keys: Path, replication: int, tell: Tell
) -> None:
    """Databases and topics of a set onto engines that hold nothing. Raises CommandError before anything is touched."""
    topics = manifest.topics or {}
    await _require_nothing(urls, servers, list(topics))
    await ensure_topics(servers, list(topics), replication)
    for topic, part in topics.items():
        done = 0

        def told(count: int, topic: str = topic, whole: int = part.records) -> None:
            nonlocal done
            done += count
            tell(topic, done, whole)

        await log.load(servers, topic, folder / part.file, told)
    for number, (service, part_of) in enumerate(manifest.databases.items()):
        tell("databases", number, len(manifest.databases))
        await load(urls[service], folder / part_of.file)
        await _shift(urls[service], manifest)
    tell("databases", len(manifest.databases), len(manifest.databases))
    _bring_keys(folder, manifest, keys)


def _bring_keys(folder: Path, manifest: Manifest, keys: Path) -> None:
    for key in manifest.keys:
        keys.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / key.file, keys / key.file)


async def _require_nothing(urls: Mapping[str, str], servers: str, topics: list[str]) -> None:
    full = [f"the database of {service}" for service, url in urls.items() if not await is_empty(url)]
    async with open_reader(servers, "themodel-restore") as reader:
        there = await reader.topics()
        places = [TopicPartition(topic, n) for topic in topics if topic in there for n in range(PARTITIONS)]
        ends = await reader.end_offsets(places) if places else {}
    full += sorted({f"the topic {place.topic}" for place, end in ends.items() if end})
    if full:
        raise CommandError(
            f"A set is restored where nothing is yet, and {', '.join(full)} holds something. "
            "Name an empty folder by THEMODEL_HOME (or empty servers); what is there was not touched."
        )


async def _shift(url: str, manifest: Manifest) -> None:
    """A log that had lost its beginning begins with 0 again."""
    connection = await asyncpg.connect(url)
    try:
        for topic, part in (manifest.topics or {}).items():
            for partition, (begin, _) in part.spans.items():
                if begin:
                    for table in ("consumer_offset", "relay_offset"):
                        await connection.execute(
                            f"UPDATE {table} SET next_offset = greatest(0, next_offset - $3) "
                            "WHERE topic = $1 AND partition = $2",
                            *(topic, partition, begin),
                        )
    finally:
        await connection.close()


async def restore_service(
    folder: Path,
    manifest: Manifest,
    service: str,
    beside: Beside,
    servers: str,
    *,
    topic: str,
    stamp: str,
    migrate: Migrate,
) -> Restored:
    """One service's database as it was, with everything else at work; what it was until now is kept beside it."""
    part = manifest.databases[service]
    await log.require_same_log(servers, part.marks)
    new, kept = f"{beside.name}_restored", f"{beside.name}_before_{stamp}"
    await beside.create(new)
    try:
        url = beside.url(new)
        await load(url, folder / part.file)
        await migrate(service, url)
        told = await _told_since(url, servers, topic)
        await beside.exchange(new, kept)
    except BaseException:
        await beside.drop(new)
        raise
    erased = [str(data["lead_id"]) for kind, data in told if kind == LeadErased.type]
    return Restored(kept, Counter(kind for kind, _ in told), erased)


async def _told_since(url: str, servers: str, topic: str) -> list[tuple[str, dict[str, Any]]]:
    """Type and data of what lies on the service's own topic behind all that this database knows of."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT partition, next_offset FROM relay_offset WHERE topic = $1", topic)
        unsent = {str(row["event_id"]) for row in await connection.fetch("SELECT event_id FROM outbox")}
    finally:
        await connection.close()
    known, found = {row["partition"]: row["next_offset"] for row in rows}, list[tuple[str, dict[str, Any]]]()
    async with open_reader(servers, "themodel-restore") as reader:
        log = await whole_log(reader, [TopicPartition(topic, number) for number in range(PARTITIONS)])
        spans = {place: (max(begin, known.get(place.partition, 0)), end) for place, (begin, end) in log.items()}
        async for records in read_spans(reader, spans):
            for record in records:
                try:
                    meta, data = decode(record.value, record.headers)
                except Undecodable:
                    continue
                if meta.id not in unsent and not meta.replay_only:
                    found.append((meta.type, data))
    return found
