"""A service of the product in a process of its own, on a database and topics of its own: to be killed as it answers."""

import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
        self.database = self.engines.create_database(self.service)
        (self.port,) = free_ports(1)
        self.token = Keys.load_or_create(self.home / "keys").issue("tester", ["admin"])
        subprocess.run(python(f"services.{self.service}", "migrate"), env=self.environment(), check=True)

    def environment(self, armed: str = "") -> dict[str, str]:
        return {
            **python_environment(),
            url_variable(self.service): self.database,
            variable(self.service): str(self.port),
            "KAFKA_BOOTSTRAP_SERVERS": self.engines.kafka,
            "THEMODEL_HOME": str(self.home),
            "THEMODEL_TOPIC_PREFIX": self.topics,
            failpoints.VARIABLE: armed,
        }

    def client(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=15)

    def count(self, table: str) -> int:
        return int(self.engines.sql(f"SELECT count(*) FROM {table}", self.database.rpartition("/")[2]))


@contextmanager
def serving(place: Place, *, armed: str = "") -> "Iterator[subprocess.Popen[bytes]]":
    """The service until the block ends, ready."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            python(f"services.{place.service}", "all"),
            env=place.environment(armed),
            stdout=said,
            stderr=said,
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
        try:
            stop = time.monotonic() + 2 * LONG
            while not _ready(place):
                if process.poll() is not None or time.monotonic() > stop:
                    said.seek(0)
                    raise RuntimeError(said.read().decode(errors="replace"))
                time.sleep(0.05)
            yield process
        finally:
            process.kill()
            process.wait(10)


def _ready(place: Place) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{place.port}/readyz").is_success
    except httpx.TransportError:
        return False
