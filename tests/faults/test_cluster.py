"""Brokers of a cluster of three die, freeze or have no more room (faults of docs/faults.md)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import psutil
import pytest
from sqlalchemy import text

from shared.ids import new_id
from shared.messaging.relay import Relay
from tests.support.cluster import NODES, REPLICAS, Cluster, running_cluster
from tests.support.engines import Engines
from tests.support.invariants import quiet
from tests.support.load import AWAY, holds, kept_reading, load, ready
from tests.support.messaging import LONG, MakeSide, Side, making_sides, until
from tests.support.node import node


@pytest.fixture(scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    async with running_cluster() as running:
        yield running


@pytest.fixture
async def sides(engines: Engines, cluster: Cluster) -> AsyncIterator[MakeSide]:
    """On the cluster, which is whole when a test begins, whatever the one before has left."""
    await cluster.whole()
    async with making_sides(replace(engines, kafka=cluster.bootstrap), REPLICAS) as make:
        yield make


async def reading_only(sides: MakeSide) -> tuple[Side, Side]:
    """A publisher whose relay does not run yet, and a reader that reads."""
    publisher, reader = await sides("marketing"), await sides("inside_sales")
    reader.start(kept_reading(reader, publisher))
    return publisher, reader


def relaying(publisher: Side) -> None:
    publisher.start(Relay(publisher.database, publisher.kafka, publisher.name).run())


async def nothing_leaves(publisher: Side) -> None:
    """For some time whatever is in the outbox stays there, and more comes."""
    before = await _unsent(publisher)
    await asyncio.sleep(1.5)
    assert before < await _unsent(publisher)


async def _unsent(publisher: Side) -> set[str]:
    async with publisher.database.reading() as session:
        return set((await session.scalars(text("SELECT event_id::text FROM outbox"))).all())


async def led_by_others(cluster: Cluster, side: Side, node: int) -> bool:
    """Whether every partition of its topic has a leader, and none has that one."""
    return not {-1, node} & set(await cluster.leaders(side.topic))


async def heard_anew(publisher: Side, reader: Side, seconds: float = LONG) -> None:
    """A journey that nobody knows yet is told and heard, wherever it may go."""
    key = new_id()
    await publisher.say(key)

    async def heard() -> bool:
        return str(key) in {each for each, _ in await reader.heard()}

    await until(heard, seconds)


async def test_10_30_a_broker_killed_that_leads_and_coordinates_is_followed_by_others(
    sides: MakeSide, cluster: Cluster
) -> None:
    publisher, reader = await ready(sides)
    async with load(publisher, people=1) as loads:
        await heard_anew(publisher, reader)
        killed = await cluster.coordinator(reader.group)
        assert killed in await cluster.leaders(publisher.topic)
        cluster.kill(killed)

        async def followed() -> bool:
            others = await led_by_others(cluster, publisher, killed)
            return others and await cluster.coordinator(reader.group) != killed

        await until(followed, LONG)
        await heard_anew(publisher, reader)
    assert all(not each.failed for each in loads), "people notice nothing"
    await quiet(publisher, reader, seconds=LONG)
    await holds(publisher, reader, loads)
    assert not cluster.lives(killed)


async def test_10_with_too_few_replicas_everything_waits_in_the_outbox(sides: MakeSide, cluster: Cluster) -> None:
    """First those in sync are fewer than are demanded; then two of three are gone, and with them any controller. The
    relay is killed too, with what it has in its hands."""
    publisher, reader = await reading_only(sides)
    await cluster.demand(publisher.topic, REPLICAS)
    async with load(publisher, people=1) as loads:
        with node("relay", publisher) as relay:
            await heard_anew(publisher, reader)
            cluster.kill(2)

            async def refused() -> bool:
                return "NotEnoughReplicas" in relay.said()

            await until(refused, LONG)
            await nothing_leaves(publisher)
            cluster.kill(3)
            await nothing_leaves(publisher)
        relaying(publisher)
        await nothing_leaves(publisher)
        await cluster.whole()
    assert all(not each.failed for each in loads)
    await holds(publisher, reader, loads)


async def test_11_a_leader_that_is_frozen_is_followed_by_another(sides: MakeSide, cluster: Cluster) -> None:
    publisher, reader = await ready(sides)
    async with load(publisher, people=1) as loads:
        await heard_anew(publisher, reader)
        frozen = (await cluster.leaders(publisher.topic))[0]
        with cluster.frozen(frozen):
            await until(lambda: led_by_others(cluster, publisher, frozen), LONG)
            await heard_anew(publisher, reader, AWAY)
    assert all(not each.failed for each in loads)
    await holds(publisher, reader, loads)


@pytest.mark.skipif(not hasattr(psutil, "RLIMIT_FSIZE"), reason="what another process may write is limited on Linux")
async def test_14_with_no_room_on_the_disks_everything_waits_in_the_outbox(sides: MakeSide, cluster: Cluster) -> None:
    """A broker that cannot write ends. While one has no room the others go on; with none left nothing is taken."""
    publisher, reader = await reading_only(sides)
    async with load(publisher, people=1) as loads:
        with node("relay", publisher):
            await heard_anew(publisher, reader)
            first = (await cluster.leaders(publisher.topic))[0]
            cluster.fill_disk(first, publisher.topic)
            await cluster.gives_up(first)
            await heard_anew(publisher, reader)
            others = [number for number in NODES if number != first]
            for number in others:
                cluster.fill_disk(number, publisher.topic)
            await cluster.gives_up(*others)
            await nothing_leaves(publisher)
            cluster.kill(*others)  # the last is asked to write nothing any more
        relaying(publisher)
        await cluster.whole()
    assert all(not each.failed for each in loads)
    await holds(publisher, reader, loads)


async def test_topics_of_three_replicas_demand_two_in_sync(sides: MakeSide, cluster: Cluster) -> None:
    """By Kafka's default one would do, and an event it alone acknowledged would die with it."""
    publisher = await sides("marketing")
    settings = await cluster.settings(publisher.topic)
    assert settings["min.insync.replicas"] == "2"
