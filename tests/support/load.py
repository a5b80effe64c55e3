"""People who act all the time while the engines die, and what must be true of what they were answered."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from shared.contracts.marketing import LeadCreated
from shared.ids import new_id
from shared.messaging.consumer import Stuck, consume
from shared.messaging.inbox import Inbox
from shared.messaging.relay import Relay
from shared.sqlerrors import transient
from tests.support.invariants import broken, quiet
from tests.support.messaging import MakeSide, Side, write_down

AWAY = 60.0  # seconds an engine may need to come back on a busy machine


async def ready(sides: MakeSide) -> tuple[Side, Side]:
    """A publisher that sends and a reader that reads."""
    publisher, reader = await sides("marketing"), await sides("inside_sales")
    begin(publisher, reader)
    return publisher, reader


def begin(publisher: Side, reader: Side) -> None:
    relay = Relay(publisher.database, publisher.kafka, "marketing")
    publisher.database.on_publish = relay.wake
    publisher.start(relay.run())
    reader.start(kept_reading(reader, publisher))


async def kept_reading(reader: Side, publisher: Side) -> None:
    """As a worker does it: a reader that is stuck is built anew."""
    while True:
        inbox = Inbox(reader.database, {LeadCreated: write_down}, {publisher.topic: publisher.name}, reader.dead_topic)
        with suppress(Stuck):
            await consume(reader.kafka, reader.group, [publisher.topic], inbox)


class Load:
    """People who act all the time, and try again when they are not answered; what they were told is remembered."""

    def __init__(self, publisher: Side, keys: Sequence[UUID]) -> None:
        self.publisher, self.keys = publisher, keys
        self.tried, self.answered, self.failed = Counter[str](), Counter[str](), 0

    async def run(self) -> None:
        while True:
            self.tried.update(map(str, self.keys))
            try:
                await self.publisher.say(*self.keys)
                self.answered.update(map(str, self.keys))
            except Exception as error:
                if not transient(error):
                    raise
                self.failed += 1
            await asyncio.sleep(0.02)


@asynccontextmanager
async def load(publisher: Side, people: int = 3) -> AsyncIterator[list[Load]]:
    loads = [Load(publisher, [new_id() for _ in range(4)]) for _ in range(people)]
    tasks = [asyncio.create_task(each.run()) for each in loads]
    try:
        yield loads
        await asyncio.sleep(0.5)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended


async def holds(publisher: Side, reader: Side, loads: Sequence[Load]) -> None:
    """Everything anybody was answered is there, once; and nothing that nobody tried."""
    await quiet(publisher, reader, seconds=AWAY)
    assert await broken(publisher, reader) == []
    heard = Counter(key for key, _ in await reader.heard())
    for each in loads:
        for key in map(str, each.keys):
            assert each.answered[key] <= heard[key] <= each.tried[key]
