"""Topics into files and back: each record as it was, at the place where it was."""

import base64
import gzip
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from deploy.local.backup.manifest import Mark
from deploy.local.errors import CommandError
from shared.messaging.kafka import TopicPartition, open_reader, read_spans, whole_log
from shared.messaging.kafka_admin import Record, append

AT_ONCE = 5000
Spans = Mapping[int, tuple[int, int]]
Told = Callable[[int], None]


async def spans_of(servers: str, topic: str, cuts: Mapping[int, int]) -> dict[int, tuple[int, int]]:
    """For each partition where its log begins, and where it is cut. Raises CommandError where it ends before."""
    places = [TopicPartition(topic, number) for number in cuts]
    async with open_reader(servers, "themodel-backup") as reader:
        log = await whole_log(reader, places)
    for place, (_, end) in log.items():
        if end < cuts[place.partition]:
            raise CommandError(f"{topic}/{place.partition} ends before what was read of it: it is not whole.")
    return {place.partition: (begin, max(begin, cuts[place.partition])) for place, (begin, _) in log.items()}


async def save(servers: str, topic: str, spans: Spans, file: Path, told: Told) -> int:
    """Every record of these spans into a file; returns how many. Raises CommandError where an offset is missing."""
    next_of, written = {number: begin for number, (begin, _) in spans.items()}, 0
    wanted = {TopicPartition(topic, number): span for number, span in spans.items()}
    with gzip.open(file, "wb", compresslevel=1) as output:
        async with open_reader(servers, "themodel-backup") as reader:
            async for records in read_spans(reader, wanted):
                for record in records:
                    if record.offset != next_of[record.partition]:
                        raise CommandError(f"{topic}/{record.partition} has no record {next_of[record.partition]}.")
                    next_of[record.partition] += 1
                    output.write(_line(record))
                written += len(records)
                told(len(records))
    return written


def _line(record: Any) -> bytes:
    headers = [[name, _text(content)] for name, content in record.headers]
    told = [record.partition, record.timestamp, _text(record.key), _text(record.value), headers]
    return orjson.dumps(told) + b"\n"


def _text(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


async def load(servers: str, topic: str, file: Path, told: Told) -> None:
    """Everything a file holds to the ends of an empty topic's partitions, in its order."""
    with gzip.open(file, "rb") as lines:
        for chunk in _chunks(lines):
            await append(servers, topic, chunk)
            told(sum(map(len, chunk.values())))


def _chunks(lines: Iterable[bytes]) -> Iterable[dict[int, list[Record]]]:
    chunk: dict[int, list[Record]] = {}
    count = 0
    for line in lines:
        partition, timestamp, key, value, headers = orjson.loads(line)
        found = [(name, _bytes(content) or b"") for name, content in headers]
        chunk.setdefault(partition, []).append(Record(timestamp, _bytes(key), _bytes(value), found))
        count += 1
        if count >= AT_ONCE:
            yield chunk
            chunk, count = {}, 0
    if chunk:
        yield chunk


async def marks_at(servers: str, offsets: Mapping[tuple[str, int], int]) -> list[Mark]:
    """What stands just before each of these offsets."""
    wanted = {TopicPartition(*place): offset for place, offset in offsets.items() if offset > 0}
    found: list[Mark] = []
    async with open_reader(servers, "themodel-backup") as reader:
        reader.assign(list(wanted))
        begins, ends = await reader.beginning_offsets(list(wanted)), await reader.end_offsets(list(wanted))
        left = {place for place, offset in wanted.items() if begins[place] < offset <= ends[place]}
        reader.assign(list(left))
        for place in left:
            reader.seek(place, wanted[place] - 1)
        while left:
            for place, records in (await reader.getmany(*left, timeout_ms=500, max_records=AT_ONCE)).items():
                sha = hashlib.sha256(records[0].value or b"").hexdigest()
                found.append(Mark(topic=place.topic, partition=place.partition, offset=wanted[place], sha256=sha))
                left.discard(place)
    return sorted(found, key=lambda mark: (mark.topic, mark.partition))


async def require_same_log(servers: str, marks: Sequence[Mark]) -> None:
    """Raises CommandError where the topics are not those that were read."""
    now = await marks_at(servers, {(mark.topic, mark.partition): mark.offset for mark in marks})
    if strange := [mark for mark in marks if mark not in now]:
        first = strange[0]
        raise CommandError(
            f"{first.topic}/{first.partition} is not the log this database has read (at {first.offset}): its offsets "
            "would mean other events. Restore the whole set on an empty THEMODEL_HOME instead."
        )
