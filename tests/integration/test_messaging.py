"""The way of an event on real PostgreSQL and real Kafka: nothing lost, nothing twice, order kept."""

import asyncio
import contextlib
import functools
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import orjson
import pytest
from aiokafka.consumer.fetcher import Fetcher
from sqlalchemy import text

from shared import clock
from shared.contracts.envelope import Meta
from shared.contracts.marketing import LeadCreated, MqlCreated
from shared.database import Transaction
from shared.ids import new_id
from shared.messaging import relay as relay_module
from shared.messaging.inbox import Together
from shared.messaging.kafka import Outgoing, Sender, TopicPartition, partition_of
from shared.messaging.relay import Relay
from tests.support.messaging import MakeSide, log_of, reading, until, write_down


async def test_events_travel_in_order_and_once(sides: MakeSide) -> None:
    marketing, reader = await sides("marketing"), await sides("inside_sales")
    relay = Relay(marketing.database, marketing.kafka, "marketing")
    marketing.database.on_publish = relay.wake
    marketing.start(relay.run())
    reading(reader, marketing, {LeadCreated: write_down})
    keys = [new_id() for _ in range(20)]
    for _ in range(10):
        await asyncio.gather(*(marketing.say(*keys[i::4]) for i in range(4)))
    await until(lambda: reader.has(200))
    heard = await reader.heard()
    assert {key: [s for k, s in heard if k == key] for key, _ in heard} == {str(k): list(range(1, 11)) for k in keys}
    await until(lambda: marketing.has(0, "outbox"))


async def test_a_rolled_back_act_tells_nothing_and_takes_no_number(sides: MakeSide) -> None:
    marketing = await sides("marketing")
    key = new_id()
    await marketing.say(key)
    with contextlib.suppress(RuntimeError):
        async with marketing.database.transaction() as tx:
            tx.announce(LeadCreated(lead_id=key, cycle=1), journey=key, at=clock.utc_now())
            await tx.flush()
            raise RuntimeError
    await marketing.say(key)
    async with marketing.database.reading() as session:
        numbers = [n for (n,) in await session.execute(text("SELECT sequence FROM outbox ORDER BY id"))]
    assert numbers == [1, 2]


async def test_numbers_have_no_gaps_under_concurrent_writers(sides: MakeSide) -> None:
    marketing = await sides("marketing")
    keys = [new_id() for _ in range(5)]
    await asyncio.gather(*(marketing.say(*(keys[i % 5 :] + keys[: i % 5])) for i in range(40)))
    async with marketing.database.reading() as session:
        rows = (await session.execute(text("SELECT stream, sequence FROM outbox ORDER BY id"))).all()
    for key in keys:
        assert [n for stream, n in rows if stream == str(key)] == list(range(1, 41))


async def test_a_failing_handler_parks_its_stream_and_lets_the_others_go(sides: MakeSide) -> None:
    marketing, reader = await sides("marketing"), await sides("inside_sales")
    good, bad = new_id(), new_id()
    broken = True

    async def picky(tx: Transaction, event: LeadCreated, meta: Meta) -> None:
        await write_down(tx, event, meta)
        tx.announce(MqlCreated(lead_id=event.lead_id, cycle=1), journey=event.lead_id, at=meta.time)
        if broken and event.lead_id == bad:
            raise RuntimeError("a bug")

    relay = Relay(marketing.database, marketing.kafka, "marketing")
    marketing.start(relay.run())
    inbox = reading(reader, marketing, {LeadCreated: picky})
    for _ in range(3):
        await marketing.say(bad, good)
    await until(lambda: reader.has(3))
    await until(lambda: reader.has(3, "parked_event"))
    assert await reader.heard() == [(str(good), n) for n in (1, 2, 3)]
    assert await reader.count("outbox") == 3, "what the failed handler announced must not be told"
    assert await inbox.redrive() == 0
    broken = False
    assert await inbox.redrive() == 1
    assert [row for row in await reader.heard() if row[0] == str(bad)] == [(str(bad), n) for n in (1, 2, 3)]
    assert await reader.count("parked_event") == 0
    await marketing.say(bad)
    await until(lambda: reader.has(7))


async def test_a_gap_waits_and_is_filled(sides: MakeSide) -> None:
    marketing, reader = await sides("marketing"), await sides("inside_sales")
    key = new_id()
    await marketing.say(key)
    await marketing.say(key)
    await marketing.say(key)
    async with marketing.database.transaction() as tx:
        held = (await tx.session.execute(text("DELETE FROM outbox WHERE sequence = 2 RETURNING *"))).mappings().one()
    relay = Relay(marketing.database, marketing.kafka, "marketing")
    marketing.start(relay.run())
    reading(reader, marketing, {LeadCreated: write_down})
    await until(lambda: reader.has(1, "parked_event"))
    assert await reader.heard() == [(str(key), 1)]
    async with marketing.database.transaction() as tx:
        columns = ("event_id", "stream", "sequence", "topic", "key", "type", "payload")
        names = ", ".join(columns)
        values = ", ".join(f":{c}" for c in columns)
        row = {c: held[c] for c in columns}
        await tx.session.execute(text(f"INSERT INTO outbox ({names}) VALUES ({values})"), row)
    await until(lambda: reader.has(3))
    assert await reader.heard() == [(str(key), n) for n in (1, 2, 3)]


async def test_the_relay_does_not_send_again_what_its_topic_holds(sides: MakeSide) -> None:
    """Killed between the broker's acknowledgement and the DELETE: the next relay finds its events in the topic."""
    marketing = await sides("marketing")
    keys = [new_id() for _ in range(3)]
    await marketing.say(*keys)
    async with marketing.database.reading() as session:
        rows = (await session.execute(text("SELECT * FROM outbox ORDER BY id"))).mappings().all()
    sender = Sender(marketing.kafka, "test")
    await sender.send([relay_module._outgoing(cast(Any, row)) for row in rows])
    await sender.close()
    async with marketing.database.transaction() as tx:  # as after a restore: the counters are behind, too
        await tx.session.execute(text("UPDATE outbox_stream SET last_sequence = 0"))
    relay = Relay(marketing.database, marketing.kafka, "marketing")
    marketing.start(relay.run())
    await until(lambda: marketing.has(0, "outbox"))
    await marketing.say(*keys)
    await until(lambda: marketing.has(0, "outbox"))
    log = await log_of(marketing)
    assert sorted((meta.key, meta.sequence) for meta in log) == sorted((str(k), n) for k in keys for n in (1, 2))


async def test_undecodable_bytes_become_dead_letters(sides: MakeSide) -> None:
    marketing, reader = await sides("marketing"), await sides("inside_sales")
    key = str(new_id())
    strange = [
        b"no json",
        b"[]",
        b'{"specversion":"1.0"}',
        b'{"specversion":"1.0","id":"1","source":"/marketing","type":"x","time":"yesterday","partitionkey":"k",'
        b'"sequence":"1","data":{}}',
        b'{"specversion":"1.0","id":"1","source":"/field_sales","type":"x","time":"2026-01-01T00:00:00Z",'
        b'"partitionkey":"k","sequence":"1","data":{}}',
        b"\xff\xfe",
    ]
    sender = Sender(marketing.kafka, "test")
    await sender.send([Outgoing(i, marketing.topic, key, "x", None, value) for i, value in enumerate(strange)])
    await sender.close()
    await marketing.say(new_id())
    relay = Relay(marketing.database, marketing.kafka, "marketing")
    marketing.start(relay.run())
    reading(reader, marketing, {LeadCreated: write_down})
    await until(lambda: reader.has(1))
    await until(lambda: reader.has(len(strange), "outbox"))
    async with reader.database.reading() as session:
        payloads = [orjson.loads(p) for (p,) in await session.execute(text("SELECT payload FROM outbox ORDER BY id"))]
    assert [bytes.fromhex(p["value"]) for p in payloads] == strange
    assert all(p["error"] for p in payloads)


async def test_an_unknown_type_is_passed_and_a_newer_version_waits(sides: MakeSide) -> None:
    marketing, reader = await sides("marketing"), await sides("inside_sales")
    key = new_id()

    def told(kind: str, sequence: int) -> bytes:
        return orjson.dumps(
            {
                "specversion": "1.0",
                "id": str(new_id()),
                "source": "/marketing",
                "type": kind,
                "time": "2026-04-01T00:00:00Z",
                "partitionkey": str(key),
                "sequence": f"{sequence:012d}",
                "data": {"lead_id": str(key), "cycle": 1, "a_field_of_tomorrow": 1},
            }
        )

    kinds = ["marketing.brand_new.v1", "marketing.lead_created.v1", "marketing.lead_created.v2"]
    kinds.append("marketing.lead_created.v1")
    sender = Sender(marketing.kafka, "test")
    await sender.send([Outgoing(i, marketing.topic, str(key), k, None, told(k, i + 1)) for i, k in enumerate(kinds)])
    await sender.close()
    reading(reader, marketing, {LeadCreated: write_down})
    await until(lambda: reader.has(2, "parked_event"))
    assert await reader.heard() == [(str(key), 2)]


async def test_one_record_too_large_for_the_topic_is_voided_and_its_number_kept(
    sides: MakeSide,
) -> None:
    marketing = await sides("marketing", largest=2000)
    key = new_id()
    async with marketing.database.transaction() as tx:
        for campaign in ("small", "x" * 4000, "small"):
            tx.announce(LeadCreated(lead_id=key, cycle=1, campaign=campaign), journey=key, at=clock.utc_now())
    relay = Relay(marketing.database, marketing.kafka, "marketing")
    marketing.start(relay.run())
    await until(lambda: marketing.has(0, "outbox"))
    log = await log_of(marketing)
    kinds = ["marketing.lead_created.v1", "marketing.voided.v1", "marketing.lead_created.v1"]
    assert [(m.sequence, m.type) for m in log] == list(enumerate(kinds, 1))
    assert await marketing.count("outbox_dead") == 1


async def test_a_record_that_another_relay_has_voided_meanwhile_is_nobodys_to_void(sides: MakeSide) -> None:
    """Two believe to lead. The one that read it first tries last."""
    marketing = await sides("marketing", largest=2000)
    key = new_id()
    async with marketing.database.transaction() as tx:
        tx.announce(LeadCreated(lead_id=key, cycle=1, campaign="x" * 4000), journey=key, at=clock.utc_now())
    late = Relay(marketing.database, marketing.kafka, "marketing")
    connection = await marketing.database.direct()
    try:
        rows = await connection.fetch(relay_module._READ, 10)
        marketing.start(Relay(marketing.database, marketing.kafka, "marketing").run())
        await until(lambda: marketing.has(0, "outbox"))
        await late._publish(connection, rows)
    finally:
        connection.terminate()
    assert [meta.type for meta in await log_of(marketing)] == ["marketing.voided.v1"]


async def test_a_second_worker_is_fenced(sides: MakeSide) -> None:
    from shared.messaging import offsets

    reader = await sides("inside_sales")
    place = TopicPartition("some.topic", 3)
    async with reader.database.transaction() as tx:
        assert await offsets.load(tx.session, [place]) == {place: 0}
        await offsets.fence(tx.session, {place: (0, 5)})
    with pytest.raises(offsets.Fenced):
        async with reader.database.transaction() as tx:
            await offsets.fence(tx.session, {place: (0, 7)})
    async with reader.database.transaction() as tx:
        assert await offsets.load(tx.session, [place]) == {place: 5}


def test_keys_go_to_the_partition_java_would_choose() -> None:
    """Golden vectors of Kafka's own murmur2: toPositive(murmur2(key)) % 12."""
    golden = {"21": 973932308, "foobar": 790332482, "a-little-bit-long-string": 985981536}
    negative = {"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536}
    for key in golden:
        assert partition_of(key) == (negative[key] & 0x7FFFFFFF) % 12


async def test_history_loaded_for_kpi_only_advances_numbers(sides: MakeSide) -> None:
    marketing, reader = await sides("marketing"), await sides("inside_sales")
    key = new_id()
    value = orjson.dumps(
        {
            "specversion": "1.0",
            "id": str(new_id()),
            "source": "/load/old/marketing",
            "type": "marketing.lead_created.v1",
            "time": datetime(2020, 1, 1, tzinfo=clock.TOKYO).isoformat(),
            "partitionkey": str(key),
            "sequence": "000000000001",
            "replayonly": True,
            "data": {"lead_id": str(key), "cycle": 1},
        }
    )
    sender = Sender(marketing.kafka, "test")
    await sender.send([Outgoing(1, marketing.topic, str(key), "x", None, value)])
    await sender.close()
    reading(reader, marketing, {LeadCreated: write_down})
    await until(lambda: reader.has(1, "applied_sequence"))
    assert await reader.heard() == []


async def test_only_a_batch_that_announces_something_waits_for_the_disk(sides: MakeSide) -> None:
    """What is not announced is read again after a crash; what is announced may be sent at once and must stand."""
    marketing, reader = await sides("marketing"), await sides("inside_sales")
    waits: list[str] = []

    async def hear(tx: Transaction, event: LeadCreated, meta: Meta) -> None:
        if event.cycle == 2:
            tx.announce(LeadCreated(lead_id=event.lead_id, cycle=3), journey=event.lead_id, at=meta.time)
        await tx.flush()
        waits.append((await tx.fetch("SHOW synchronous_commit"))[0][0])

    marketing.start(Relay(marketing.database, marketing.kafka, "marketing").run())
    reading(reader, marketing, {LeadCreated: hear})
    for cycle in (1, 2):
        await marketing.say(new_id(), cycle=cycle)
        await until(functools.partial(_heard_so_often, waits, cycle))
    assert waits == ["off", "on"]


async def _heard_so_often(waits: Sequence[object], count: int) -> bool:
    return len(waits) >= count


async def test_events_of_one_kind_are_taken_together_and_each_stream_in_its_order(sides: MakeSide) -> None:
    marketing, reader = await sides("marketing"), await sides("inside_sales")
    taken: list[list[tuple[UUID, int]]] = []

    async def hear(tx: Transaction, told: Sequence[tuple[LeadCreated, Meta]]) -> None:
        taken.append([(event.lead_id, event.cycle) for event, _ in told])

    keys = [new_id() for _ in range(3)]
    for cycle in (1, 2):
        await marketing.say(*keys, cycle=cycle)
    marketing.start(Relay(marketing.database, marketing.kafka, "marketing").run())
    await until(lambda: marketing.has(0, "outbox"))
    reading(reader, marketing, {LeadCreated: Together(hear)})
    await until(lambda: _heard_so_often([lead for told in taken for lead in told], 2 * len(keys)))
    for key in keys:
        assert [cycle for told in taken for lead, cycle in told if lead == key] == [1, 2]
    assert all(len({lead for lead, _ in told}) == len(told) for told in taken)


async def test_a_relay_ends_though_it_was_closing_a_reader(sides: MakeSide, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap: a client of Kafka that is being closed takes our cancellation for that of a task it waits for."""
    marketing = await sides("marketing")
    close, running = Fetcher.close, asyncio.get_running_loop().create_future()

    async def cancelled_meanwhile(fetcher: Fetcher) -> None:
        (await running).cancel()
        await close(fetcher)

    monkeypatch.setattr(Fetcher, "close", cancelled_meanwhile)
    relay = marketing.start(Relay(marketing.database, marketing.kafka, "marketing").run())
    running.set_result(relay)
    assert await asyncio.wait([relay], timeout=5) == ({relay}, set())


async def test_a_relay_ends_though_a_hint_comes_at_that_moment(sides: MakeSide) -> None:
    marketing = await sides("marketing")
    relay = Relay(marketing.database, marketing.kafka, "marketing")
    running = marketing.start(relay.run())

    async def leads() -> bool:
        return relay.leading

    await until(leads)
    await asyncio.sleep(0.05)  # it is waiting for a hint
    relay.wake()
    await asyncio.sleep(0)  # the hint has come, and nobody has looked
    running.cancel()
    assert await asyncio.wait([running], timeout=2) == ({running}, set())
