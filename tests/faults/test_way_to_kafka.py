"""The way to the broker is slow, cut or swallows everything, and neither end knows (fault 21 of docs/faults.md)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.support.cluster import running_cluster
from tests.support.engines import Engines
from tests.support.load import holds, load, ready
from tests.support.messaging import MakeSide, making_sides
from tests.support.proxy import Proxy, proxied


@pytest.fixture(scope="module")
async def way() -> AsyncIterator[Proxy]:
    """To a broker that names this way to everybody who asks where it is."""
    async with proxied("127.0.0.1", 0) as proxy:
        named = {"advertised.listeners": f"PLAINTEXT://{proxy.address}"}
        async with running_cluster([1], named, on_ports=lambda ports: setattr(proxy, "port", ports[1])):
            yield proxy


@pytest.fixture
async def sides(engines: Engines, way: Proxy) -> AsyncIterator[MakeSide]:
    async with making_sides(replace(engines, kafka=way.address)) as make:
        yield make


async def test_21_a_way_to_the_broker_that_is_slow_and_cut_again_and_again(sides: MakeSide, way: Proxy) -> None:
    publisher, reader = await ready(sides)
    async with load(publisher) as loads:
        for number in range(8):
            await asyncio.sleep(0.4)
            if number % 2:
                way.reset()
            else:
                way.delay = 0.05 if not way.delay else 0.0
        way.heal()
    await holds(publisher, reader, loads)


async def test_21_a_way_to_the_broker_that_ends_without_a_word(sides: MakeSide, way: Proxy) -> None:
    """What was sent may have arrived or not; only patience that ends helps."""
    publisher, reader = await ready(sides)
    async with load(publisher) as loads:
        await asyncio.sleep(1)
        way.half_open = True
        await asyncio.sleep(2)
        way.heal()
        await publisher.say(*loads[0].keys)
        loads[0].tried.update(map(str, loads[0].keys))
    await holds(publisher, reader, loads)
