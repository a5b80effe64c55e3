"""A reader that takes longer for each event than they come (fault 44 of docs/faults.md)."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from aiokafka.admin import AIOKafkaAdminClient

from shared import clock
from shared.contracts.marketing import LeadCreated
from shared.ids import new_id
from shared.messaging.relay import Relay
from tests.support.invariants import broken, quiet
from tests.support.load import AWAY
from tests.support.messaging import LONG, MakeSide, Side, until
from tests.support.node import node

PAUSE = 0.05  # seconds it takes for each event
WAITING = 6_000  # events, each so many bytes
LARGE = 8_000
FLAT = WAITING * LARGE // 2  # bytes its memory may grow by; a client holds up to 1 MiB of each of the twelve partitions


async def members(reader: Side) -> list[tuple[str, str]]:
    """The state of its group with each member's id: who had to leave and comes back has another."""
    admin = AIOKafkaAdminClient(bootstrap_servers=reader.kafka)
    await admin.start()
    try:
        (answer,) = await admin.describe_consumer_groups([reader.group])
    finally:
        await admin.close()
    return [(state, member) for _, _, state, _, _, found, *_ in answer.groups for member, *_ in found]


async def flood(publisher: Side, keys: Sequence[UUID]) -> None:
    """An event of each, which is long."""
    async with publisher.database.transaction() as tx:
        for key in keys:
            tx.announce(LeadCreated(lead_id=key, cycle=1, campaign="x" * LARGE), journey=key, at=clock.utc_now())


async def behind(publisher: Side, reader: Side) -> int:
    return await publisher.count("outbox_journal") - await reader.count("heard")


async def test_44_a_slow_reader_falls_behind_and_keeps_its_place_and_its_size(sides: MakeSide) -> None:
    publisher, reader = await sides("marketing"), await sides("inside_sales")
    publisher.start(Relay(publisher.database, publisher.kafka, "marketing").run())
    keys = [new_id() for _ in range(WAITING // 12)]
    await flood(publisher, keys)
    with node("read", reader, publisher, pause=PAUSE) as slow:

        async def has_begun() -> bool:
            return await reader.count("heard") > 0

        await until(has_begun, LONG)
        joined, size, lag = await members(reader), slow.memory(), await behind(publisher, reader)
        assert [state for state, _ in joined] == ["Stable"]
        for _ in range(12):
            await flood(publisher, keys)
            await asyncio.sleep(0.3)
            assert await members(reader) == joined
        await until(lambda: publisher.has(0, "outbox"), LONG)
        assert await behind(publisher, reader) > lag + WAITING // 2
        assert slow.memory() < size + FLAT
        slow.hurry()
        await quiet(publisher, reader, seconds=AWAY)
        assert await members(reader) == joined
    assert await broken(publisher, reader) == []
