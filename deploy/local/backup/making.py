"""Taking a backup."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from deploy.local.backup import log
from deploy.local.backup.databases import dump
from deploy.local.backup.manifest import DatabasePart, Manifest, Part, TopicPart
from deploy.local.backup.moment import Snapshot, one_moment
from deploy.local.errors import CommandError
from shared.messaging.kafka import PARTITIONS

KEYS = ("private.jwk", "jwks.json")
Tell = Callable[[str, int, int], None]
"""Told of progress: what is done, how far, of how much (0: not known yet)."""


async def back_up(
    folder: Path,
    urls: Mapping[str, str],
    servers: str,
    *,
    topics: Sequence[str] = (),
    keys: Path | None = None,
    tell: Tell,
) -> Manifest:
    """The databases of `urls` by service as of one moment, and with `topics` the whole set. Raises CommandError.

    `folder` must not be there; it appears when everything is in it.
    """
    with _arriving(folder) as new:
        async with one_moment(urls) as moment:
            made_at, databases = datetime.now(UTC), {}
            for number, (service, snapshot) in enumerate(moment.items()):
                tell("databases", number, len(moment))
                databases[service] = await _database(new, service, urls[service], snapshot, servers)
            tell("databases", len(moment), len(moment))
            cuts = await _cuts(moment.values(), topics)
        manifest = Manifest(made_at=made_at, databases=databases)
        if topics:
            manifest.topics = {topic: await _topic(new, servers, topic, cuts[topic], tell) for topic in topics}
            manifest.keys = _keys(new, keys)
        manifest.write(new)
    return manifest


@contextmanager
def _arriving(folder: Path) -> Iterator[Path]:
    """A folder that takes its name, safe on the disk, when the block ends well, and is gone otherwise."""
    if folder.exists():
        raise CommandError(f"{folder} is there already: name another folder.")
    new = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)  # of one that was cut short
    try:
        with _writing(folder):
            new.mkdir(parents=True, mode=0o700)
        yield new
        with _writing(folder):
            _to_disk(new)
            new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


async def _database(folder: Path, service: str, url: str, snapshot: Snapshot, servers: str) -> DatabasePart:
    file = f"{service}.dump"
    await dump(url, snapshot.id, folder / file)
    marks = await log.marks_at(servers, await snapshot.read())
    part = Part.of(folder, file)
    return DatabasePart(**part.model_dump(), revision=await snapshot.revision(), marks=marks)


async def _cuts(snapshots: Iterable[Snapshot], topics: Sequence[str]) -> dict[str, dict[int, int]]:
    """For each topic and partition the furthest offset that anybody knew at that moment."""
    cuts = {topic: dict.fromkeys(range(PARTITIONS), 0) for topic in topics}
    for snapshot in snapshots:
        for known in (await snapshot.read(), await snapshot.sent()):
            for (topic, partition), offset in known.items():
                if topic in cuts:
                    cuts[topic][partition] = max(cuts[topic][partition], offset)
    return cuts


async def _topic(folder: Path, servers: str, topic: str, cuts: Mapping[int, int], tell: Tell) -> TopicPart:
    spans, file, done = await log.spans_of(servers, topic, cuts), f"{topic}.jsonl.gz", 0
    whole = sum(end - begin for begin, end in spans.values())

    def told(count: int) -> None:
        nonlocal done
        done += count
        tell(topic, done, whole)

    records = await log.save(servers, topic, spans, folder / file, told)
    return TopicPart(**Part.of(folder, file).model_dump(), records=records, spans=spans)


def _keys(folder: Path, keys: Path | None) -> list[Part]:
    """What tokens are signed with: those given to tools go on working."""
    found = [name for name in KEYS if keys and (keys / name).is_file()]
    for name in found:
        assert keys
        shutil.copy(keys / name, folder / name)
    return [Part.of(folder, name) for name in found]


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandError(f"{folder} cannot be written: {error}") from error


def _to_disk(folder: Path) -> None:
    for file in [*folder.iterdir(), folder]:
        if file.is_file():
            file.chmod(0o600)
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
