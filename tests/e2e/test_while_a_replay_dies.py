"""A replay of kpi is killed half way, or meets another one (fault 45 of docs/faults.md)."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from uuid import uuid4

import psutil
import pytest

from services.kpi.commands.rebuilding import NEXT, OLD
from shared import failpoints
from tests.support.replays import at_work, capture, killed, query, replay, steps
from tests.support.system import System, until


@pytest.fixture
def channel() -> str:
    """Of this test alone, since the installation is everybody's."""
    return f"faults-{uuid4().hex[:8]}"


@contextmanager
def watched(system: System, channel: str) -> Iterator[list[int]]:
    """How many leads a reader sees all the time."""
    seen, stop = list[int](), Event()

    def watch() -> None:
        with system.client("kpi") as kpi:
            while not stop.is_set():
                seen.append(steps(kpi, channel)["lead"])
                stop.wait(0.1)

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        stop.set()
        watcher.join()


def left_over(system: System) -> set[str]:
    found = query(system, "kpi", "SELECT nspname FROM pg_namespace WHERE nspname = ANY($1)", [NEXT, OLD])
    return {name for (name,) in found}


def test_45_a_rebuild_killed_half_way_harms_nobody_and_the_next_one_clears_up(system: System, channel: str) -> None:
    with system.client("marketing") as marketing, system.client("kpi") as kpi:
        capture(marketing, channel, 4)
        until(lambda: steps(kpi, channel) == {"lead": 4, "mql": 2})
        with at_work(system, channel, pause=0.1) as captured, watched(system, channel) as seen:
            for step in ("rebuild.after_read", "rebuild.before_switch"):
                killed(system, step)
                assert left_over(system) == {NEXT}, "it died elsewhere: the test did not do its work"
            code, report = replay(system)
            assert (code, report["switched"], left_over(system)) == (0, True, set())
            code, report = replay(system, "--verify")
            assert (code, report["differences"]) == (0, {}), report
        assert len(seen) > 20
        assert seen == sorted(seen), "a reader saw less than before"
        assert seen[0] >= 4
        until(lambda: steps(kpi, channel) == {"lead": 4 + captured(), "mql": 2 + captured() // 2})
    assert left_over(system) == set()


def test_45_of_two_rebuilds_at_once_the_second_is_refused_and_the_first_goes_on(system: System) -> None:
    command = [sys.executable, "-m", "deploy.local.cli", "replay", "kpi"]
    armed = {**system.environment, failpoints.VARIABLE: "rebuild.after_read=stop"}
    with subprocess.Popen(command, env=armed, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as first:
        try:
            until(lambda: psutil.Process(first.pid).status() == psutil.STATUS_STOPPED)
            second = system.themodel("replay", "kpi", check=False)
            assert (second.returncode, "Another replay is running" in second.stderr) == (1, True)
            assert left_over(system) == {NEXT}, "the second touches nothing of the first"
            os.kill(first.pid, signal.SIGCONT)
            assert first.wait(60) == 0
        finally:
            first.kill()
    assert left_over(system) == set()
    code, report = replay(system)
    assert (code, report["switched"]) == (0, True), "twice in a row"
