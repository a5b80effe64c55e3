"""The command `up` as a person starts it, to be looked at, signalled and killed by tests."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from deploy.local.home import Home
from deploy.local.ports import SERVICES
from deploy.local.processes import Record, die_with_parent, read_records
from tests.support.system import until

STUB_SERVICE = """
import http.server, json, os, signal, sys
name = __spec__.name.split(".")[1]
home = os.environ["THEMODEL_HOME"]
assert sys.argv[1] == "all" and os.path.exists(f"{home}/{name}.migrated")
if os.path.exists(f"{home}/{name}.stubborn"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("serving", flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path in ("/readyz", "/environment") else 404)
        self.end_headers()
        self.wfile.write(json.dumps(dict(os.environ)).encode())
    def log_message(self, *_): pass
address = ("127.0.0.1", int(os.environ[f"THEMODEL_{name.upper()}_PORT"]))
http.server.ThreadingHTTPServer(address, Handler).serve_forever()
"""
STUB_MIGRATION = """
import os
from pathlib import Path
revision, down_revision = "0001", None
def upgrade():
    Path(os.environ["THEMODEL_HOME"], f"{Path(__file__).parts[-4]}.migrated").touch()
"""


def write_stub_services(folder: Path) -> None:
    """A package `services` that keeps the agreement between `up` and a service, and does nothing else."""
    for service in SERVICES:
        place = folder / "services" / service
        place.mkdir(parents=True)
        (place.parent / "__init__.py").touch()
        (place / "__init__.py").touch()
        (place / "__main__.py").write_text(STUB_SERVICE)
        (place / "migrations/versions").mkdir(parents=True)
        (place / "migrations/versions/0001_stub.py").write_text(STUB_MIGRATION)


@dataclass
class Up:
    """One `themodel up`; `wrapper` is put before the command, to run it as somebody else."""

    environment: Mapping[str, str]
    arguments: Sequence[str] = ("--only-engines",)
    wrapper: Sequence[str] = ()
    seen: dict[int, psutil.Process] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home = Home.locate(self.environment)
        end_with_us = die_with_parent()

        def prepare() -> None:  # in the child
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # it hears it, also where we were started by nohup
            end_with_us()

        command = [*self.wrapper, sys.executable, "-P", "-m", "deploy.local.cli", "up", *self.arguments]
        self.process = subprocess.Popen(
            command,
            env=dict(self.environment),
            cwd=Path(__file__).resolve().parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=prepare,
        )

    def ready(self, within: float = 120) -> "Up":
        until(lambda: self.home.is_ready() or self.process.poll() is not None, within)
        assert self.process.poll() is None, self.output()
        self.look()
        return self

    def look(self) -> None:
        """Remembers every process below this one, so that its end can be seen."""
        top = psutil.Process(self.process.pid)
        self.seen |= {each.pid: each for each in [top, *top.children(recursive=True)]}

    def record(self, name: str) -> Record:
        """What is written of that program; waits while it is not there, as between an end and the next start."""
        return until(lambda: next((each for each in read_records(self.home.run) if each.name == name), None), 20)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Seconds until it had ended."""
        self.look()
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(20)
        return time.monotonic() - started

    def command(self, *arguments: str) -> str:
        """What another command of the same installation prints."""
        command = [sys.executable, "-m", "deploy.local.cli", *arguments]
        return subprocess.run(command, env=dict(self.environment), capture_output=True, text=True).stdout

    def kill_everything(self) -> None:
        self.look()
        for each in self.seen.values():
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.wait(20)

    def output(self) -> str:
        """All it printed; only after its end."""
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            return stream.read()

    def survivors(self, within: float = 10) -> list[str]:
        """Who still lives of all that ran, after giving them some time."""
        _, alive = psutil.wait_procs(list(self.seen.values()), timeout=within)
        return [f"{each.pid} {each.name()}" for each in alive if each.status() != psutil.STATUS_ZOMBIE]

    def __enter__(self) -> "Up":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill_everything()
        if self.process.stdout:
            self.process.stdout.close()


async def eventually(happened: Callable[[], bool], within: float = 10) -> None:
    async with asyncio.timeout(within):
        while True:
            if happened():
                return
            await asyncio.sleep(0.01)
