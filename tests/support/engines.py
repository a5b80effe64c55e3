"""Real PostgreSQL and real Kafka for the tests, started once per session by the product's own `up --only-engines`.

Several developers may share one pair: `python -m tests.support.engines` runs it and prints what to export; a session
that finds THEMODEL_TEST_POSTGRES and THEMODEL_TEST_KAFKA uses that pair and starts nothing.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
import pytest

from deploy.local.home import Home
from deploy.local.ports import free_ports
from deploy.local.postgres import Postgres, programs
from deploy.local.processes import die_with_parent, read_records

POSTGRES_VARIABLE = "THEMODEL_TEST_POSTGRES"
KAFKA_VARIABLE = "THEMODEL_TEST_KAFKA"
SHARED_CACHE = Path.home() / ".cache/themodel"
_LONGEST_START = 300.0  # a first start fetches Kafka's jars


@dataclass(frozen=True)
class Engines:
    """`admin_url` is a superuser's, `kafka` the bootstrap servers, `home` where we started them ourselves."""

    admin_url: str
    kafka: str
    created: list[str] = field(default_factory=list)
    home: Home | None = None

    def postgres_url(self, database: str) -> str:
        """The superuser's URL of that database."""
        return urlunsplit(urlsplit(self.admin_url)._replace(path=f"/{database}"))

    def create_database(self, name: str = "test", template: str = "template0") -> str:
        """URL of a fresh database, owned by a fresh role of the same name: `name` and a random end.

        A database made before may be the `template`; nobody may be connected to it at that moment.
        """
        unique = f"{name}_{secrets.token_hex(4)}"
        self.created.append(unique)
        self.sql(f"create role {unique} login password '{unique}'")
        self.sql(f"create database {unique} owner {unique} template {template} strategy file_copy")
        place = urlsplit(self.admin_url).netloc.rpartition("@")[2]
        return f"postgresql://{unique}:{unique}@{place}/{unique}"

    def copy_database(self, name: str, template: str) -> str:
        """URL of a fresh database like the template, whose tables belong to the fresh role."""
        url = self.create_database(name, template=template)
        database = url.rpartition("/")[2]
        self.sql(f"reassign owned by {template} to {database}", database)
        return url

    def drop_database(self, url: str) -> None:
        self._drop(urlsplit(url).path.removeprefix("/"))

    def drop_databases(self) -> None:
        """All that were created here: for engines that live on."""
        for name in list(self.created):
            self._drop(name)

    def _drop(self, name: str) -> None:
        self.sql(f"drop database if exists {name} with (force)")
        self.sql(f"drop role if exists {name}")
        self.created.remove(name)

    def process(self, name: str) -> int:
        """The process of "kafka" or "postgres". Only engines of our own: nobody stops those of others."""
        assert self.home is not None
        return next(record.pid for record in read_records(self.home.run) if record.name == name)

    @contextmanager
    def broker_frozen(self) -> Iterator[None]:
        """It takes connections, and answers nothing: the way an engine is away that no error tells of."""
        broker = self.process("kafka")
        os.kill(broker, signal.SIGSTOP)
        try:
            while not stands_still(broker):
                time.sleep(0.005)
            yield
        finally:
            os.kill(broker, signal.SIGCONT)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Runs one statement as the superuser; rows as lines, columns joined by |."""
        psql = str(programs() / "bin/psql")
        command = [psql, "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", statement, self.postgres_url(database)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.strip()


def stands_still(process: int) -> bool:
    """Whether the last of its threads has stopped: the signal returns before."""
    tasks = Path(f"/proc/{process}/task")
    if not tasks.exists():
        return psutil.Process(process).status() == psutil.STATUS_STOPPED
    return all(status.read_text().rpartition(")")[2].split()[0] == "T" for status in tasks.glob("*/stat"))


def engine_environment(home: Path, postgres_port: int, kafka_port: int, cache: Path = SHARED_CACHE) -> dict[str, str]:
    """For `themodel` commands that are to use these places, whatever the caller's own environment says."""
    taken = ("THEMODEL_", "DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(taken) and not name.endswith("_DATABASE_URL")
    }
    return {
        **kept,
        "THEMODEL_HOME": str(home),
        "THEMODEL_CACHE": str(cache),
        "THEMODEL_POSTGRES_PORT": str(postgres_port),
        "THEMODEL_KAFKA_PORT": str(kafka_port),
    }


@contextmanager
def running_engines(home: Path, environment: Mapping[str, str]) -> Iterator[Engines]:
    """Runs `up --only-engines` until the block ends, and no longer than this process lives."""
    command = [sys.executable, "-m", "deploy.local.cli", "up", "--only-engines"]
    log = home / "up.log"
    home.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True, preexec_fn=die_with_parent()
        )
    try:
        place = Home.locate(environment)
        deadline = time.monotonic() + _LONGEST_START
        while not place.is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The engines did not start:\n{log.read_text()}")
            time.sleep(0.02)
        postgres = Postgres(place, int(environment["THEMODEL_POSTGRES_PORT"]))
        yield Engines(postgres.admin_url, f"127.0.0.1:{environment['THEMODEL_KAFKA_PORT']}", home=place)
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def own_engines() -> Iterator[Engines]:
    """On free ports in a folder that is gone afterwards. Events are not flushed one by one: tests cut no power."""
    postgres_port, kafka_port, _ = free_ports(3)
    home = Path(tempfile.mkdtemp(prefix="themodel-test-"))
    home.chmod(0o755)  # as root, PostgreSQL runs as another user
    environment = {**engine_environment(home, postgres_port, kafka_port), "THEMODEL_KAFKA_FLUSH_MESSAGES": "1000000"}
    try:
        with running_engines(home, environment) as engines:
            yield engines
    finally:
        shutil.rmtree(home, ignore_errors=True)


def pytest_configure(config: pytest.Config) -> None:
    """Side by side, all processes use one pair; whoever kills or freezes an engine starts a pair of their own."""
    if config.getoption("numprocesses", None) and not (
        POSTGRES_VARIABLE in os.environ and KAFKA_VARIABLE in os.environ
    ):
        stack = ExitStack()
        config.add_cleanup(stack.close)
        engines = stack.enter_context(own_engines())
        os.environ[POSTGRES_VARIABLE], os.environ[KAFKA_VARIABLE] = engines.admin_url, engines.kafka


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    postgres, kafka = os.environ.get(POSTGRES_VARIABLE), os.environ.get(KAFKA_VARIABLE)
    if postgres and kafka:
        shared = Engines(postgres, kafka)
        yield shared
        shared.drop_databases()
        return
    with own_engines() as started:
        yield started


def main() -> None:
    """Runs a pair on fixed ports until it is stopped."""
    home = Path("/tmp/themodel-dev")
    environment = {**engine_environment(home, 25544, 29092), "THEMODEL_KAFKA_FLUSH_MESSAGES": "1000000"}
    stops = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    with running_engines(home, environment) as engines:
        signal.pthread_sigmask(signal.SIG_BLOCK, stops)
        sys.stdout.write(f"export {POSTGRES_VARIABLE}={engines.admin_url}\nexport {KAFKA_VARIABLE}={engines.kafka}\n")
        sys.stdout.flush()
        signal.sigwait(stops)


if __name__ == "__main__":
    main()
