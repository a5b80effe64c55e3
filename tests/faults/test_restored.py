"""A database that has lost its last commits, as after a fail-over or a restore (fault 19)."""

import asyncio
from uuid import UUID

from sqlalchemy import text

from shared import clock
from shared.contracts.marketing import LeadCreated
from shared.ids import new_id
from shared.messaging.relay import Relay
from tests.support.invariants import broken, quiet
from tests.support.messaging import LONG, MakeSide, Side, log_of, reading, until, write_down

KEPT = ("outbox", "outbox_stream", "relay_offset", "consumer_offset", "applied_sequence", "heard", "tally")


async def remember(side: Side) -> None:
    async with side.database.transaction() as tx:
        for table in KEPT:
            await tx.session.execute(text(f"CREATE TABLE kept_{table} AS TABLE {table}"))


async def go_back(side: Side) -> None:
    """To what was remembered, as a replica that had no more becomes the database."""
    async with side.database.transaction() as tx:
        for table in KEPT:
            await tx.session.execute(text(f"DELETE FROM {table}"))
            await tx.session.execute(text(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE kept_{table}"))


async def send(publisher: Side) -> None:
    relay = publisher.start(Relay(publisher.database, publisher.kafka, "marketing").run())
    await until(lambda: publisher.has(0, "outbox"), LONG)
    relay.cancel()


async def numbers(publisher: Side, key: UUID) -> list[int]:
    return [meta.sequence for meta in await log_of(publisher) if meta.key == str(key)]


async def test_19_a_publisher_that_went_back_goes_on_after_the_last_number_it_ever_told(sides: MakeSide) -> None:
    publisher, reader = await sides("marketing"), await sides("inside_sales")
    old, other, fresh = new_id(), new_id(), new_id()
    await publisher.say(old, other)
    await send(publisher)
    await remember(publisher)
    await publisher.say(old, old)
    await publisher.say(old, fresh)
    await send(publisher)
    await go_back(publisher)
    await publisher.say(old, other, fresh)  # told before anybody has looked how far it had been
    await publisher.say(old)
    await send(publisher)
    await publisher.say(old, fresh)
    await send(publisher)
    assert await numbers(publisher, old) == [1, 2, 3, 4, 5, 6, 7]
    assert (await numbers(publisher, other), await numbers(publisher, fresh)) == ([1, 2], [1, 2, 3])
    reading(reader, publisher, {LeadCreated: write_down})
    await quiet(publisher, reader)
    heard = await reader.heard()
    assert len(heard) == len(set(heard)) == 12, "each of them is heard, also those whose numbers had been taken"


async def test_19_what_is_told_while_the_relay_catches_up_comes_after(sides: MakeSide) -> None:
    publisher = await sides("marketing")
    key = new_id()
    await publisher.say(key)
    await send(publisher)
    await remember(publisher)
    for _ in range(4):
        await publisher.say(key)
    await send(publisher)
    await go_back(publisher)
    async with publisher.database.transaction() as tx:
        tx.announce(LeadCreated(lead_id=key, cycle=1), journey=key, at=clock.utc_now())
        await tx.flush()  # its number is taken, and not yet committed
        relay = publisher.start(Relay(publisher.database, publisher.kafka, "marketing").run())
        await asyncio.sleep(1.5)
    await until(lambda: publisher.has(0, "outbox"), LONG)
    relay.cancel()
    assert await numbers(publisher, key) == [1, 2, 3, 4, 5, 6]


async def test_19_a_reader_that_went_back_reads_again_what_it_has_lost(sides: MakeSide) -> None:
    publisher, reader = await sides("marketing"), await sides("inside_sales")
    keys = [new_id() for _ in range(5)]
    await publisher.say(*keys)
    await send(publisher)
    reading(reader, publisher, {LeadCreated: write_down})
    await quiet(publisher, reader)
    await remember(reader)
    await publisher.say(*keys)
    await send(publisher)
    await quiet(publisher, reader)
    await go_back(reader)
    await quiet(publisher, reader)  # also while nothing new comes
    assert await broken(publisher, reader) == []
    await publisher.say(*keys)
    await send(publisher)
    await quiet(publisher, reader)
    assert await broken(publisher, reader) == []
