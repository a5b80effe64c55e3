"""The relay dies, freezes or is not alone (faults 3 to 7 of docs/faults.md)."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import pytest

from shared import instruments
from shared.contracts.marketing import LeadCreated
from shared.ids import new_id
from shared.messaging import relay as relay_module
from shared.messaging.relay import Relay
from tests.support.engines import Engines
from tests.support.invariants import broken, quiet
from tests.support.messaging import LONG, MakeSide, Side, log_of, reading, until, write_down
from tests.support.node import node


async def told(sides: MakeSide, times: int = 5) -> tuple[Side, Side, Sequence[UUID]]:
    """A publisher that has told of ten journeys and whose relay does not run, and a reader that does."""
    publisher, reader = await sides("marketing"), await sides("inside_sales")
    reading(reader, publisher, {LeadCreated: write_down})
    keys = [new_id() for _ in range(10)]
    for _ in range(times):
        await publisher.say(*keys)
    return publisher, reader, keys


async def times_in_log(publisher: Side) -> Counter[str]:
    return Counter(meta.id for meta in await log_of(publisher))


@pytest.mark.parametrize("place", ["relay.after_read", "relay.after_ack", "relay.after_settle"])
async def test_3_4_5_a_relay_killed_at_any_step_loses_nothing_and_sends_nothing_twice(
    sides: MakeSide, place: str
) -> None:
    """The next one reads its own topic from where the last had settled, and takes what is there out of the outbox."""
    publisher, reader, keys = await told(sides)
    with node("relay", publisher, armed=f"{place}=kill") as relay:
        assert await relay.dies() == -9
    sent = sum((await times_in_log(publisher)).values())
    assert (sent > 0) == (place != "relay.after_read"), "it died elsewhere: the test did not do its work"
    await publisher.say(*keys)
    with node("relay", publisher):
        await quiet(publisher, reader)
    assert await broken(publisher, reader) == []
    assert set((await times_in_log(publisher)).values()) == {1}


async def test_5_a_relay_that_cannot_know_whether_it_settled(sides: MakeSide, engines: Engines) -> None:
    """Its connection is cut between Kafka's acknowledgement and its own, then it dies."""
    publisher, reader, _ = await told(sides)
    with node("relay", publisher, armed="relay.after_ack=stop") as relay:
        await relay.stands_still()
        cut(engines, publisher)
        relay.go_on()
        await until(lambda: publisher.has(0, "outbox"), LONG)
        relay.kill()
        assert await relay.dies() == -9
    await quiet(publisher, reader)
    assert await broken(publisher, reader) == []


def dropped() -> float:
    """How many events came to our reader again."""
    return float(instruments.consumed.labels("test", LeadCreated.type, "duplicate")._value.get())


def cut(engines: Engines, side: Side) -> None:
    """The relay's connection: the one that holds the lock."""
    name = side.url.rpartition("/")[2]
    direct = f"datname = '{name}' AND application_name = 'themodel direct'"
    assert engines.sql(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {direct}") == "1"


async def test_6_a_frozen_relay_whose_lock_went_to_another_sends_late_and_is_not_heard(
    sides: MakeSide, engines: Engines
) -> None:
    publisher, reader, keys = await told(sides)
    before = dropped()
    with node("relay", publisher, armed="relay.after_read=stop") as frozen:
        await frozen.stands_still()
        cut(engines, publisher)
        with node("relay", publisher):
            await publisher.say(*keys)
            await quiet(publisher, reader)
            frozen.go_on()

            async def heard_again() -> bool:
                return dropped() > before

            await until(heard_again, LONG)
            await publisher.say(*keys)
            await quiet(publisher, reader)
            assert frozen.lives(), frozen.said()
    assert await broken(publisher, reader) == []
    assert max((await times_in_log(publisher)).values()) == 2, "it sent nothing late: the test did not do its work"


async def test_7_two_relays_that_both_believe_to_lead_do_no_harm(
    sides: MakeSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock saves work. What keeps the promise is the number each event has in its stream."""
    publisher, reader, keys = await told(sides)
    relays = [Relay(publisher.database, publisher.kafka, "marketing") for _ in range(2)]
    for number, relay in enumerate(relays):
        monkeypatch.setattr(relay_module, "LOCK", 9_000 + number)
        publisher.start(relay.run())

        async def leads(relay: Relay = relay) -> bool:
            return relay.leading

        await until(leads, LONG)

    def wake_both() -> None:
        for relay in relays:
            relay.wake()

    publisher.database.on_publish = wake_both
    for _ in range(30):
        await asyncio.gather(publisher.say(*keys[:5]), publisher.say(*keys[5:]))
    await quiet(publisher, reader)
    assert await broken(publisher, reader) == []
    assert max((await times_in_log(publisher)).values()) == 2, "they never met: the test did not do its work"
