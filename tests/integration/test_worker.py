"""A consumer that halts: said in /readyz and as a gauge, alone in it, and believed well after a while. Rules rest."""

import asyncio
import time

import pytest

from services.customer_success.app import SERVICE as CUSTOMER_SUCCESS
from services.field_sales.app import SERVICE as FIELD_SALES
from services.inside_sales.app import SERVICE
from services.kpi.app import SERVICE as KPI
from services.marketing.app import SERVICE as MARKETING
from shared import instruments, worker
from shared.messaging.offsets import Hole
from shared.service import Health, Periodic, Service
from tests.support.local import eventually
from tests.support.rig import MakeRig


def gauge() -> float:
    return float(instruments.halted._value.get())


async def test_a_halted_consumer_looks_again_and_is_well_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "HALT_SECONDS", 0.05)
    monkeypatch.setattr(worker, "CALM_SECONDS", 0.2)
    health, looks = Health(), 0

    async def read() -> None:
        nonlocal looks
        looks += 1
        if looks < 3:
            raise Hole("the log begins at 7, we are at 3")
        while True:
            worker._moved(health)
            await asyncio.sleep(0.01)

    task = asyncio.create_task(worker._reading(health, read))
    try:
        await eventually(lambda: looks == 3)
        assert (health.halted, gauge()) == ("the log begins at 7, we are at 3", 1)
        await eventually(lambda: not health.halted)
    finally:
        task.cancel()
    assert time.monotonic() - health.halted_at > 0.2
    assert gauge() == 0


async def test_readiness_says_why_it_halts(make_rig: MakeRig) -> None:
    rig = await make_rig(SERVICE)
    health = rig.runtime.health
    health.works, health.relay_at, health.consumer_at = True, time.monotonic(), time.monotonic()
    client = rig.client()
    assert (await client.get("/readyz")).status_code == 200
    health.halted = "1001 journeys would wait"
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["consumer"]) == (503, "halted: 1001 journeys would wait")


@pytest.mark.parametrize("service", [MARKETING, SERVICE, FIELD_SALES, CUSTOMER_SUCCESS, KPI], ids=lambda one: one.name)
async def test_a_rule_with_nothing_to_do_rests(make_rig: MakeRig, service: Service) -> None:
    rig = await make_rig(service)
    for rule in service.periodic:
        await asyncio.wait_for(worker._by_rule(rig.runtime, rule), 10)
    with pytest.raises(ValueError, match="never rest"):
        Periodic("restless", 1, service.periodic[0].act, more_than=0)
