"""The whole product as a person starts it: `themodel up` in a home of its own, on free ports."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from deploy.local.client import LIFETIME
from deploy.local.commands.token import issue
from deploy.local.home import Home
from deploy.local.launch import launched, own_environment
from deploy.local.ports import Ports, variable
from deploy.local.servers import Servers

T = TypeVar("T")


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

    @property
    def servers(self) -> Servers:
        """Where its databases and its Kafka are."""
        home, ports = Home.locate(self.environment), Ports.from_environment(self.environment)
        return Servers.from_environment(home, ports, self.environment)

    def themodel(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """One command of the command line, against this installation."""
        return themodel(self.environment, *arguments, check=check)

    def token(self, role: str) -> str:
        if role not in self.tokens:
            self.tokens[role] = issue(Home.locate(self.environment), role, [role], LIFETIME)
        return self.tokens[role]

    def client(self, service: str, role: str = "admin") -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token(role)}"}
        return httpx.Client(base_url=self.url(service), headers=headers, timeout=30)

    def programs(self) -> dict[str, int]:
        """The process of every running program, by its name."""
        found = json.loads(self.themodel("status", "--json", check=False).stdout)
        return {program["name"]: program["process"] for program in found["programs"]}

    def account(self) -> str:
        """How it does: the end of what it said, and what its own doctor finds. For a test that failed."""
        try:
            said = self.log.read_text(errors="replace")[-3000:]
            return f"{said}\n{self.themodel('doctor', check=False).stdout}"
        except (OSError, subprocess.TimeoutExpired) as error:  # the failure itself is to be told in any case
            return f"it cannot be asked: {error}"

    def ready(self) -> bool:
        return self.themodel("status", check=False).returncode == 0

    def stop(self) -> float:
        """Ctrl-C; returns how many seconds it took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        return time.monotonic() - begun


def themodel(environment: Mapping[str, str], *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """One command of the command line, against the installation of that environment, which need not run."""
    command = [sys.executable, "-m", "deploy.local.cli", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


@contextmanager
def running_system(**more: str) -> Iterator[System]:
    """`themodel up` until the block ends; what it said is shown when the block fails."""
    home = Path(tempfile.mkdtemp(prefix="themodel-system-"))
    home.chmod(0o755)  # as root, PostgreSQL runs as another user
    environment = {**own_environment(home), **more}
    log = home / "up.log"
    try:
        with launched(environment) as process:
            yield System(environment, process, log, {})
        shutil.rmtree(home, ignore_errors=True)
    except BaseException:
        sys.stderr.write(log.read_text(errors="replace")[-6000:])
        raise


def until(
    true: Callable[[], T | None], seconds: float = 20, hopeless: Callable[[], bool] = lambda: False, pause: float = 0.05
) -> T:
    """The first true answer. Fails after `seconds`, or when `hopeless`. Asks every `pause`, and less often in time."""
    deadline = time.monotonic() + seconds
    while True:
        if found := true():
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s"
        assert not hopeless(), "it ended before"
        time.sleep(pause)
        pause = max(pause, min(1.3 * pause, 0.25))


def good(response: httpx.Response) -> Any:
    """The JSON of an answer that must be a success."""
    assert response.is_success, (
        f"{response.request.method} {response.request.url}: {response.status_code} {response.text[:500]}"
    )
    return response.json()


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)
