"""The embedded engines as `themodel up --only-engines` runs them: started, refused, killed, damaged, offline."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.accounts import ELSEWHERE
from deploy.local.home import Home
from deploy.local.jars import locked_jars, missing
from deploy.local.kafka import Kafka
from deploy.local.ports import SERVICES, free_ports
from deploy.local.postgres import Postgres, programs
from tests.support.engines import SHARED_CACHE, Engines, engine_environment
from tests.support.local import Up
from tests.support.maven import maven_repository
from tests.support.system import until

DEAD_PROXY = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}
is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run an engine as somebody else")


@contextmanager
def empty_home() -> Iterator[Path]:
    """A home that everyone may enter."""
    folder = Path(tempfile.mkdtemp(prefix="themodel-home-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def home(engines: Engines) -> Iterator[Path]:
    """The shared cache is full, since `engines` have run."""
    with empty_home() as folder:
        yield folder


@pytest.fixture(scope="module")
def used_home(engines: Engines) -> Iterator[Path]:
    """A home that was started once from nothing, was written to, and ended well."""
    with empty_home() as home:
        environment = environment_of(home)
        with Up(environment) as up:
            up.ready()
            asyncio.run(write(environment, 20))
            assert up.stop() < 10
            assert up.survivors() == []
            assert up.process.returncode == 0
            assert "Stopped. Your data stays." in up.output()
        yield home


@pytest.fixture
def environment(home: Path, used_home: Path) -> dict[str, str]:
    return copy_of(used_home, home)


def copy_of(used_home: Path, home: Path) -> dict[str, str]:
    """Its environment: starting it is quicker than from nothing."""
    subprocess.run(["cp", "-a", f"{used_home}/.", str(home)], check=True)
    return environment_of(home)


@pytest.fixture(scope="module")
def offline(used_home: Path) -> Iterator[Up]:
    """The used home, started again without a network."""
    with empty_home() as home, Up({**copy_of(used_home, home), **DEAD_PROXY}) as up:
        up.ready()
        yield up


def environment_of(home: Path, cache: Path = SHARED_CACHE) -> dict[str, str]:
    postgres, kafka, _ = free_ports(3)
    return engine_environment(home, postgres, kafka, cache)


def own_cache(environment: dict[str, str]) -> Path:
    """Gives the environment a cache of its own, filled from the shared one but for the start-up cache."""
    cache = Path(environment["THEMODEL_HOME"]) / "cache"
    cache.mkdir()
    for part in ("kafka", "python"):
        if (SHARED_CACHE / part).exists():
            subprocess.run(["cp", "-a", str(SHARED_CACHE / part), str(cache)], check=True)
    environment["THEMODEL_CACHE"] = str(cache)
    return cache


def postgres_of(environment: Mapping[str, str]) -> Postgres:
    return Postgres(Home.locate(environment), int(environment["THEMODEL_POSTGRES_PORT"]))


async def write(environment: dict[str, str], events: int) -> None:
    """A row in marketing's database and acknowledged events on a topic."""
    connection = await asyncpg.connect(postgres_of(environment).url("marketing"))
    await connection.execute("create table if not exists kept (n int); insert into kept values (1)")
    await connection.close()
    bootstrap = f"127.0.0.1:{environment['THEMODEL_KAFKA_PORT']}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    if "kept" not in await admin.list_topics():
        await admin.create_topics([NewTopic("kept", 3, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True) as producer:
        for number in range(events):
            await producer.send_and_wait("kept", str(number).encode(), key=str(number).encode())


async def read(environment: Mapping[str, str], events: int) -> tuple[int, list[int]]:
    """Rows, and the events in numeric order."""
    connection = await asyncpg.connect(postgres_of(environment).url("marketing"))
    rows = await connection.fetchval("select count(*) from kept")
    await connection.close()
    bootstrap = f"127.0.0.1:{environment['THEMODEL_KAFKA_PORT']}"
    found: list[int] = []
    async with AIOKafkaConsumer("kept", bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        for _ in range(50):
            records = await consumer.getmany(timeout_ms=200)
            found += [int(record.value) for batch in records.values() for record in batch]
            if len(found) >= events:
                break
    return rows, sorted(found)


async def test_what_was_written_is_there_after_a_clean_stop_and_needs_no_network(offline: Up) -> None:
    assert await read(offline.environment, 20) == (1, list(range(20)))


async def test_databases_are_apart_and_need_their_passwords(offline: Up) -> None:
    postgres = postgres_of(offline.environment)
    for service in SERVICES:
        connection = await asyncpg.connect(postgres.url(service))
        assert await connection.fetchval("show idle_in_transaction_session_timeout") == "1min"
        await connection.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(postgres.url("kpi"), database="themodel_marketing")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres.url("kpi"), password="wrong")
    for secret in offline.home.secrets.iterdir():
        assert secret.stat().st_mode & 0o777 == 0o600


def test_a_second_up_is_refused(offline: Up) -> None:
    with Up({**offline.environment, "THEMODEL_POSTGRES_PORT": "20001"}) as second:
        assert second.process.wait(60) == 1
        assert f"Already running here (process {offline.process.pid}" in second.output()
    assert offline.record("postgres").process()


async def test_nothing_acknowledged_is_lost_when_everything_is_killed(environment: dict[str, str]) -> None:
    with Up(environment) as up:
        up.ready()
        await write(environment, 200)
        up.kill_everything()
    with Up(environment) as up:
        up.ready()
        assert await read(environment, 220) == (2, sorted([*range(20), *range(200)]))


def test_a_killed_supervisor_leaves_nothing_behind(environment: dict[str, str]) -> None:
    with Up(environment) as up:
        up.ready()
        up.stop(signal.SIGKILL)
        assert up.survivors() == []


def is_back(up: Up, name: str) -> bool:
    return up.record(name).restarts == 1 and up.record(name).ready


def test_killed_engines_are_started_again(environment: dict[str, str]) -> None:
    with Up(environment) as up:
        up.ready()
        for name in ("postgres", "kafka"):
            os.kill(up.record(name).pid, signal.SIGKILL)
            until(partial(is_back, up, name), 60)
        assert up.stop() < 10
        assert up.survivors() == []
        assert "postgres ended with SIGKILL; again in 0.5 s" in up.output()


def test_a_taken_port_is_named_with_its_owner_and_its_variable(environment: dict[str, str]) -> None:
    port = int(environment["THEMODEL_KAFKA_PORT"]) + 1
    with closing(socket.create_server(("127.0.0.1", port))), Up(environment) as up:
        assert up.process.wait(60) == 1
        said = up.output()
    assert f"Port {port} for kafka_controller is taken by" in said
    assert f"(process {os.getpid()})" in said
    assert "THEMODEL_KAFKA_PORT" in said


def test_without_cache_and_network_the_reason_is_said(home: Path) -> None:
    with Up({**environment_of(home, home / "cache"), **DEAD_PROXY}) as up:
        assert up.process.wait(60) == 1
        said = up.output()
    assert "Kafka's jars could not be fetched (ProxyError). Connect this machine to the network once" in said
    assert "://" not in said.partition("could not be fetched")[2]


def test_damaged_and_missing_jars_are_fetched_again_and_only_those_and_a_damaged_start_up_cache_is_no_obstacle(
    environment: dict[str, str],
) -> None:
    cache = own_cache(environment)
    Kafka.in_home(Home.locate(environment), 1).start_up_cache.write_bytes(os.urandom(100_000))
    (cache / "kafka/slf4j-api-1.7.36.jar").write_bytes(b"damaged")
    (cache / "kafka/jopt-simple-5.0.4.jar").unlink()
    with maven_repository(SHARED_CACHE / "kafka") as (url, asked):
        with Up({**environment, "THEMODEL_MAVEN_REPOSITORY": url}) as up:
            up.ready()
        assert {path.rsplit("/")[-1] for path in asked if path.endswith(".jar")} == {
            "slf4j-api-1.7.36.jar",
            "jopt-simple-5.0.4.jar",
        }
    assert missing(cache / "kafka") == []


def test_a_jar_with_another_content_than_locked_is_refused(home: Path) -> None:
    forged = home / "forged"
    forged.mkdir()
    for jar in locked_jars():
        (forged / jar.filename).write_bytes(b"x" * jar.size)
    with maven_repository(forged) as (url, _):
        environment = {**environment_of(home, home / "cache"), "THEMODEL_MAVEN_REPOSITORY": url}
        with Up(environment) as up:
            assert up.process.wait(60) == 1
            assert "with another content than kafka.lock says; not used" in up.output()
    assert list((home / "cache/kafka").glob("*.jar")) == []


@is_root
def test_as_root_with_home_and_programs_in_a_closed_folder(tmp_path: Path, engines: Engines) -> None:
    tmp_path.chmod(0o700)
    package = programs().parent
    for folder in filter(Path.exists, (package, package.with_name(f"{package.name}.libs"))):
        shutil.copytree(folder, tmp_path / "site" / folder.name, symlinks=True)
    before = set(ELSEWHERE.glob("*"))
    try:
        with Up({**environment_of(tmp_path / "home"), "PYTHONPATH": str(tmp_path / "site")}) as up:
            up.ready()
            assert (tmp_path / "home/postgres").resolve().parent == ELSEWHERE
            running = up.record("postgres").process()
            assert running is not None
            assert Path(running.exe()).is_relative_to(ELSEWHERE)
            assert up.stop() < 10
        assert tmp_path.stat().st_mode & 0o777 == 0o700
    finally:
        for made in set(ELSEWHERE.glob("*")) - before:
            shutil.rmtree(made)


@is_root
def test_as_an_ordinary_user(home: Path) -> None:
    environment = {**environment_of(home), "HOME": "/nonexistent"}
    own_cache(environment)
    subprocess.run(["chown", "-R", "nobody:nogroup", home], check=True)
    wrapper = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--pdeathsig=TERM")
    with Up(environment, wrapper=wrapper) as up:
        up.ready()
        assert {each.username() for each in up.seen.values()} == {"nobody"}
        assert up.stop() < 10
        assert up.survivors() == []
