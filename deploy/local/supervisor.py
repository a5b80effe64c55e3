"""Keeps programs running: ordered start, readiness, restart, ordered stop.

A program that died is started again at once by the backoff alone, although a Kafka group takes up to its session
timeout (3 s) to notice the death: here every group has one member, so nobody else is held up by an early rejoin, the
partitions come back at the same moment either way, and the pages answer some seconds sooner.
"""

import asyncio
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.errors import CommandError
from deploy.local.processes import Account, Record, created_at, kill_group, spawn

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
CALM = 60.0  # seconds of running after which a death counts as the first again
FALSE_STARTS = 5  # deaths before the first readiness that end the whole start
POLL = 0.05
PATIENCE = 15.0  # seconds between words about who is not ready yet


@dataclass(frozen=True, kw_only=True)
class Program:
    name: str
    command: Callable[[], Sequence[str | Path]]  # asked before every start
    environment: Mapping[str, str]
    ready: Callable[[], Awaitable[bool]]
    address: str = ""
    stop_signal: signal.Signals = signal.SIGTERM
    kill_signal: signal.Signals = signal.SIGKILL  # for the impatient
    account: Account | None = None
    once: bool = False  # an ending is an ending: no restart
    on_false_start: Callable[[], None] = lambda: None
    chatter: tuple[str, ...] = ()  # beginnings of lines that nobody needs to see


def pause_after(failures: int) -> float:
    """Seconds to wait before the next start, after so many deaths in a row."""
    return float(min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE))


class Child:
    """One program, kept running by `keep`."""

    def __init__(self, program: Program, runs: Path, show: Callable[[str, str], None]) -> None:
        self.program, self.runs, self.show = program, runs, show
        self.process: asyncio.subprocess.Process | None = None
        self.became_ready = asyncio.Event()
        self.last_lines: deque[str] = deque(maxlen=5)
        self.stopping = False
        self.starts = 0

    async def keep(self) -> None:
        failures = 0
        while not self.stopping:
            started = time.monotonic()
            code = await self._run()
            if self.stopping or self.program.once:
                break
            failures = 1 if time.monotonic() - started > CALM else failures + 1
            if not self.became_ready.is_set():
                self.program.on_false_start()
                if failures >= FALSE_STARTS:
                    raise CommandError(self._obituary(code))
            pause = pause_after(failures)
            self.show("up", f"{self.program.name} ended with {_reason(code)}; again in {pause:g} s")
            await asyncio.sleep(pause)

    async def _run(self) -> int:
        program = self.program
        process = await spawn(
            program.command(),
            environment=program.environment,
            account=program.account,
            at_death=program.stop_signal,
        )
        self.process, self.starts = process, self.starts + 1
        record = Record(
            program.name,
            process.pid,
            created_at(process.pid),
            program.stop_signal,
            program.address,
            False,
            self.starts - 1,
        )
        record.write(self.runs)
        pump, watch = asyncio.create_task(self._pump(process)), asyncio.create_task(self._watch(record))
        ended = asyncio.create_task(process.wait())
        try:
            await asyncio.wait({ended, watch}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done() and watch.exception():
                self.signal(program.stop_signal)
                watch.result()
            await ended
            await asyncio.wait({pump}, timeout=1)  # a grandchild may hold the pipe open
            return ended.result()
        finally:
            for task in (pump, watch, ended):
                task.cancel()
            (self.runs / f"{program.name}.json").unlink(missing_ok=True)

    async def _pump(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while True:
            try:
                raw = await process.stdout.readline()
            except ValueError:  # longer than the reader holds: the rest of the line follows as another
                continue
            if not raw:
                return
            line = raw.decode(errors="replace").rstrip()
            self.last_lines.append(line)
            if not line.startswith(self.program.chatter):
                self.show(self.program.name, line)

    async def _watch(self, record: Record) -> None:
        while True:
            if await self.program.ready():
                break
            await asyncio.sleep(POLL)
        record.ready = True
        record.write(self.runs)
        if not self.program.once:
            self.show("up", f"{self.program.name} is ready{' again' if self.became_ready.is_set() else ''}")
        self.became_ready.set()

    def _obituary(self, code: int) -> str:
        said = "\n".join(f"  {line}" for line in self.last_lines)
        return f"{self.program.name} ended {FALSE_STARTS} times before it was ready ({_reason(code)}). It said:\n{said}"

    def signal(self, number: signal.Signals) -> None:
        if self.process and self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)

    def kill(self) -> None:
        self.stopping = True
        if self.process and self.process.returncode is None:
            if self.program.kill_signal == signal.SIGKILL:
                kill_group(self.process.pid, signal.SIGKILL)
            else:
                self.signal(self.program.kill_signal)


class Supervisor:
    """`show` is told who says what: a program's name and a line of its output."""

    def __init__(self, runs: Path, show: Callable[[str, str], None]) -> None:
        self.runs, self.show = runs, show
        self.groups: list[tuple[float, dict[Child, asyncio.Task[None]]]] = []

    async def start(self, programs: Sequence[Program], grace: float) -> None:
        """Starts the programs together and returns when all are ready. `grace`: seconds they get to stop later."""
        children = [Child(program, self.runs, self.show) for program in programs]
        group = {child: asyncio.create_task(child.keep(), name=child.program.name) for child in children}
        self.groups.append((grace, group))
        notice = asyncio.create_task(self._tell_who_is_late(children))
        try:
            await together(*(_ready_or_ended(child, task) for child, task in group.items()))
        finally:
            notice.cancel()

    async def _tell_who_is_late(self, children: Sequence[Child]) -> None:
        while True:
            await asyncio.sleep(PATIENCE)
            late = [child.program for child in children if not child.became_ready.is_set()]
            self.show("up", "still waiting for " + ", ".join(f"{each.name} ({each.address})" for each in late))

    async def watch(self) -> None:
        """Runs until a program cannot be kept; raises its CommandError."""
        tasks = [task for _, group in self.groups for task in group.values()]
        if tasks:  # not gathered: that would cancel them with us
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in ended:
                task.result()
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """The group started last ends first; who does not end within its group's grace is killed."""
        for grace, group in reversed(self.groups):
            for child in group:
                child.stopping = True
                child.signal(child.program.stop_signal)
            for child, task in group.items():
                if child.process is None or child.process.returncode is not None:
                    task.cancel()  # waiting for its next start
            _, late = await asyncio.wait(group.values(), timeout=grace)
            if late:
                for child, task in group.items():
                    if task in late:
                        self.show("up", f"{child.program.name} did not stop within {grace:g} s; killed")
                        child.kill()
                _, late = await asyncio.wait(late, timeout=2)
                for child, task in group.items():
                    if task in late and child.process:
                        kill_group(child.process.pid, signal.SIGKILL)
                        await asyncio.wait([task])
        self.groups.clear()

    def kill(self) -> None:
        for _, group in self.groups:
            for child in group:
                child.kill()


async def _ready_or_ended(child: Child, kept: asyncio.Task[None]) -> None:
    ready = asyncio.create_task(child.became_ready.wait())
    try:
        await asyncio.wait({ready, kept}, return_when=asyncio.FIRST_COMPLETED)
        if kept.done():
            kept.result()
    finally:
        ready.cancel()


async def together(*work: Coroutine[Any, Any, None]) -> None:
    """All at once; the first failure ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for each in work:
                tasks.create_task(each)
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


def _reason(code: int) -> str:
    if code >= 0:
        return f"code {code}"
    with suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
