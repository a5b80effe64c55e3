"""The whole product as a person starts it: `themodel up` in a home of its own, on free ports."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from deploy.local.ports import SERVICES, free_ports, variable
from deploy.local.processes import die_with_parent
from tests.support.engines import engine_environment

T = TypeVar("T")
START_SECONDS = 240.0


@dataclass
class System:
    """A running installation; `environment` is what its commands need."""

    environment: dict[str, str]
    process: "subprocess.Popen[bytes]"
    log: Path
    tokens: dict[str, str]

    def port(self, name: str) -> int:
        return int(self.environment[variable(name)])

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.port(service)}"

    def themodel(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """One command of the command line, against this installation."""
        command = [sys.executable, "-m", "deploy.local.cli", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=300)
        assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done

    def token(self, role: str) -> str:
        if role not in self.tokens:
            self.tokens[role] = self.themodel("token", "--role", role).stdout.strip()
        return self.tokens[role]

    def client(self, service: str, role: str = "admin") -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token(role)}"}
        return httpx.Client(base_url=self.url(service), headers=headers, timeout=30)

    def programs(self) -> dict[str, int]:
        """The process of every running program, by its name."""
        found = json.loads(self.themodel("status", "--json", check=False).stdout)
        return {program["name"]: program["process"] for program in found["programs"]}

    def ready(self) -> bool:
        return self.themodel("status", check=False).returncode == 0

    def stop(self) -> float:
        """Ctrl-C; returns how many seconds it took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        return time.monotonic() - begun


@contextmanager
def running_system(home: Path | None = None, **more: str) -> Iterator[System]:
    """`themodel up` until the block ends; what it said is shown when it does not become ready."""
    folder = home or Path(tempfile.mkdtemp(prefix="themodel-system-"))
    folder.chmod(0o755)
    ports = free_ports(len(SERVICES) + 3)
    environment = {
        **engine_environment(folder, ports[0], ports[1]),
        **{variable(name): str(port) for name, port in zip(SERVICES, ports[3:], strict=True)},
        **more,
    }
    log = folder / "up.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local.cli", "up"],
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=die_with_parent(),
        )
    system = System(environment, process, log, {})
    try:
        until(system.ready, START_SECONDS, lambda: process.poll() is not None)
        yield system
    except BaseException:
        sys.stderr.write(log.read_text(errors="replace")[-6000:])
        raise
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """One installation for all end-to-end tests; each uses names and channels of its own."""
    with running_system() as started:
        yield started


def until(
    true: Callable[[], T], seconds: float = 20, hopeless: Callable[[], bool] = lambda: False, pause: float = 0.05
) -> T:
    """The first true answer. Fails after `seconds`, or when `hopeless`."""
    deadline = time.monotonic() + seconds
    while True:
        if found := true():
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s"
        assert not hopeless(), "it ended before"
        time.sleep(pause)


def good(response: httpx.Response) -> Any:
    """The JSON of an answer that must be a success."""
    assert response.is_success, (
        f"{response.request.method} {response.request.url}: {response.status_code} {response.text[:500]}"
    )
    return response.json()


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)
