"""`themodel replay kpi` on an installation, and people who go on working meanwhile."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from deploy.local.servers import url_variable
from shared import failpoints
from shared.clock import utc_now
from tests.support.system import System, good


def replay(system: System, *more: str) -> tuple[int, Any]:
    """Exit code and report."""
    done = system.themodel("replay", "kpi", "--json", *more, check=False)
    assert done.stdout, done.stderr[-3000:]
    return done.returncode, json.loads(done.stdout)


def killed(system: System, step: str) -> None:
    """A replay that is killed there."""
    armed = replace(system, environment={**system.environment, failpoints.VARIABLE: f"{step}=kill"})
    assert armed.themodel("replay", "kpi", check=False).returncode == -9


def database_url(system: System, service: str) -> str:
    return system.servers.environment()[url_variable(service)]


def query(system: System, service: str, statement: str, *values: object) -> Any:
    """A look into a service's own database, past its API."""

    async def run() -> Any:
        connection = await asyncpg.connect(database_url(system, service))
        try:
            return [tuple(row) for row in await connection.fetch(statement, *values)]
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
    """As of now, said: a look at the live board need not count anew what nothing told of has changed."""
    asked = {"channel": channel, "as_of": utc_now().isoformat()}
    funnel = good(kpi.get("/v1/funnel", params=asked))
    return {step["milestone"]: step["passes"] for step in funnel["steps"] if step["milestone"] in {"lead", "mql"}}


@contextmanager
def at_work(system: System, channel: str, pause: float) -> Iterator[Callable[[], int]]:
    """Somebody captures leads all the time; yields how many there are so far."""
    stop, captured = Event(), [0]

    def work() -> None:
        with system.client("marketing", "marketing") as marketing:
            while not stop.is_set():
                capture(marketing, channel, 2)
                captured[0] += 2
                stop.wait(pause)

    system.token("marketing")
    worker = Thread(target=work)
    worker.start()
    try:
        yield lambda: captured[0]
    finally:
        stop.set()
        worker.join()
