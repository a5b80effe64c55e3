"""The whole product on this machine, in the order in which it comes up."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from deploy.local.home import Home
from deploy.local.jars import missing
from deploy.local.kafka import Kafka
from deploy.local.ports import SERVICES, Ports
from deploy.local.postgres import Postgres
from deploy.local.processes import end_leftovers, python, python_environment, run_once
from deploy.local.schemas import Schemas
from deploy.local.servers import Servers, url_variable
from deploy.local.start_up_cache import train
from deploy.local.supervisor import Program, Supervisor, together
from deploy.local.terminal import Steps, Terminal

# Together below 10 s: what a container runtime or an impatient person waits before killing us.
SERVICE_GRACE = 6.5
ENGINE_GRACE = 3.0


@dataclass(frozen=True)
class System:
    home: Home
    ports: Ports
    servers: Servers
    terminal: Terminal
    supervisor: Supervisor

    @classmethod
    def here(cls, home: Home, terminal: Terminal) -> "System":
        ports = Ports.from_environment()
        servers = Servers.from_environment(home, ports)
        return cls(home, ports, servers, terminal, Supervisor(home.run, terminal.show))

    async def run(self, *, only_engines: bool, demo: bool, user: str, on_ready: Callable[[str | None], None]) -> None:
        """Brings everything up, tells `on_ready` a sign-in link for `user`, and keeps it running until cancelled.

        However it ends, every program was stopped in order.
        """
        self._clear_the_ground(only_engines)
        try:
            await self._start_engines()
            link = None if only_engines else await self._start_services(user)
            self.home.mark_ready(True)
            on_ready(link)
            if demo:
                await self.supervisor.start([self._demo()], SERVICE_GRACE)
            await together(self.supervisor.watch(), *([train(self.servers.kafka)] if self.servers.kafka else []))
        finally:
            self.home.mark_ready(False)
            await self.supervisor.stop()

    def _clear_the_ground(self, only_engines: bool) -> None:
        if ended := end_leftovers(self.home.run):
            self.terminal.say(f"Ended what an earlier run had left: {', '.join(ended)}.")
        self.ports.require_free([*self.servers.ports(), *([] if only_engines else SERVICES)])

    async def _start_engines(self) -> None:
        postgres, kafka = self.servers.postgres, self.servers.kafka
        with self.terminal.progress() as steps:
            await together(
                *([_prepare_postgres(postgres, steps)] if postgres else []),
                *([_prepare_kafka(kafka, steps)] if kafka else []),
            )
        await self.servers.require_kafka()
        if programs := self.engine_programs():
            await self.supervisor.start(programs, ENGINE_GRACE)
        await self.servers.create_databases()

    def engine_programs(self) -> list[Program]:
        return [engine.program() for engine in (self.servers.postgres, self.servers.kafka) if engine]

    async def _start_services(self, user: str) -> str | None:
        """Gives a sign-in link, which the first time also makes the keys before five processes would at once."""
        environment = self._environment()
        signing = asyncio.create_task(self._sign_in_link(user, environment))
        await self._migrate(environment)
        if not (self.home.keys / "private.jwk").exists():
            await signing
        programs = [self._service(service, environment) for service in SERVICES]
        await self.supervisor.start(programs, SERVICE_GRACE)
        return await signing

    async def _sign_in_link(self, user: str, environment: dict[str, str]) -> str | None:
        if os.environ.get("AUTH_JWKS_FILE"):
            return None
        command = python("deploy.local.cli", "token", "--role", "admin", "--user", user, "--link")
        return await run_once(command, environment=environment)

    def _environment(self) -> dict[str, str]:
        return {
            **python_environment(),
            **self.ports.environment(),
            **self.servers.environment(),
            "PYTHONUNBUFFERED": "1",
        }

    async def _migrate(self, environment: dict[str, str]) -> None:
        schemas, urls = Schemas(self.home), {service: environment[url_variable(service)] for service in SERVICES}
        behind = [service for service, url in urls.items() if not await schemas.is_current(service, url)]
        if not behind:
            return
        self.terminal.show("up", f"bringing the databases of {', '.join(behind)} up to date")
        await run_once(python("deploy.local.migrate", *behind), environment=environment)
        for service in behind:
            await schemas.remember(service, urls[service])

    def _service(self, service: str, environment: dict[str, str]) -> Program:
        port = self.ports[service]
        return Program(
            name=service,
            command=lambda: python(f"services.{service}", "all"),
            environment=environment,
            ready=partial(answers_ready, port),
            address=f"http://localhost:{port}",
        )

    def _demo(self) -> Program:
        async def at_once() -> bool:
            return True

        return Program(
            name="demo",
            command=lambda: python("deploy.local.cli", "simulate"),
            environment=self._environment(),
            ready=at_once,
            once=True,
        )


async def answers_ready(port: int) -> bool:
    """Whether /readyz on this machine says 200. Asked by hand: an HTTP client library costs 0.3 s of every start."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(f"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
                return (await reader.readline()).split()[1:2] == [b"200"]
            finally:
                writer.close()
    except (OSError, ValueError):  # ValueError: a line that never ends
        return False


async def _prepare_postgres(postgres: Postgres, steps: Steps) -> None:
    if (postgres.home.postgres / "PG_VERSION").exists():
        await postgres.prepare()
        return
    with steps.step("Making PostgreSQL's data folder"):
        await postgres.prepare()


async def _prepare_kafka(kafka: Kafka, steps: Steps) -> None:
    if wanted := missing(kafka.jars):
        size = sum(jar.size for jar in wanted)
        with steps.step(f"Fetching {len(wanted)} jars of Kafka ({size / 1e6:.0f} MB)", size) as advance:
            await kafka.fetch(advance)
    if kafka.is_formatted():
        await kafka.format()
        return
    with steps.step("Making Kafka's data folder"):
        await kafka.format()


async def until_signalled(work: Coroutine[Any, Any, None], system: System) -> None:
    """Runs `work`; the first SIGINT, SIGTERM or SIGHUP cancels it, a second one kills every program at once."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    asked = False

    def on_signal() -> None:
        nonlocal asked
        if asked:
            system.terminal.say("Killing what still runs.")
            system.supervisor.kill()
            return
        asked = True
        system.terminal.say("Stopping …")
        task.cancel()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        numbers.append(signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, on_signal)
    try:
        await task
    except asyncio.CancelledError:
        if not asked:
            raise
