"""A whole service is killed as it answers, or told to stop under load (faults of docs/faults.md)."""

import asyncio
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from shared.contracts.envelope import decode
from tests.support.engines import Engines
from tests.support.messaging import LONG, more_than, records_of, until
from tests.support.service_process import Place, serving


@pytest.fixture
def place(engines: Engines, tmp_path: Path) -> Place:
    return Place("marketing", engines, tmp_path)


def lead(name: str) -> dict[str, Any]:
    return {"external_id": name, "email": f"{name}@example.jp", "channel": "ads"}


async def told(place: Place) -> Counter[str]:
    """How often each lead was told as created, by its id."""
    found = [decode(r.value, r.headers)[0] for r in await records_of(place.engines.kafka, f"{place.topics}.marketing")]
    return Counter(meta.key for meta in found if meta.type == "marketing.lead_created.v1")


@pytest.mark.parametrize(("step", "kept"), [("act.before_commit", 0), ("act.after_commit", 1)])
async def test_1_2_a_service_killed_as_it_answers_acts_once(place: Place, step: str, kept: int) -> None:
    """Whoever was not answered asks again with the same key, and gets the answer of the first time or acts now."""
    key = {"Idempotency-Key": str(uuid4())}
    async with place.client() as client:
        with serving(place, armed=f"{step}=kill") as killed:
            with pytest.raises(httpx.TransportError):
                await client.post("/v1/leads", json=lead("a"), headers=key)
            assert killed.wait(10) == -9
        assert place.count("lead") == kept
        with serving(place):
            answers = [await client.post("/v1/leads", json=lead("a"), headers=key) for _ in range(2)]
            assert [answer.status_code for answer in answers] == [201, 201]
            assert answers[0].json() == answers[1].json()
            await until(lambda: _told_of(place, 1), LONG)
    assert place.count("lead") == 1
    assert await told(place) == {answers[0].json()["id"]: 1}


async def _told_of(place: Place, leads: int) -> bool:
    return place.count("outbox") == 0 and len(await told(place)) == leads


@pytest.mark.parametrize("broker", ["there", "frozen"])
async def test_48_a_service_told_to_stop_answers_what_it_took_and_ends_in_time(
    place: Place, engines: Engines, broker: str
) -> None:
    answered, refused = list[str](), list[int]()

    async def person(number: int) -> None:
        async with place.client() as client:
            for count in range(10_000):
                try:
                    answer = await client.post("/v1/leads", json=lead(f"p{number}-{count}"))
                except httpx.TransportError:
                    return  # not taken
                if answer.status_code == 201:
                    answered.append(answer.json()["id"])
                else:
                    refused.append(answer.status_code)
                    return

    with serving(place) as process:
        people = [asyncio.create_task(person(number)) for number in range(4)]
        await asyncio.sleep(1.5)
        await until(partial(more_than, 20, answered), LONG)  # they are at it, however slow the machine is
        if broker == "frozen":
            with engines.broker_frozen():
                begun = time.monotonic()
                process.terminate()
                assert await asyncio.to_thread(process.wait, 15) == 0
        else:
            begun = time.monotonic()
            process.terminate()
            assert await asyncio.to_thread(process.wait, 15) == 0
        assert time.monotonic() - begun < 10
        await asyncio.gather(*people)
    assert refused == [], "what it took it answered well"
    with serving(place):
        await until(lambda: _told_of(place, place.count("lead")), LONG)
    assert place.count("lead") >= len(answered)
    times = await told(place)
    assert set(answered) <= times.keys()
    assert set(times.values()) == {1}
