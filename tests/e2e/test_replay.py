"""`themodel replay kpi`: figures folded anew from the topics while people go on working."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from deploy.local.home import Home
from deploy.local.ports import Ports
from deploy.local.servers import Servers, url_variable
from services.kpi.commands.rebuilding import REBUILDER
from shared.clock import day_of, utc_now
from tests.support.system import System, good, until


@pytest.fixture
def channel() -> str:
    """Of this test alone, since the installation is everybody's."""
    return f"replay-{uuid4().hex[:8]}"


def replay(system: System, *more: str) -> tuple[int, Any]:
    """Exit code and report."""
    done = system.themodel("replay", "kpi", "--json", *more, check=False)
    assert done.stdout, done.stderr[-3000:]
    return done.returncode, json.loads(done.stdout)


def kpi_url(system: System) -> str:
    home, ports = Home.locate(system.environment), Ports.from_environment(system.environment)
    return Servers.from_environment(home, ports, system.environment).environment()[url_variable("kpi")]


def kpi_query(system: System, query: str, *values: object) -> Any:
    """A look into kpi's own database, past its API."""

    async def run() -> Any:
        connection = await asyncpg.connect(kpi_url(system))
        try:
            return [tuple(row) for row in await connection.fetch(query, *values)]
        finally:
            await connection.close()

    return asyncio.run(run())


def capture(marketing: httpx.Client, channel: str, count: int) -> None:
    for number in range(count):
        lead = {"email": f"{channel}-{uuid4().hex[:10]}@example.jp", "channel": channel}
        made = good(marketing.post("/v1/leads", json=lead))
        if number % 2:
            good(marketing.post(f"/v1/leads/{made['id']}/qualify", json={"override_reason": "asked for a demo"}))


def steps(kpi: httpx.Client, channel: str) -> dict[str, int]:
    funnel = good(kpi.get("/v1/funnel", params={"channel": channel}))
    return {step["milestone"]: step["passes"] for step in funnel["steps"] if step["milestone"] in {"lead", "mql"}}


@contextmanager
def at_work(system: System, channel: str) -> Iterator[Callable[[], int]]:
    """Somebody captures leads all the time; yields how many there are so far."""
    stop, captured = Event(), [0]

    def work() -> None:
        with system.client("marketing", "marketing") as marketing:
            while not stop.is_set():
                capture(marketing, channel, 2)
                captured[0] += 2

    system.token("marketing")
    worker = Thread(target=work)
    worker.start()
    try:
        yield lambda: captured[0]
    finally:
        stop.set()
        worker.join()


def test_a_damaged_table_is_found_and_replay_mends_it_while_people_go_on(system: System, channel: str) -> None:
    decided = {"value": 30, "valid_from": day_of(utc_now()).isoformat()}
    with system.client("kpi", "ops_lead") as kpi, system.client("marketing", "marketing") as marketing:
        good(kpi.put("/v1/settings/response_sla_minutes", json=decided))
        capture(marketing, channel, 4)
        until(lambda: steps(kpi, channel) == {"lead": 4, "mql": 2})
        kpi_query(system, "DELETE FROM passage WHERE channel = $1 AND milestone = 'mql'", channel)
        assert steps(kpi, channel) == {"lead": 4, "mql": 0}
        code, report = replay(system, "--verify")
        assert (code, report["differences"], report["switched"]) == (1, {"passage": [0, 2]}, False)
        ((facts,),) = kpi_query(system, "SELECT count(*) FROM fact")
        assert report["facts"] == facts
        with at_work(system, channel) as captured:
            until(lambda: captured() > 4)
            code, report = replay(system)
            assert (code, report["switched"]) == (0, True)
            code, report = replay(system, "--verify")
            assert (code, report["differences"]) == (0, {}), "what is compared is one moment, also during traffic"
        told = {"lead": 4 + captured(), "mql": 2 + captured() // 2}
        until(lambda: steps(kpi, channel) == told)
        settings = {row["name"]: row["value"] for row in good(kpi.get("/v1/settings"))["items"]}
        assert settings["response_sla_minutes"] == 30
        assert good(kpi.get("/readyz"))


def test_one_replay_at_a_time(system: System) -> None:
    async def held() -> str:
        connection = await asyncpg.connect(kpi_url(system))
        try:
            await connection.execute("SELECT pg_advisory_lock($1)", REBUILDER)
            done = await asyncio.to_thread(system.themodel, "replay", "kpi", check=False)
            assert done.returncode == 1
            return done.stderr
        finally:
            await connection.close()

    assert "Another replay is running" in asyncio.run(held())


def test_only_kpi_is_replayed(system: System) -> None:
    done = system.themodel("replay", "marketing", check=False)
    assert done.returncode == 1
    assert "nothing to replay" in done.stderr
