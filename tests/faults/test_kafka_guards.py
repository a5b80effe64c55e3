"""The guards against what aiokafka does wrong when it sends (A1, A2, A3, A9), each on a real broker.

Those of reading are in tests/integration, those of groups in test_kafka_guards_group.py.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, OutOfOrderSequenceNumber, UnknownError

from shared import instruments
from shared.contracts.marketing import LeadCreated
from shared.ids import new_id
from shared.messaging import kafka
from shared.messaging.kafka import Outgoing, Sender, TopicPartition, open_reader, partition_of
from shared.messaging.relay import FULL_ROWS, Relay
from tests.support.engines import Engines
from tests.support.messaging import LONG, MakeSide, Side, keys_of, log_of, reading, until, write_down

PLACE = 3  # the partition of KEY
KEY = str(keys_of(PLACE, 1)[0])


def rows(topic: str, count: int = 1, value: bytes = b"small") -> list[Outgoing]:
    return [Outgoing(number, topic, KEY, "x", None, value) for number in range(count)]


@asynccontextmanager
async def sending(side: Side) -> AsyncIterator[Sender]:
    sender = Sender(side.kafka, "test")
    try:
        yield sender
    finally:
        await sender.close()


async def values(side: Side) -> list[bytes]:
    """What lies in the partition of KEY."""
    place = TopicPartition(side.topic, PLACE)
    async with open_reader(side.kafka, "test") as reader:
        reader.assign([place])
        reader.seek(place, 0)
        end, found = (await reader.end_offsets([place]))[place], []
        while await reader.position(place) < end:
            for records in (await reader.getmany(timeout_ms=100)).values():
                found += [record.value for record in records]
        return found


async def ends_by_itself(task: "asyncio.Task[object]") -> BaseException | None:
    """What it ended with. Nobody cancels it: whether it has a bound of its own is the question."""
    done, _ = await asyncio.wait({task}, timeout=LONG)
    task.cancel()
    assert done, "it hangs"
    return task.exception()


async def test_a1_a_plain_producer_is_lost_after_one_refused_record(sides: MakeSide) -> None:
    """Trap: the refused batch has used up its sequence numbers, so the broker refuses all that follow."""
    side = await sides("marketing", largest=2000)
    plain = AIOKafkaProducer(bootstrap_servers=side.kafka, enable_idempotence=True)
    await plain.start()
    try:
        await plain.send_and_wait(side.topic, b"small", partition=PLACE)
        with pytest.raises(MessageSizeTooLargeError):
            await plain.send_and_wait(side.topic, b"x" * 4000, partition=PLACE)
        for _ in range(2):
            with pytest.raises(OutOfOrderSequenceNumber):
                await plain.send_and_wait(side.topic, b"small", partition=PLACE)
    finally:
        await plain.stop()


async def test_a1_the_sender_works_again_after_a_refused_record(sides: MakeSide) -> None:
    """Trap: one refused batch makes the broker refuse all that follow of the same idempotent producer."""
    side = await sides("marketing", largest=2000)
    async with sending(side) as sender:
        await sender.send(rows(side.topic, value=b"first"))
        for _ in range(2):
            with pytest.raises(MessageSizeTooLargeError):
                await sender.send(rows(side.topic, value=b"x" * 4000))
            await sender.send(rows(side.topic, value=b"next"))
    assert await values(side) == [b"first", b"next", b"next"]


async def send_and_watch(sender: Sender, batches: Sequence[Sequence[Outgoing]]) -> list[object]:
    """The producer that sent each batch."""
    used: list[object] = []
    for batch in batches:
        await sender.send(batch)
        used.append(sender._producer)
    return used


async def test_a2_a_producer_is_renewed_before_its_numbers_run_out(
    sides: MakeSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap: after 2^31 records of a partition aiokafka's numbers turn negative, and every send fails from then on."""
    side = await sides("marketing")
    assert kafka.RENEW_AFTER_RECORDS + FULL_ROWS < 2**31
    monkeypatch.setattr(kafka, "RENEW_AFTER_RECORDS", 20)
    batches = [rows(side.topic, 10, b"%d" % number) for number in range(5)]
    async with sending(side) as sender:
        producer = await sender._ready()
        producer._txn_manager._sequence_numbers[TopicPartition(side.topic, PLACE)] = 2**31 - 30
        used = await send_and_watch(sender, batches)
    assert used[0] is used[1] is used[2] is not used[3]
    assert used[3] is used[4]
    assert await values(side) == [row.value for batch in batches for row in batch]


async def test_a2_a_producer_is_renewed_by_age(sides: MakeSide, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap: numbers also run out at a pace nobody counted on; a producer of yesterday is not trusted either."""
    side = await sides("marketing")
    async with sending(side) as sender:
        young = await send_and_watch(sender, [rows(side.topic, 1, b"young")] * 2)
        monkeypatch.setattr(kafka, "RENEW_AFTER_SECONDS", 0.0)
        old = await send_and_watch(sender, [rows(side.topic, 1, b"old")] * 2)
    assert young[0] is young[1]
    assert old[0] is not old[1]
    assert await values(side) == [b"young", b"young", b"old", b"old"]


async def test_a2_numbers_that_ran_out_all_the_same_cost_a_producer_and_no_event(sides: MakeSide) -> None:
    """Trap: a producer whose numbers ran out fails for ever, so the relay must not keep it."""
    marketing = await sides("marketing")
    relay = Relay(marketing.database, marketing.kafka, "marketing")
    marketing.start(relay.run())
    keys = keys_of(PLACE, 3)
    await marketing.say(*keys_of(PLACE + 1, 1))  # its producer is there
    await until(lambda: marketing.has(0, "outbox"), LONG)
    producer = await relay._sender._ready()
    producer._txn_manager._sequence_numbers[TopicPartition(marketing.topic, PLACE)] = 2**31 - 3
    for _ in range(4):
        await marketing.say(*keys)
        await until(lambda: marketing.has(0, "outbox"), LONG)
    assert relay._sender._producer is not producer, "its numbers did not run out: the test did not do its work"
    told = [(meta.key, meta.sequence) for meta in await log_of(marketing) if partition_of(meta.key) == PLACE]
    assert told == [(str(key), number) for number in (1, 2, 3, 4) for key in keys]


async def test_a2_aiokafka_still_wraps_to_negative_numbers(sides: MakeSide) -> None:
    """Trap: see above; this is why the guard exists."""
    side = await sides("marketing")
    plain = AIOKafkaProducer(bootstrap_servers=side.kafka, enable_idempotence=True)
    await plain.start()
    try:
        plain._txn_manager._sequence_numbers[TopicPartition(side.topic, PLACE)] = 2**31 - 1
        await plain.send_and_wait(side.topic, b"the last", partition=PLACE)
        with pytest.raises(UnknownError):
            await plain.send_and_wait(side.topic, b"one more", partition=PLACE)
    finally:
        await plain.stop()


async def test_a3_a_send_gives_up_and_what_it_gave_up_may_still_land(
    engines: Engines, sides: MakeSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap: an idempotent send waits for as long as the broker is away, and cancelling it does not un-send it."""
    side = await sides("marketing")
    async with sending(side) as sender:
        await sender.send(rows(side.topic, value=b"before"))
        with engines.broker_frozen(), monkeypatch.context() as impatient:
            impatient.setattr(kafka, "SEND_TIMEOUT", 0.5)
            impatient.setattr(kafka, "CLOSE_TIMEOUT", 0.5)
            given_up = asyncio.create_task(sender.send(rows(side.topic, value=b"given up")))
            assert isinstance(await ends_by_itself(given_up), TimeoutError)
            assert sender._producer is None, "nobody may use it again"
        await sender.send(rows(side.topic, value=b"after"))
    found = await values(side)
    assert [value for value in found if value != b"given up"] == [b"before", b"after"]
    assert found.count(b"given up") <= 1


async def test_a3_closing_is_bounded_while_the_broker_is_away(
    engines: Engines, sides: MakeSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap: a producer's stop() waits for what it has on its way, for as long as the broker is away."""
    side = await sides("marketing")
    monkeypatch.setattr(kafka, "CLOSE_TIMEOUT", 0.5)
    async with sending(side) as sender:
        producer = await sender._ready()
        await producer.send_and_wait(side.topic, b"before", partition=PLACE)
        with engines.broker_frozen():
            on_its_way = await producer.send(side.topic, b"on its way", partition=PLACE)
            assert await ends_by_itself(asyncio.create_task(sender.close())) is None
            assert not on_its_way.done()
        await asyncio.wait_for(on_its_way, LONG)
    assert await values(side) == [b"before", b"on its way"]


async def test_a3_the_relay_deletes_nothing_a_frozen_broker_did_not_acknowledge(
    engines: Engines, sides: MakeSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap: a send that timed out is neither sent nor unsent, so its events stay, and readers drop what came twice."""
    marketing, reader = await sides("marketing"), await sides("inside_sales")
    marketing.start(Relay(marketing.database, marketing.kafka, "marketing").run())
    reading(reader, marketing, {LeadCreated: write_down})
    keys = [new_id() for _ in range(5)]
    await marketing.say(*keys)
    await until(lambda: reader.has(5), LONG)
    await until(lambda: marketing.has(0, "outbox"), LONG)
    with engines.broker_frozen(), monkeypatch.context() as impatient:
        impatient.setattr(kafka, "SEND_TIMEOUT", 0.5)
        impatient.setattr(kafka, "CLOSE_TIMEOUT", 0.5)
        rebuilt = instruments.relay_rebuilds._value.get()
        for _ in range(3):
            await marketing.say(*keys)

        async def gave_up() -> bool:
            return bool(instruments.relay_rebuilds._value.get() > rebuilt)

        await until(gave_up, LONG)
        assert await marketing.has(15, "outbox")
    await until(lambda: reader.has(20), LONG)
    await until(lambda: marketing.has(0, "outbox"), LONG)
    heard = await reader.heard()
    assert {str(key): [n for k, n in heard if k == str(key)] for key in keys} == {str(k): [1, 2, 3, 4] for k in keys}


def batches_on_disk(engines: Engines, topic: str, partition: int) -> list[int]:
    """How many records each batch of a partition has, as the broker wrote them down."""
    assert engines.home is not None
    (segment,) = (engines.home.kafka / "data" / f"{topic}-{partition}").glob("*.log")
    content, place, counts = segment.read_bytes(), 0, []
    while place + 61 <= len(content):
        _, length = struct.unpack_from(">qi", content, place)
        counts.append(struct.unpack_from(">i", content, place + 57)[0])
        place += 12 + length
    return counts


async def test_a9_many_records_of_a_partition_go_in_few_large_batches(engines: Engines, sides: MakeSide) -> None:
    """Trap: aiokafka has one batch of a partition on its way at a time, so small batches cost a round trip each."""
    side = await sides("marketing")
    sent = rows(side.topic, FULL_ROWS, b"x" * 600)
    async with sending(side) as sender:
        ends = await sender.send(sent)
    counts = batches_on_disk(engines, side.topic, PLACE)
    assert ends == {(side.topic, PLACE): FULL_ROWS}
    assert sum(counts) == FULL_ROWS
    assert len(counts) <= 3, counts
    assert await values(side) == [row.value for row in sent]
