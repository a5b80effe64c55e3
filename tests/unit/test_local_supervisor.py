"""The supervisor on real child processes."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.local import supervisor as module
from deploy.local.errors import CommandError
from deploy.local.processes import Record, created_at, end_leftovers, read_records, run_once
from deploy.local.supervisor import Child, Program, Supervisor, pause_after
from tests.support.local import eventually

SLEEPER = "import time; print('here', flush=True); time.sleep(60)"


async def at_once() -> bool:
    return True


def program(code: str, name: str = "child", ready: Callable[[], Awaitable[bool]] = at_once, **more: Any) -> Program:
    return Program(
        name=name,
        command=lambda: [sys.executable, "-c", code],
        environment=dict(os.environ),
        ready=ready,
        **more,
    )


@pytest.fixture
def said() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[tuple[str, str]]) -> Supervisor:
    return Supervisor(tmp_path, lambda name, line: said.append((name, line)))


def test_pauses_double_up_to_half_a_minute() -> None:
    assert [pause_after(n) for n in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


async def test_start_returns_when_all_are_ready(supervisor: Supervisor, tmp_path: Path) -> None:
    mark = tmp_path / "mark"

    async def marked() -> bool:
        return mark.exists()

    code = f"import pathlib, time; time.sleep(0.3); pathlib.Path({str(mark)!r}).touch(); time.sleep(60)"
    await supervisor.start([program(SLEEPER, "quick"), program(code, "slow", marked)], 5)
    assert mark.exists()
    assert {(record.name, record.ready) for record in read_records(tmp_path)} == {("quick", True), ("slow", True)}
    await supervisor.stop()
    assert read_records(tmp_path) == []


async def test_groups_end_in_reverse_order(supervisor: Supervisor, said: list[tuple[str, str]]) -> None:
    code = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print('ends', flush=True), sys.exit()))
print('here', flush=True)
while True: time.sleep(60)
"""

    def said_here(name: str) -> Callable[[], Awaitable[bool]]:
        async def check() -> bool:
            return (name, "here") in said

        return check

    await supervisor.start([program(code, "engine", said_here("engine"))], 5)
    await supervisor.start([program(code, "service", said_here("service"))], 5)
    await supervisor.stop()
    assert [name for name, line in said if line == "ends"] == ["service", "engine"]


async def test_a_child_that_never_becomes_ready_ends_the_start(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    false_starts = []

    async def never() -> bool:
        return False

    broken = program(
        "import sys; sys.exit('no lamp oil')", "lamp", never, on_false_start=lambda: false_starts.append(1)
    )
    with pytest.raises(CommandError, match=r"lamp ended 5 times before it was ready \(code 1\)") as raised:
        await supervisor.start([program(SLEEPER, "other", never), broken], 5)
    assert str(raised.value).endswith("no lamp oil")
    assert len(false_starts) == 5
    await supervisor.stop()


async def test_an_error_of_the_readiness_check_ends_the_start(supervisor: Supervisor) -> None:
    async def wrong() -> bool:
        raise CommandError("wrong password")

    with pytest.raises(CommandError, match="wrong password"):
        await supervisor.start([program(SLEEPER, ready=wrong)], 5)
    await supervisor.stop()


async def test_a_long_run_makes_the_next_death_the_first_again(
    supervisor: Supervisor, said: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CALM", 0.0)
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    await supervisor.start([program("print('x')")], 5)
    await eventually(lambda: len([line for name, line in said if name == "up" and "again in" in line]) >= 4)
    await supervisor.stop()
    assert {line for name, line in said if "again in" in line} == {"child ended with code 0; again in 0.01 s"}


async def test_what_runs_once_is_not_started_again(supervisor: Supervisor, said: list[tuple[str, str]]) -> None:
    await supervisor.start([program("print('done')", once=True)], 5)
    await eventually(lambda: ("child", "done") in said)
    await asyncio.sleep(0.5)
    assert said == [("child", "done")]
    await supervisor.stop()


async def test_who_ignores_the_signal_is_killed_after_the_grace(supervisor: Supervisor) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(60)"
    )
    await supervisor.start([program(stubborn)], 0.3)
    child = next(iter(supervisor.groups[0][1]))
    await eventually(lambda: bool(child.last_lines))
    started = time.monotonic()
    await supervisor.stop()
    assert 0.3 <= time.monotonic() - started < 2


async def test_very_long_lines_do_not_end_the_reading(supervisor: Supervisor, said: list[tuple[str, str]]) -> None:
    await supervisor.start([program("print('x' * 3_000_000); print('after', flush=True)", once=True)], 5)
    await eventually(lambda: ("child", "after") in said)
    await supervisor.stop()


async def test_chatter_is_not_shown_but_remembered(supervisor: Supervisor, said: list[tuple[str, str]]) -> None:
    await supervisor.start([program("print('LOG: hum'); print('LOG: fire')", chatter=("LOG: hum",), once=True)], 5)
    child: Child = next(iter(supervisor.groups[0][1]))
    await eventually(lambda: len(child.last_lines) >= 2)
    assert [line for _, line in said] == ["LOG: fire"]
    await supervisor.stop()


ORPHAN = "import subprocess as s; print(s.Popen(['sleep', '60'], stdout=s.DEVNULL, stderr=s.DEVNULL).pid)"


async def test_leftovers_are_ended_and_strangers_with_their_number_are_not(tmp_path: Path) -> None:
    ours, stranger = [int(await run_once([sys.executable, "-c", ORPHAN])) for _ in range(2)]
    kept = Record("kept", stranger, created_at(stranger), signal.SIGTERM)
    Record("ours", ours, created_at(ours), signal.SIGTERM).write(tmp_path)
    Record("reused", stranger, created_at(stranger) - 100, signal.SIGTERM).write(tmp_path)
    try:
        assert end_leftovers(tmp_path) == ["ours"]
        assert Record("ours", ours, created_at(ours), signal.SIGTERM).process() is None
        assert kept.process() is not None
        assert read_records(tmp_path) == []
    finally:
        os.kill(stranger, signal.SIGKILL)


async def test_run_once_gives_the_output_or_the_last_words() -> None:
    assert await run_once([sys.executable, "-c", "print(1); print(2)"]) == "1\n2"
    with pytest.raises(CommandError, match="no ink"):
        await run_once([sys.executable, "-c", "import sys; sys.exit('no ink')"])


async def test_a_cancelled_run_once_leaves_no_process(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = f"import os, pathlib, time; pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid())); time.sleep(60)"
    task = asyncio.create_task(run_once([sys.executable, "-c", code]))
    await eventually(lambda: pid_file.exists() and bool(pid_file.read_text()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
