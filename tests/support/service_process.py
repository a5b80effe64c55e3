"""A service of the product in a process of its own, on a database and topics of its own: to be killed as it answers."""

import asyncio
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from deploy.local.ports import free_ports, variable
from deploy.local.processes import die_with_parent, python, python_environment
from deploy.local.servers import url_variable
from shared import failpoints
from shared.auth import Keys
from tests.support.engines import Engines
from tests.support.messaging import LONG


@dataclass
class Place:
    """Where a service lives, whichever process it is at the moment."""

    service: str
    engines: Engines
    home: Path
    database: str = ""
    topics: str = field(default_factory=lambda: f"t{secrets.token_hex(4)}")

    def __post_init__(self) -> None:
        (self.port,) = free_ports(1)
        self.token = Keys.load_or_create(self.home / "keys").issue("tester", ["admin"])
        made = self.engines.admin_url, self.service
        if made not in _migrated:
            self.database = self.engines.create_database(f"template_{self.service}")
            subprocess.run(python(f"services.{self.service}", "migrate"), env=self.environment(), check=True)
            _migrated[made] = self.database.rpartition("/")[2]
        self.database = self.engines.copy_database(self.service, _migrated[made])

    def environment(self, armed: str = "", port: int | None = None) -> dict[str, str]:
        return {
            **python_environment(),
            url_variable(self.service): self.database,
            variable(self.service): str(port or self.port),
            "KAFKA_BOOTSTRAP_SERVERS": self.engines.kafka,
            "THEMODEL_HOME": str(self.home),
            "THEMODEL_TOPIC_PREFIX": self.topics,
            failpoints.VARIABLE: armed,
        }

    def client(self, port: int | None = None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port or self.port}", headers=headers, timeout=15)

    def count(self, table: str) -> int:
        return int(self.engines.sql(f"SELECT count(*) FROM {table}", self.database.rpartition("/")[2]))


_migrated: dict[tuple[str, str], str] = {}
"""By engines and service: a database to copy, since migrating takes longer than most tests."""


@contextmanager
def serving(place: Place, *, armed: str = "") -> "Iterator[subprocess.Popen[bytes]]":
    """The service until the block ends, ready."""
    with _begun(place, armed, place.port) as (process, ready):
        while not ready():
            time.sleep(0.05)
        yield process


@asynccontextmanager
async def replica(place: Place, port: int) -> "AsyncIterator[subprocess.Popen[bytes]]":
    """Another process of the service on a port of its own, while others go on."""
    with _begun(place, "", port) as (process, ready):
        while not await asyncio.to_thread(ready):  # noqa: ASYNC110  # what is waited for happens in another process
            await asyncio.sleep(0.05)
        yield process


@contextmanager
def _begun(place: Place, armed: str, port: int) -> "Iterator[tuple[subprocess.Popen[bytes], Callable[[], bool]]]":
    """The process, and whether it is ready; asking fails with what it said when it never will be."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            python(f"services.{place.service}", "all"),
            env=place.environment(armed, port),
            stdout=said,
            stderr=said,
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
        stop = time.monotonic() + 2 * LONG

        def ready() -> bool:
            if process.poll() is not None or time.monotonic() > stop:
                said.seek(0)
                raise RuntimeError(said.read().decode(errors="replace"))
            try:
                return httpx.get(f"http://127.0.0.1:{port}/readyz").is_success
            except httpx.TransportError:
                return False

        try:
            yield process, ready
        finally:
            process.kill()
            process.wait(10)
