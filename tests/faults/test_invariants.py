"""The checker of the invariants sees what it is there for: each planted violation is found, and named."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text

from shared import clock
from shared.contracts.envelope import Meta, encode, with_sequence
from shared.contracts.marketing import LeadCreated
from shared.ids import new_id
from shared.messaging.inbox import Handlers
from shared.messaging.kafka import Outgoing
from shared.messaging.loading import publish
from shared.messaging.relay import Relay
from tests.support.invariants import broken, quiet
from tests.support.messaging import MakeSide, Side, reading, write_down

HANDLERS: Handlers = {LeadCreated: write_down}


async def _do(side: Side, statement: str) -> None:
    async with side.database.engine.begin() as connection:
        assert (await connection.execute(text(statement))).rowcount > 0, "nothing was planted"


async def lost(_: Side, reader: Side) -> None:
    await _do(reader, "DELETE FROM heard WHERE n = 3")


async def twice(_: Side, reader: Side) -> None:
    await _do(reader, "INSERT INTO heard (id, key, sequence) SELECT id, key, sequence FROM heard WHERE n = 3")


async def in_another_order(_: Side, reader: Side) -> None:
    swapped = "SELECT min(n) + max(n) FROM heard WHERE key = (SELECT key FROM heard WHERE n = 1)"
    chosen = "SELECT key FROM heard WHERE n = 1"
    await _do(reader, f"UPDATE heard SET n = ({swapped}) - n WHERE key = ({chosen})")


async def miscounted(_: Side, reader: Side) -> None:
    await _do(reader, "UPDATE tally SET times = times + 1 WHERE key = (SELECT key FROM heard WHERE n = 1)")


async def left_behind(_: Side, reader: Side) -> None:
    await _do(reader, "UPDATE consumer_offset SET next_offset = next_offset - 1 WHERE next_offset > 0")


async def never_sent(publisher: Side, _: Side) -> None:
    await publisher.say(new_id())  # its relay has ended


async def of_nobody(publisher: Side, _: Side) -> None:
    key, now = new_id(), clock.utc_now()
    meta = Meta(str(new_id()), "/marketing", LeadCreated.type, now, now, str(key), 1)
    payload = with_sequence(encode(LeadCreated(lead_id=key, cycle=1), meta), 1)
    await publish(publisher.kafka, [Outgoing(0, publisher.topic, str(key), meta.type, None, payload)])


@pytest.mark.parametrize(
    ("plant", "rules"),
    [
        (lost, {"I1", "I2", "I3"}),
        (twice, {"I2", "I3"}),
        (in_another_order, {"I3"}),
        (miscounted, {"I2"}),
        (left_behind, {"I4"}),
        (never_sent, {"I1", "I6"}),
        (of_nobody, {"I4", "I7"}),
    ],
    ids=lambda found: getattr(found, "__name__", ""),
)
async def test_what_is_planted_is_found(
    sides: MakeSide, plant: Callable[[Side, Side], Awaitable[None]], rules: set[str]
) -> None:
    publisher, reader = await sides("marketing"), await sides("inside_sales")
    relay = publisher.start(Relay(publisher.database, publisher.kafka, "marketing").run())
    reading(reader, publisher, HANDLERS)
    keys = [new_id() for _ in range(3)]
    for _ in range(4):
        await publisher.say(*keys)
    await quiet(publisher, reader)
    assert await broken(publisher, reader) == []
    for task in (relay, *reader.tasks):
        task.cancel()
    await asyncio.wait([relay, *reader.tasks])
    await plant(publisher, reader)
    assert {said.split()[0] for said in await broken(publisher, reader)} == rules
