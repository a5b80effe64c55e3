"""`/v1/stream`: the funnel now, again whenever it changes, for as long as somebody listens and the process lives."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, aclosing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx
import orjson
import pytest
from sqlalchemy import text

from deploy.local.ports import free_ports
from deploy.local.processes import die_with_parent
from services.kpi.api.questions import FunnelAsked
from services.kpi.api.stream import Watcher
from services.kpi.app import SERVICE
from shared.auth import Keys
from shared.clock import utc_now
from shared.contracts import marketing
from shared.ids import new_id
from shared.process import DRAIN_SECONDS
from tests.support.import_rig import until
from tests.support.rig import MakeRig, Rig, keys
from tests.support.streaming import listening

ROOT = Path(__file__).parents[2]
STREAM: Any = sys.modules[Watcher.__module__]  # its name in services.kpi.api is the router's


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


def watcher(rig: Rig) -> Watcher:
    found: Watcher = rig.app.state.watcher
    return found


async def an_mql(rig: Rig, **more: Any) -> None:
    lead = new_id()
    await rig.deliver(marketing.MqlCreated(lead_id=lead, cycle=1, **more), lead, at=utc_now())


def mqls(funnel: dict[str, Any]) -> int:
    return int(funnel["stages"][0]["goal"]["value"])


async def test_what_nothing_moved_is_not_counted_again_and_what_moved_at_once(kpi: Rig) -> None:
    client = kpi.client("viewer")
    await an_mql(kpi)
    first = (await client.get("/v1/funnel")).json()
    async with kpi.database.engine.begin() as connection:
        await connection.execute(text("DELETE FROM passage"))  # nobody beats the pulse: who counts anew sees it
    second = (await client.get("/v1/funnel")).json()
    assert first["as_of"] < second["as_of"] <= utc_now().isoformat()
    assert {**second, "as_of": 0, "fresh_to": 0} == {**first, "as_of": 0, "fresh_to": 0}
    assert mqls((await client.get("/v1/funnel", params={"as_of": second["as_of"]})).json()) == 0
    await an_mql(kpi)
    assert mqls((await client.get("/v1/funnel")).json()) == 1


async def test_of_many_the_answer_before_does_while_they_are_counted_anew(
    kpi: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(STREAM, "MANY", 0)
    monkeypatch.setattr(STREAM, "REST", 1e6)
    client = kpi.client("viewer")
    await an_mql(kpi)
    first = (await client.get("/v1/funnel")).json()
    await an_mql(kpi)
    assert (await client.get("/v1/funnel")).json() == first, "as of then, and it says so"
    for _ in range(200):
        if mqls((await client.get("/v1/funnel")).json()) == 2:
            break
        await asyncio.sleep(0.05)
    else:
        pytest.fail("it was never counted anew")
    monkeypatch.setattr(STREAM, "REST", 0)
    await an_mql(kpi)
    assert mqls((await client.get("/v1/funnel")).json()) == 3, "what is too old does no more"


async def test_first_the_whole_then_what_changed(kpi: Rig) -> None:
    await an_mql(kpi)
    async with listening(kpi.app, "/v1/stream", "viewer") as listener:
        name, number, found = await listener.event()
        asked = (await kpi.client("viewer").get("/v1/funnel")).json()
        assert name == "funnel"
        assert {**found, "as_of": ""} == {**asked, "as_of": ""}
        await an_mql(kpi)
        _, later, found = await listener.event()
        assert (mqls(found), int(later) > int(number)) == (2, True)
        assert await listener.silent(1)


async def test_a_listener_hears_of_their_own_question_only(kpi: Rig) -> None:
    async with (
        listening(kpi.app, "/v1/stream", "viewer", channel="ads", unit="lead") as ads,
        listening(kpi.app, "/v1/stream", "viewer", channel="mail") as mail,
        listening(kpi.app, "/v1/stream", "viewer", channel="mail") as mail_too,
    ):
        for listener in (ads, mail, mail_too):
            assert mqls((await listener.event())[2]) == 0
        await an_mql(kpi, channel="mail")
        for listener in (mail, mail_too):
            assert mqls((await listener.event())[2]) == 1
        assert await ads.silent(0.6)
        await an_mql(kpi, channel="ads")
        assert mqls((await ads.event())[2]) == 1


async def test_a_chain_cut_anew_is_news(kpi: Rig) -> None:
    async with listening(kpi.app, "/v1/stream", "viewer") as listener:
        assert (await listener.event())[2]["definition_version"] == 1
        assert (await kpi.client("ops_lead").put("/v1/stages", json={"chain": "lead"})).status_code == 200
        _, _, found = await listener.event()
        assert (found["definition_version"], found["stages"][0]["goal"]["milestone"]) == (2, "lead")


async def test_a_quiet_stream_is_kept_alive(kpi: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(STREAM, "HEARTBEAT_SECONDS", 0.1)
    async with listening(kpi.app, "/v1/stream", "viewer") as listener:
        await listener.event()
        for _ in range(2):
            assert (await listener.block())[""].startswith("ping")


async def test_nobody_is_watched_for_when_all_have_gone(kpi: Rig) -> None:
    async with listening(kpi.app, "/v1/stream", "viewer") as listener:
        await listener.event()
        assert watcher(kpi)._listeners
    assert (watcher(kpi)._listeners, watcher(kpi)._questions) == ({}, {})

    async def rests() -> bool:
        task = watcher(kpi)._task
        return task is not None and task.done()

    await until(rests, 2)
    async with listening(kpi.app, "/v1/stream", "viewer") as listener:
        await listener.event()
        await an_mql(kpi)
        assert mqls((await listener.event())[2]) == 1


async def test_who_reads_slowly_gets_the_newest(kpi: Rig) -> None:
    async with aclosing(watcher(kpi).listen(FunnelAsked(), anyio.Event())) as heard:
        await anext(heard)
        second = asyncio.ensure_future(anext(heard))
        await an_mql(kpi)
        assert mqls(orjson.loads((await second)[1])) == 1
        (mailbox,) = watcher(kpi)._listeners
        for count in (2, 3, 4):
            await an_mql(kpi)
            await until(partial(waits, mailbox, count), 5)
        assert mqls(orjson.loads((await anext(heard))[1])) == 4
        assert mailbox.empty()


async def waits(mailbox: Any, count: int) -> bool:
    """Whether a snapshot with so many MQLs waits to be read; it goes on waiting."""
    return mailbox.full() and mqls(orjson.loads(mailbox._queue[0][1])) == count


async def test_news_is_not_lost_when_it_cannot_be_told_at_once(kpi: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(STREAM, "AGAIN_SECONDS", 0.1)
    async with listening(kpi.app, "/v1/stream", "viewer") as listener:
        await listener.event()
        whole, failures = watcher(kpi)._snapshot, iter([OSError("the database is away")])

        async def failing(asked: FunnelAsked) -> Any:
            for error in failures:
                raise error
            return await whole(asked)

        monkeypatch.setattr(watcher(kpi), "_snapshot", failing)
        await an_mql(kpi)
        assert mqls((await listener.event())[2]) == 1


async def test_a_token_that_does_not_hold_opens_no_stream(kpi: Rig) -> None:
    client = kpi.client()
    expired = keys().issue("x", ["viewer"], timedelta(seconds=-5))
    for authorization in ("", "Bearer nonsense", f"Bearer {expired}"):
        answer = await client.get("/v1/stream", headers={"Authorization": authorization})
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert watcher(kpi)._listeners == {}


@contextmanager
def api_process(rig: Rig, home: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A process of kpi's API beside the rig, on the same database; and its address."""
    (port,) = free_ports(1)
    environment = {
        **os.environ,
        "THEMODEL_HOME": str(home),
        "KPI_DATABASE_URL": rig.database.url,
        "THEMODEL_KPI_PORT": str(port),
        "KAFKA_BOOTSTRAP_SERVERS": rig.runtime.settings.kafka,
    }
    command = [sys.executable, "-m", "services.kpi", "api"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=log, preexec_fn=die_with_parent()
        )
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)


async def test_streams_end_with_their_process_and_do_not_hold_it_up(kpi: Rig, tmp_path: Path) -> None:
    signed = Keys.load_or_create(tmp_path / "keys").issue("viewer", ["viewer"])
    with api_process(kpi, tmp_path) as (process, address):
        async with httpx.AsyncClient(base_url=address, headers={"Authorization": f"Bearer {signed}"}) as client:

            async def alive() -> bool:
                assert process.poll() is None, (tmp_path / "log").read_text()
                try:
                    return (await client.get("/healthz")).is_success
                except httpx.TransportError:
                    return False

            await until(alive, 60)
            async with AsyncExitStack() as open_streams:
                opened = [client.stream("GET", "/v1/stream", timeout=10) for _ in range(20)]
                streams = [(await open_streams.enter_async_context(each)).aiter_lines() for each in opened]
                for lines in streams:
                    assert "event: funnel" in [await anext(lines) for _ in range(3)]
                begun = time.monotonic()
                process.send_signal(signal.SIGTERM)
                for lines in streams:
                    async for _ in lines:
                        continue
        assert await asyncio.to_thread(process.wait, 10) == 0, (tmp_path / "log").read_text()
    assert time.monotonic() - begun < DRAIN_SECONDS
    log = (tmp_path / "log").read_text()
    assert not [word for word in ("Traceback", "ERROR", "error") if word in log], log
