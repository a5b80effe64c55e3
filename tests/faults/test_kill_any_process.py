"""kill -9 of every process, one after the other, under load: nothing acknowledged is lost, nothing counts twice.

The ledger is what the HTTP answers acknowledged; the truth it is held against is read from every service's API.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.system import System, good, kill, running_system, until

LOAD_SECONDS = 60.0
WRITERS = 4
PAUSE = 0.15
VICTIMS = ("marketing", "inside_sales", "kafka", "kpi", "postgres", "field_sales", "customer_success")
CHANNEL = "ledger"


@dataclass
class Ledger:
    """What was acknowledged: leads by their external id, and those declared MQL."""

    leads: dict[str, str] = field(default_factory=dict)
    mqls: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    interrupted: int = 0


@pytest.fixture
def system() -> Iterator[System]:
    with running_system() as started:
        yield started


async def test_no_acknowledged_write_is_lost_and_none_applied_twice(system: System) -> None:
    ledger = Ledger()
    system.token("marketing")
    stop = time.monotonic() + LOAD_SECONDS
    writers = [asyncio.create_task(_write(system, ledger, number, stop)) for number in range(WRITERS)]
    for victim in VICTIMS:
        await asyncio.sleep(LOAD_SECONDS / (len(VICTIMS) + 1))
        programs = await asyncio.to_thread(system.programs)
        kill(programs[victim])
    await asyncio.gather(*writers)
    assert ledger.refused == []
    assert ledger.interrupted > 0, "no kill was felt: the test did not do its work"
    assert len(ledger.mqls) > 100
    await asyncio.to_thread(until, system.ready, 60)
    await asyncio.to_thread(_check, system, ledger)


async def _write(system: System, ledger: Ledger, number: int, stop: float) -> None:
    """One person who captures leads and declares them MQL, and tries again under the same key when not answered."""
    headers = {"Authorization": f"Bearer {system.token('marketing')}"}
    async with httpx.AsyncClient(base_url=system.url("marketing"), headers=headers, timeout=10) as client:
        count = 0
        while time.monotonic() < stop:
            count += 1
            name = f"kill-{number}-{count}"
            body = {"external_id": name, "email": f"{name}@example.jp", "channel": CHANNEL}
            lead = await _insist(client, ledger, "/v1/leads", body)
            ledger.leads[name] = lead["id"]
            await _insist(client, ledger, f"/v1/leads/{lead['id']}/qualify", {"override_reason": "load"})
            ledger.mqls.append(lead["id"])
            await asyncio.sleep(PAUSE)


async def _insist(client: httpx.AsyncClient, ledger: Ledger, path: str, body: dict[str, Any]) -> Any:
    key = {"Idempotency-Key": str(uuid4())}
    while True:
        try:
            response = await client.post(path, json=body, headers=key)
        except httpx.TransportError:
            ledger.interrupted += 1
            await asyncio.sleep(0.2)
            continue
        if response.status_code in {409, 503} and response.json()["type"].rpartition("/")[2] in {
            "overloaded",
            "in_flight",
        }:
            ledger.interrupted += 1
            await asyncio.sleep(0.2)
            continue
        if not response.is_success:
            ledger.refused.append(f"{path}: {response.status_code} {response.text[:200]}")
        return good(response)


def _check(system: System, ledger: Ledger) -> None:
    with system.client("marketing") as marketing:
        leads = _all(marketing, "/v1/leads", channel=CHANNEL)
    assert sorted(lead["external_id"] for lead in leads) == sorted(ledger.leads)
    assert {lead["id"] for lead in leads} == set(ledger.leads.values())
    with system.client("inside_sales") as inside:
        prospects = until(lambda: _complete(_all(inside, "/v1/prospects", channel=CHANNEL), len(ledger.mqls)), 60)
    assert sorted(prospect["lead_id"] for prospect in prospects) == sorted(ledger.mqls)
    with system.client("kpi") as kpi:
        until(lambda: _steps(kpi) == {"lead": len(ledger.leads), "mql": len(ledger.mqls)}, 60)
        journey = good(kpi.get(f"/v1/journeys/{ledger.mqls[0]}"))
    kinds = [event["type"] for event in journey["events"]]
    assert kinds.count("marketing.lead_created.v1") == kinds.count("marketing.mql_created.v1") == 1


def _complete(rows: list[Any], count: int) -> list[Any]:
    return rows if len(rows) >= count else []


def _steps(kpi: httpx.Client) -> dict[str, int]:
    funnel = good(kpi.get("/v1/funnel", params={"channel": CHANNEL}))
    return {step["milestone"]: step["passes"] for step in funnel["steps"] if step["milestone"] in {"lead", "mql"}}


def _all(client: httpx.Client, path: str, **filters: str) -> list[Any]:
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = good(client.get(path, params={"limit": "500", **filters, **cursor}))
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}
