"""Starting programs so that none outlives us, and finding those that did.

On Linux the kernel sends a program its stop signal when the supervisor dies, even by kill -9. Elsewhere, and for what
ignores that signal, the records in THEMODEL_HOME/run let the next start end the left-overs.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from deploy.local.errors import CommandError
from deploy.local.home import PROJECT, is_same_process

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_LONGEST_LINE = 1 << 20
_LEFTOVER_GRACE = 5.0


@dataclass(frozen=True)
class Account:
    """The user a program runs as when we are root."""

    name: str
    uid: int
    gid: int


def die_with_parent(at_death: signal.Signals = signal.SIGTERM, *, idle: bool = False) -> Callable[[], None]:
    """A `preexec_fn`: the child gets the signal when the thread that started it ends, however that happens."""
    parent = os.getpid()

    def prepare() -> None:  # runs in the child, after its user was set: that would clear the death signal
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(at_death))
        if os.getppid() != parent:
            os._exit(1)
        if idle:
            os.nice(19)

    return prepare


def python(module: str, *arguments: str) -> list[str]:
    """Runs a module of this installation, whatever folders named like ours the working folder has."""
    return [sys.executable, "-P", "-m", module, *arguments]


def python_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """For children that run `python(…)`: they import from where we were imported."""
    path = [*filter(None, environ.get("PYTHONPATH", "").split(os.pathsep)), str(PROJECT)]
    return {**environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(path))}


async def spawn(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    account: Account | None = None,
    at_death: signal.Signals = signal.SIGKILL,
    idle: bool = False,
    errors: int = asyncio.subprocess.STDOUT,
) -> asyncio.subprocess.Process:
    """A child in a session of its own: a terminal's Ctrl-C reaches us alone, and we decide the order.

    Call it from the main thread: the death signal fires when the thread that forked ends.
    """
    run_as: dict[str, Any] = {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
    return await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=errors,
        env=environment,
        limit=_LONGEST_LINE,
        start_new_session=True,
        preexec_fn=die_with_parent(at_death, idle=idle),
        cwd="/" if account else None,
        **run_as,
    )


async def run_once(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    account: Account | None = None,
    idle: bool = False,
    on_line: Callable[[str], None] | None = None,
) -> str:
    """Runs a program to its end and gives what it printed; CommandError with its last words when it fails.

    Cancelled, it kills the program. With `on_line` each line of standard output is told as it comes.
    """
    process = await spawn(command, environment=environment, account=account, idle=idle)
    lines: list[str] = []
    try:
        assert process.stdout is not None
        async for raw in process.stdout:
            lines.append(raw.decode(errors="replace").rstrip())
            if on_line:
                on_line(lines[-1])
        code = await process.wait()
    except asyncio.CancelledError:
        kill_group(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    if code:
        name = Path(command[0]).name
        raise CommandError("\n".join(lines[-20:]).strip() or f"{name} ended with {code}")
    return "\n".join(lines)


def kill_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


@dataclass
class Record:
    """What is known of a running program, in THEMODEL_HOME/run/<name>.json."""

    name: str
    pid: int
    created_at: float  # seconds since the epoch, as psutil tells it: makes the process id unique
    stop_signal: int
    address: str = ""
    ready: bool = False
    restarts: int = 0

    def write(self, folder: Path) -> None:
        temporary = folder / f".{self.name}.json"
        temporary.write_text(json.dumps(asdict(self)))
        temporary.replace(folder / f"{self.name}.json")

    def process(self) -> psutil.Process | None:
        """The process, if it still is the one recorded."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            return process if is_same_process(process, self.created_at) else None
        return None


def created_at(pid: int) -> float:
    with suppress(psutil.Error):
        return float(psutil.Process(pid).create_time())
    return 0.0


def read_records(folder: Path) -> list[Record]:
    records = []
    for file in sorted(folder.glob("[!.]*.json")):
        with suppress(ValueError, TypeError, OSError):
            content: dict[str, Any] = json.loads(file.read_text())
            records.append(Record(**content))
    return records


def end_leftovers(folder: Path) -> list[str]:
    """Ends what an earlier supervisor left running, services before engines; gives their names."""
    ended = []
    for record in reversed(sorted(read_records(folder), key=lambda record: record.created_at)):
        if process := record.process():
            with suppress(psutil.Error):
                process.send_signal(record.stop_signal)
                try:
                    process.wait(_LEFTOVER_GRACE)
                except psutil.TimeoutExpired:
                    process.kill()
                    process.wait(_LEFTOVER_GRACE)
            ended.append(record.name)
    for file in folder.glob("*.json"):
        file.unlink(missing_ok=True)
    return ended
