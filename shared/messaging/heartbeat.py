"""Heartbeats: each relay says every few seconds up to which moment everything its department told is in Kafka.

A figure is only as new as the news of the department that is furthest behind. How far a reader has come does not tell
that: what a publisher still holds in its outbox is nowhere to be seen. Nothing is decided by a heartbeat; one that is
lost is followed by the next.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

from shared.messaging.kafka import KEPT_FOR_EVER, PARTITIONS, KafkaError, Outgoing, Sender, TopicPartition, open_reader
from shared.sqlerrors import transient

log = structlog.get_logger()

EVERY_SECONDS = 10.0
AFTER_FAILURE_SECONDS = 60.0  # one that fails costs the events behind it a new producer
BEGIN_SECONDS, LISTEN_MS, AGAIN_SECONDS = 30.0, 2000, 2.0
KEPT = 200  # of the newest of them are looked at when a reader begins
TOPIC_CONFIG = {**KEPT_FOR_EVER, "retention.ms": "3600000"}
Place = tuple[str, int]


class Pulse:
    """The relay's side."""

    def __init__(self, sender: Sender, publisher: str, topic: str) -> None:
        self._sender, self._publisher, self._topic = sender, publisher, topic
        self._due = 0.0

    async def beat(self, complete_to: datetime) -> None:
        """Say it, when it is time. Never raises for Kafka: events go first."""
        if time.monotonic() < self._due:
            return
        told = orjson.dumps({"publisher": self._publisher, "complete_to": complete_to})
        try:
            await self._sender.send([Outgoing(0, self._topic, None, "heartbeat", None, told)])
            self._due = time.monotonic() + EVERY_SECONDS
        except (KafkaError, OSError) as error:
            log.warning("heartbeat lost", error=f"{type(error).__name__}: {error}"[:200])
            self._due = time.monotonic() + AFTER_FAILURE_SECONDS


@dataclass
class Heard:
    """A heartbeat, and where the publisher's topic ended when it had been heard: whoever stands there has it all."""

    complete_to: datetime
    ends: Mapping[Place, int]


@dataclass
class Listener:
    """A reader's side: `topics` says which topic each publisher speaks on."""

    reader: Any
    place: TopicPartition
    topics: Mapping[str, str]
    _waiting: dict[str, Heard] = field(default_factory=dict)

    async def begin(self) -> None:
        self.reader.assign([self.place])
        first = (await self.reader.beginning_offsets([self.place]))[self.place]
        end = (await self.reader.end_offsets([self.place]))[self.place]
        self.reader.seek(self.place, max(first, end - KEPT))

    async def listen(self, milliseconds: int) -> None:
        """Takes in what is said within that time. Of a publisher whose last word has not been reached yet the newer
        one is left for later, so that somebody always a little behind is not waited for for ever."""
        newest: dict[str, datetime] = {}
        for records in (await self.reader.getmany(timeout_ms=milliseconds)).values():
            for record in records:
                with suppress(ValueError, KeyError, TypeError, OverflowError):  # no heartbeat of ours
                    told = orjson.loads(record.value)
                    if (publisher := told["publisher"]) in self.topics:
                        newest[publisher] = datetime.fromisoformat(told["complete_to"]).astimezone(UTC)
        for publisher in [name for name in newest if name not in self._waiting]:
            places = [TopicPartition(self.topics[publisher], number) for number in range(PARTITIONS)]
            ends = {(p.topic, p.partition): end for p, end in (await self.reader.end_offsets(places)).items()}
            self._waiting[publisher] = Heard(newest[publisher], ends)

    def reached(self, standing: Mapping[Place, int]) -> dict[str, datetime]:
        """For each publisher up to which moment somebody who stands there knows everything; none where that is not
        more than was reached before."""
        found = {
            publisher: heard.complete_to
            for publisher, heard in self._waiting.items()
            if all(standing.get(place, 0) >= end for place, end in heard.ends.items())
        }
        for publisher in found:
            del self._waiting[publisher]
        return found


Note = Callable[[Listener], Awaitable[None]]
"""Is given the listener every few seconds."""


async def follow(servers: str, client: str, topic: str, topics: Mapping[str, str], note: Note) -> None:
    """Listen until cancelled; engines that are away are waited for."""
    while True:
        try:
            async with open_reader(servers, client) as reader:
                listener = Listener(reader, TopicPartition(topic, 0), topics)
                async with asyncio.timeout(BEGIN_SECONDS):
                    await listener.begin()
                while True:
                    await listener.listen(LISTEN_MS)
                    await note(listener)
        except Exception as error:
            if not (isinstance(error, KafkaError) or transient(error)):
                raise
            log.warning("heartbeats wait", error=f"{type(error).__name__}: {error}"[:200])
        await asyncio.sleep(AGAIN_SECONDS)
