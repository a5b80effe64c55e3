"""What may happen to the system while people work. Each fault is over when its function returns; the system then has
to come back by itself."""

import asyncio
import random
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import asyncpg
import psutil

from deploy.local.ports import SERVICES
from shared.messaging.kafka import PARTITIONS, TopicPartition, open_reader
from shared.messaging.kafka_admin import Record, append
from shared.settings import Settings
from tests.support.system import System

Fault = Callable[["Scene"], Awaitable[None]]
AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)  # of a server that is
GARBAGE = (b"", b"{", b"\xff\xfe", b'{"specversion": "1.0"}', b"[" * 2000, b'{"id": 1e999}')


class Scene:
    """The running system as faults reach it; `commands` counts those run meanwhile, by what each ended with."""

    def __init__(self, system: System, chance: random.Random, folder: Path) -> None:
        self.system, self.chance, self.folder = system, chance, folder
        self.commands: Counter[tuple[str, int]] = Counter()
        self.servers = system.servers
        self.kafka = self.servers.environment()["KAFKA_BOOTSTRAP_SERVERS"]
        self._backups = 0

    def topic(self, service: str) -> str:
        return Settings(service=service).topic()

    async def pid(self, name: str) -> int | None:
        return (await asyncio.to_thread(self.system.programs)).get(name)

    async def signal(self, name: str, number: signal.Signals, *, children: bool = False) -> None:
        if (pid := await self.pid(name)) is None:
            return
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            for each in [*(process.children(recursive=True) if children else []), process]:
                with suppress(psutil.Error):
                    each.send_signal(number)

    async def sql(self, statement: str, *values: object) -> None:
        """As the superuser; where the server is away nothing happens."""
        assert self.servers.postgres
        with suppress(*AWAY):
            connection = await asyncpg.connect(self.servers.postgres.admin_url, timeout=5)
            try:
                await connection.execute(statement, *values)
            finally:
                connection.terminate()

    async def records(self, service: str, count: int) -> dict[int, list[Record]]:
        """Some neighbouring records of a partition of its topic, as they lie there."""
        place = TopicPartition(self.topic(service), self.chance.randrange(PARTITIONS))
        async with asyncio.timeout(10), open_reader(self.kafka, "soak") as reader:
            reader.assign([place])
            end = (await reader.end_offsets([place]))[place]
            if not end:
                return {}
            reader.seek(place, self.chance.randrange(end))
            found = (await reader.getmany(timeout_ms=1000, max_records=count)).get(place, [])
        return {place.partition: [Record(r.timestamp, r.key, r.value, r.headers) for r in found]}

    def next_backup(self) -> Path:
        self._backups += 1
        return self.folder / f"backup-{self._backups}"


def killed(name: str) -> Fault:
    async def fault(scene: Scene) -> None:
        await scene.signal(name, signal.SIGKILL)

    return fault


def ended(name: str) -> Fault:
    """Told to stop, as by a rolling deploy."""

    async def fault(scene: Scene) -> None:
        await scene.signal(name, signal.SIGTERM)

    return fault


def frozen(name: str, longest: float) -> Fault:
    async def fault(scene: Scene) -> None:
        await scene.signal(name, signal.SIGSTOP, children=True)
        await asyncio.sleep(scene.chance.uniform(0.5, longest))
        await scene.signal(name, signal.SIGCONT, children=True)

    return fault


async def connections_cut(scene: Scene) -> None:
    """Every connection of every service, several times."""
    for _ in range(scene.chance.randint(1, 5)):
        await scene.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'themodel%'")
        await asyncio.sleep(0.2)


async def read_only(scene: Scene) -> None:
    """A database takes no writes for a while, as when its disk is full."""
    name = f"themodel_{scene.chance.choice(SERVICES)}"
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1"
    await scene.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await scene.sql(cut, name)
    await asyncio.sleep(scene.chance.uniform(1, 5))
    while await _is_read_only(scene, name):  # the server may be away, and must not keep it
        await scene.sql(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        await asyncio.sleep(0.2)
    await scene.sql(cut, name)


async def _is_read_only(scene: Scene, name: str) -> bool:
    assert scene.servers.postgres
    try:
        connection = await asyncpg.connect(scene.servers.postgres.admin_url, timeout=5)
    except AWAY:
        return True
    query = """
        SELECT EXISTS (SELECT FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = $1)
    """
    try:
        return bool(await connection.fetchval(query, name))
    finally:
        connection.terminate()


async def told_twice(scene: Scene) -> None:
    """Part of a log once more, as by a sender that did not know it had sent it."""
    service = scene.chance.choice(SERVICES)
    with suppress(Exception):  # where Kafka is away, nothing is told twice
        if found := await scene.records(service, scene.chance.randint(1, 200)):
            await append(scene.kafka, scene.topic(service), found)


async def garbage(scene: Scene) -> None:
    """Bytes that are no event, between those that are."""
    topic = scene.topic(scene.chance.choice(SERVICES[:4]))
    value = scene.chance.choice(GARBAGE)
    with suppress(Exception):
        await append(scene.kafka, topic, {scene.chance.randrange(PARTITIONS): [Record(0, b"soak", value, [])]})


async def rebuilt(scene: Scene) -> None:
    """kpi is folded anew meanwhile, and perhaps is killed at that."""
    process = await _command(scene, "replay", "kpi", "--json")
    if scene.chance.random() < 0.5:
        await asyncio.sleep(scene.chance.uniform(1, 4))
        with suppress(ProcessLookupError):
            process.kill()
    scene.commands["replay", await process.wait()] += 1


async def backed_up(scene: Scene) -> None:
    process = await _command(scene, "backup", "--all", "--to", str(scene.next_backup()))
    scene.commands["backup", await process.wait()] += 1


async def _command(scene: Scene, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.local.cli", *arguments),
        env=scene.system.environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


FAULTS: dict[str, tuple[int, Fault]] = {
    **{f"kill {name}": (2, killed(name)) for name in (*SERVICES, "kafka", "postgres")},
    **{f"stop {name}": (1, ended(name)) for name in SERVICES},
    **{f"freeze {name}": (1, frozen(name, 6.0)) for name in (*SERVICES, "postgres")},
    "freeze kafka": (2, frozen("kafka", 12.0)),
    "cut every connection": (3, connections_cut),
    "a database takes no writes": (2, read_only),
    "events told twice": (3, told_twice),
    "garbage on a topic": (2, garbage),
    "replay kpi": (1, rebuilt),
    "backup": (1, backed_up),
}
"""By name how often, and what."""
