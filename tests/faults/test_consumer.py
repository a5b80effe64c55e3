"""A reader dies, stands still or shares its work, and the log is not what it was (faults of docs/faults.md)."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from shared import clock, instruments
from shared.contracts.envelope import Meta, with_sequence
from shared.contracts.marketing import LeadCreated
from shared.database import Transaction
from shared.ids import new_id
from shared.messaging import consumer, parking
from shared.messaging.inbox import Handler, Inbox
from shared.messaging.kafka import Outgoing, TopicPartition, ensure_topics
from shared.messaging.loading import publish
from shared.messaging.offsets import Hole
from shared.messaging.parking import TooManyParked
from shared.messaging.relay import Relay
from tests.support.invariants import broken, quiet
from tests.support.messaging import LONG, MakeSide, Side, keys_of, reading, records_of, until, write_down
from tests.support.node import node


async def told(sides: MakeSide, times: int = 5) -> tuple[Side, Side, Sequence[UUID]]:
    """A publisher that has told of ten journeys and goes on sending, and a reader that has not begun."""
    publisher, reader = await sides("marketing"), await sides("inside_sales")
    publisher.start(Relay(publisher.database, publisher.kafka, "marketing").run())
    keys = [new_id() for _ in range(10)]
    for _ in range(times):
        await publisher.say(*keys)
    await until(lambda: publisher.has(0, "outbox"), LONG)
    return publisher, reader, keys


def dropped() -> float:
    """How many events came to a reader of this process again."""
    return float(instruments.consumed.labels("test", LeadCreated.type, "duplicate")._value.get())


@pytest.mark.parametrize("place", ["consumer.after_read", "consumer.before_commit", "consumer.after_apply"])
async def test_22_23_a_reader_killed_at_any_step_leaves_all_of_a_batch_or_nothing(sides: MakeSide, place: str) -> None:
    publisher, reader, keys = await told(sides)
    before = dropped()
    with node("read", reader, publisher, armed=f"{place}=kill@2") as killed:
        await until(lambda: _some(reader), LONG)
        await publisher.say(*keys)
        assert await killed.dies() == -9
    reading(reader, publisher, {LeadCreated: write_down})
    await publisher.say(*keys)
    await quiet(publisher, reader)
    assert await broken(publisher, reader) == []
    assert dropped() == before, "the next reader began below where the offsets stand"


async def _some(reader: Side) -> bool:
    return await reader.count("heard") > 0


async def test_25_readers_that_come_and_go_under_load(sides: MakeSide) -> None:
    publisher, reader, keys = await told(sides)
    reading(reader, publisher, {LeadCreated: _slowly})
    for number in range(4):
        with node("read", reader, publisher) as other:
            for _ in range(8):
                await publisher.say(*keys)
                await asyncio.sleep(0.15)
            if number % 2:
                other.kill()
                assert await other.dies() == -9
    await quiet(publisher, reader)
    assert await broken(publisher, reader) == []


async def _slowly(tx: Transaction, event: LeadCreated, meta: Meta) -> None:
    await asyncio.sleep(0.01)
    await write_down(tx, event, meta)


async def test_28_a_reader_whose_loop_stood_still_is_fenced_and_goes_on(sides: MakeSide) -> None:
    publisher, reader, keys = await told(sides)
    with node("read", reader, publisher, armed="consumer.after_read=block") as blocked:
        await asyncio.sleep(1)
        with node("read", reader, publisher):
            await publisher.say(*keys)
            await quiet(publisher, reader)
        await publisher.say(*keys)
        await quiet(publisher, reader)
        assert blocked.lives(), blocked.said()
    assert await broken(publisher, reader) == []


async def test_33_a_redrive_killed_half_way_and_one_beside_it_apply_each_event_once(sides: MakeSide) -> None:
    publisher, reader, keys = await told(sides)
    reading(reader, publisher, {LeadCreated: _broken})
    await until(lambda: reader.has(50, "parked_event"), LONG)
    await reader.end_tasks()
    with node("redrive", reader, publisher, armed="redrive.after_stream=kill@4") as killed:
        assert await killed.dies() == -9
    assert await reader.count("heard") == 20, "four journeys went on"
    with node("redrive", reader, publisher) as one, node("redrive", reader, publisher) as other:
        assert (await one.dies(), await other.dies()) == (0, 0), one.said() + other.said()
    reading(reader, publisher, {LeadCreated: write_down})
    await publisher.say(*keys)
    await quiet(publisher, reader)
    assert await broken(publisher, reader) == []


async def test_36_a_log_that_comes_twice_changes_nothing(sides: MakeSide) -> None:
    publisher, reader, keys = await told(sides)
    reading(reader, publisher, {LeadCreated: write_down})
    await quiet(publisher, reader)
    again = await _records(publisher)
    await publish(publisher.kafka, again)
    await publisher.say(*keys)
    await quiet(publisher, reader)
    assert await broken(publisher, reader) == []
    assert len(await _records(publisher)) == 2 * len(again) + len(keys)


async def _records(side: Side) -> list[Outgoing]:
    """What lies in a side's topic, to be sent once more."""
    found = await records_of(side.kafka, side.topic)
    return [Outgoing(0, side.topic, r.key.decode(), LeadCreated.type, None, r.value) for r in found]


async def test_38_a_missing_number_holds_its_journey_alone_until_it_comes(sides: MakeSide) -> None:
    publisher, reader = await sides("marketing"), await sides("inside_sales")
    reading(reader, publisher, {LeadCreated: write_down})
    held, other = new_id(), new_id()
    for _ in range(3):
        await publisher.say(held, other)
    taken = "DELETE FROM outbox WHERE stream = $1 AND sequence = 2 RETURNING key, type, traceparent, payload, sequence"
    async with publisher.database.transaction() as tx:
        (row,) = await tx.fetch(taken, str(held))
    publisher.start(Relay(publisher.database, publisher.kafka, "marketing").run())
    await until(lambda: reader.has(4), LONG)
    assert await reader.count("parked_event") == 1
    assert [number for key, number in await reader.heard() if key == str(other)] == [1, 2, 3]
    payload = with_sequence(row["payload"], row["sequence"])
    await publish(publisher.kafka, [Outgoing(0, publisher.topic, row["key"], row["type"], None, payload)])
    await until(lambda: reader.has(6), LONG)
    assert [number for key, number in await reader.heard() if key == str(held)] == [1, 2, 3]
    assert await reader.count("parked_event") == 0


async def test_39_an_act_that_stays_open_holds_up_nobody_and_is_told_after_all(sides: MakeSide) -> None:
    publisher, reader, _ = await told(sides, times=0)
    reading(reader, publisher, {LeadCreated: write_down})
    late, others = new_id(), [new_id() for _ in range(5)]
    async with publisher.database.transaction() as tx:
        tx.announce(LeadCreated(lead_id=late, cycle=1), journey=late, at=clock.utc_now())
        await tx.flush()  # it has its place in the outbox, below all that follow
        await publisher.say(*others)
        await until(lambda: reader.has(5), LONG)
    await until(lambda: reader.has(6), LONG)
    await quiet(publisher, reader)
    assert await broken(publisher, reader) == []


async def test_40_a_long_transaction_elsewhere_on_the_server_delays_nothing(sides: MakeSide) -> None:
    publisher, reader, keys = await told(sides, times=0)
    reading(reader, publisher, {LeadCreated: write_down})
    elsewhere = await sides("field_sales")
    async with elsewhere.database.transaction():
        await elsewhere.say(new_id())
        await publisher.say(*keys)
        await quiet(publisher, reader)
    assert await broken(publisher, reader) == []


async def test_46_a_reader_that_comes_later_hears_everything_and_disturbs_nobody(sides: MakeSide) -> None:
    publisher, reader, keys = await told(sides)
    reading(reader, publisher, {LeadCreated: write_down})
    await quiet(publisher, reader)
    newcomer = await sides("field_sales")
    reading(newcomer, publisher, {LeadCreated: write_down})
    await publisher.say(*keys)
    await quiet(publisher, reader, newcomer)
    assert await broken(publisher, reader, newcomer) == []


async def test_51_without_a_hint_the_relay_looks_by_itself(sides: MakeSide) -> None:
    publisher, reader, keys = await told(sides, times=0)
    reading(reader, publisher, {LeadCreated: write_down})
    publisher.database.on_publish = lambda: None
    await publisher.say(*keys)
    await quiet(publisher, reader)
    assert await broken(publisher, reader) == []


async def test_35_a_bug_that_fails_every_event_halts_before_it_has_parked_them_all(
    sides: MakeSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parking, "PARKED_LIMIT", 20)
    publisher, reader, _ = await told(sides, times=0)
    for _ in range(10):
        await publisher.say(*[new_id() for _ in range(6)])
        await until(lambda: publisher.has(0, "outbox"), LONG)
    with pytest.raises(TooManyParked, match="journeys would wait"):
        await asyncio.wait_for(_consuming(reader, publisher, _broken), LONG)
    assert await reader.count("parked_event") <= 20
    reading(reader, publisher, {LeadCreated: write_down})  # mended
    inbox = Inbox(reader.database, {LeadCreated: write_down}, {publisher.topic: "marketing"}, reader.dead_topic)
    await inbox.redrive()
    await quiet(publisher, reader)
    assert await broken(publisher, reader) == []


async def _broken(tx: Transaction, event: LeadCreated, meta: Meta) -> None:
    raise KeyError("a bug")


async def _consuming(reader: Side, publisher: Side, handler: Handler = write_down) -> None:
    inbox = Inbox(reader.database, {LeadCreated: handler}, {publisher.topic: publisher.name}, reader.dead_topic)
    await consumer.consume(reader.kafka, reader.group, [publisher.topic], inbox)


async def test_47_what_retention_took_before_it_was_read_halts_the_reader(sides: MakeSide) -> None:
    publisher, reader, _ = await told(sides, times=0)
    (key,) = keys_of(3, 1)
    await publisher.say(key)
    reading(reader, publisher, {LeadCreated: write_down})
    await quiet(publisher, reader)
    await reader.end_tasks()
    for _ in range(4):
        await publisher.say(key)
    await until(lambda: publisher.has(0, "outbox"), LONG)
    admin = AIOKafkaAdminClient(bootstrap_servers=publisher.kafka)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(publisher.topic, 3): RecordsToDelete(before_offset=3)})
    finally:
        await admin.close()
    with pytest.raises(Hole, match="begins at 3, we are at 1"):
        await asyncio.wait_for(_consuming(reader, publisher), LONG)
    assert await reader.count("heard") == 1


async def test_15_a_topic_made_anew_halts_the_reader_and_what_is_told_meanwhile_waits(
    sides: MakeSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "WATCH_SECONDS", 0.2)
    publisher, reader, keys = await told(sides)
    reading(reader, publisher, {LeadCreated: write_down})
    await quiet(publisher, reader)
    await reader.end_tasks()
    admin = AIOKafkaAdminClient(bootstrap_servers=publisher.kafka)
    await admin.start()
    try:
        await admin.delete_topics([publisher.topic])
        await asyncio.sleep(1)
        await publisher.say(*keys)
        await asyncio.sleep(2)
        assert await publisher.count("outbox") == len(keys), "what is told while there is no topic waits"
    finally:
        await admin.close()
    await ensure_topics(publisher.kafka, [publisher.topic])
    await until(lambda: publisher.has(0, "outbox"), LONG)
    with pytest.raises(Hole, match="ends at"):
        await asyncio.wait_for(_consuming(reader, publisher), LONG)
    assert await reader.count("heard") == 50
