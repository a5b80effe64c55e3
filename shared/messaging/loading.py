"""Put told history on the topics: for tests, demos and another system's past. Departments only pass over it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from shared.contracts.base import Event
from shared.contracts.envelope import Meta, encode, with_sequence
from shared.messaging.kafka import Outgoing, Sender

CHUNK = 500


class History:
    """Collects events of one named history and numbers them per publisher and journey in recorded order."""

    def __init__(self, name: str, topic_of: Callable[[str], str]) -> None:
        self._name = name
        self._topic_of = topic_of
        self._told: list[tuple[Event, Meta]] = []

    def __len__(self) -> int:
        return len(self._told)

    def add(self, event: Event, *, event_id: UUID, key: str, at: datetime, recorded: datetime) -> None:
        publisher = event.type.partition(".")[0]
        meta = Meta(
            id=str(event_id),
            source=f"/load/{self._name}/{publisher}",
            type=event.type,
            time=at,
            recorded=recorded,
            key=key,
            sequence=0,
            replay_only=True,
        )
        self._told.append((event, meta))

    def records(self, *, shuffle: int | None = None, duplicate: int = 0) -> list[Outgoing]:
        """In the order they were added; numbered before shuffling; duplicates are the same bytes again."""
        numbers: dict[tuple[str, str], int] = {}
        numbered: dict[int, Meta] = {}
        for place in sorted(
            range(len(self._told)), key=lambda i: (self._told[i][1].recorded, self._told[i][1].time, i)
        ):
            meta = self._told[place][1]
            numbers[meta.stream] = numbers.get(meta.stream, 0) + 1
            numbered[place] = replace(meta, sequence=numbers[meta.stream])
        records = [self._record(place, self._told[place][0], numbered[place]) for place in range(len(self._told))]
        chance = random.Random(shuffle)
        records += chance.choices(records, k=duplicate) if duplicate and records else []
        if shuffle is not None:
            chance.shuffle(records)
        return records

    def _record(self, place: int, event: Event, meta: Meta) -> Outgoing:
        payload = with_sequence(encode(event, meta), meta.sequence)
        return Outgoing(place, self._topic_of(meta.publisher), meta.key, meta.type, None, payload)


async def publish(servers: str, records: Sequence[Outgoing], told: Callable[[int], None] = lambda count: None) -> None:
    """Send records in their order; `told` is called with the number of each acknowledged chunk."""
    sender = Sender(servers, "themodel-load-events")
    try:
        for start in range(0, len(records), CHUNK):
            chunk = records[start : start + CHUNK]
            await sender.send(chunk)
            told(len(chunk))
    finally:
        await sender.close()
