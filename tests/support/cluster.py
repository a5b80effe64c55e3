"""Kafka nodes that are one cluster, each broker and controller: to be killed, frozen and filled one by one."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import psutil
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from deploy.local.home import Home
from deploy.local.kafka import Kafka, new_cluster_id
from deploy.local.ports import free_ports
from deploy.local.processes import die_with_parent
from shared.messaging.kafka import close_within
from tests.support.engines import SHARED_CACHE, stands_still
from tests.support.messaging import until

T = TypeVar("T")

NODES = (1, 2, 3)
REPLICAS = 3
START = 60.0  # seconds a node may need on a busy machine without a start-up cache
_ROOM = 1_000  # bytes, of which a batch takes hundreds
_OF_TOPIC = 1  # where a setting comes from, in Kafka's protocol
_REPLICATED = {
    "min.insync.replicas": "2",  # of the topic of offsets; ours say it themselves
    "offsets.topic.replication.factor": str(REPLICAS),
}


@dataclass
class Cluster:
    nodes: dict[int, Kafka]
    _processes: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def bootstrap(self) -> str:
        return ",".join(node.bootstrap for node in self.nodes.values())

    def _start(self, *numbers: int) -> None:
        for number in numbers:
            node = self.nodes[number]
            with self._log(number).open("ab") as log:
                self._processes[number] = subprocess.Popen(
                    node.command(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=die_with_parent(signal.SIGKILL),
                )

    def kill(self, *numbers: int) -> None:
        for number in numbers:
            self._processes[number].kill()
            self._processes[number].wait(10)

    @contextmanager
    def frozen(self, number: int) -> Iterator[None]:
        """It takes connections, and answers nothing."""
        process = self._processes[number].pid
        os.kill(process, signal.SIGSTOP)
        try:
            while not stands_still(process):
                time.sleep(0.005)
            yield
        finally:
            os.kill(process, signal.SIGCONT)

    def fill_disk(self, number: int, topic: str) -> None:
        """Its log takes a little more, then only a part of the next record, and nothing after: what a disk does that
        is full, for one process and until that is started anew. Nobody must be root for it."""
        data = self.nodes[number].folder / "data"
        logs = [*data.glob(f"{topic}-*/*.log"), *data.glob("__cluster_metadata-0/*.log")]
        largest = max(file.stat().st_size for file in logs)
        psutil.Process(self._processes[number].pid).rlimit(psutil.RLIMIT_FSIZE, (largest + _ROOM, largest + _ROOM))

    async def gives_up(self, *numbers: int) -> int:
        """The first of them that ends by itself: not killed, and not in peace. It may be unable to say why."""

        async def ended() -> bool:
            return not all(map(self.lives, numbers))

        await until(ended, START)
        number = next(number for number in numbers if not self.lives(number))
        assert self._processes[number].returncode == 1, self.said(number)
        return number

    def lives(self, number: int) -> bool:
        return self._processes[number].poll() is None

    def said(self, number: int) -> str:
        return self._log(number).read_text(errors="replace")

    def _log(self, number: int) -> Path:
        return self.nodes[number].folder / "log"

    async def whole(self, seconds: float = START) -> None:
        """Starts who does not live, and waits until every node answers and every partition has all its replicas."""
        self._start(*(number for number in self.nodes if number not in self._processes or not self.lives(number)))
        await until(self._is_whole, seconds)

    async def _is_whole(self) -> bool:
        if not all([await node.is_ready() for node in self.nodes.values()]):
            return False
        if len((await self._ask(lambda admin: admin.describe_cluster()))["brokers"]) < len(self.nodes):
            return False
        topics = await self._ask(lambda admin: admin.describe_topics())
        return all(len(place["isr"]) == len(place["replicas"]) for topic in topics for place in topic["partitions"])

    async def leaders(self, topic: str) -> list[int]:
        """The node that leads each partition; -1 for none."""
        (found,) = await self._ask(lambda admin: admin.describe_topics([topic]))
        places = sorted(found["partitions"], key=lambda place: int(place["partition"]))
        return [place["leader"] for place in places]

    async def demand(self, topic: str, in_sync: int) -> None:
        """A record counts as acknowledged once so many have it."""
        demanded = ConfigResource(ConfigResourceType.TOPIC, topic, {"min.insync.replicas": str(in_sync)})
        await self._ask(lambda admin: admin.alter_configs([demanded]))

    async def settings(self, topic: str) -> dict[str, str]:
        """Those that are the topic's own."""
        asked = ConfigResource(ConfigResourceType.TOPIC, topic)
        (answer,) = await self._ask(lambda admin: admin.describe_configs([asked]))
        ((_, _, _, _, found),) = answer.resources
        return {name: value for name, value, _, source, *_ in found if source == _OF_TOPIC}

    async def coordinator(self, group: str) -> int:
        """Its node."""
        return int(await self._ask(lambda admin: admin.find_coordinator(group)))

    async def _ask(self, question: Callable[[AIOKafkaAdminClient], Awaitable[T]]) -> T:
        """Until somebody answers: the client asks any node it knows, a dead or frozen one too."""
        async with asyncio.timeout(START):
            while True:
                living = [self.nodes[n].bootstrap for n in self.nodes if self.lives(n) and not self._frozen(n)]
                admin = AIOKafkaAdminClient(bootstrap_servers=living)
                try:
                    async with asyncio.timeout(2):
                        await admin.start()
                        return await question(admin)
                except (KafkaError, TimeoutError):
                    await asyncio.sleep(0.3)
                finally:
                    await close_within(1, admin.close())

    def _frozen(self, number: int) -> bool:
        return psutil.Process(self._processes[number].pid).status() == psutil.STATUS_STOPPED

    def end(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait(10)


@asynccontextmanager
async def running_cluster(
    numbers: Sequence[int] = NODES,
    more: Mapping[str, str] = MappingProxyType({}),
    on_ports: Callable[[Mapping[int, int]], None] = lambda ports: None,
) -> AsyncIterator[Cluster]:
    """`more` are settings of every node; `on_ports` is told where each will listen."""
    folder = Path(tempfile.mkdtemp(prefix="themodel-cluster-"))
    ports = free_ports(2 * len(numbers))
    voters = dict(zip(numbers, ports[len(numbers) :], strict=True))
    home, settings = Home(folder, SHARED_CACHE), {**(_REPLICATED if len(numbers) == REPLICAS else {}), **more}
    made = {
        number: Kafka(home, port, voters[number], folder / str(number), 1_000_000, number, voters, settings)
        for number, port in zip(numbers, ports, strict=False)
    }
    on_ports({number: node.port for number, node in made.items()})
    cluster = Cluster(made)
    try:
        name = new_cluster_id()
        await asyncio.gather(*(node.format(name) for node in made.values()))
        await cluster.whole()
        yield cluster
    finally:
        cluster.end()
        shutil.rmtree(folder, ignore_errors=True)
