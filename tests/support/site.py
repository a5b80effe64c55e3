"""Services as a browser meets them: real HTTP servers on their own databases, in threads of the test's process."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
import uvicorn
from aiokafka import TopicPartition

from shared.database import Database
from shared.http.app import create_app
from shared.migrate import upgrade
from shared.service import Runtime, Service
from shared.settings import Settings
from tests.support.engines import Engines
from tests.support.rig import Rig, keys

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Site:
    """One service behind a port. `offsets` and `numbers` go on where the last telling ended."""

    address: str
    service: Service
    url: str
    engines: Engines
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    numbers: dict[tuple[str, str], int] = field(default_factory=dict)

    def sign_in_link(self, *roles: str, user: str = "mina", ttl: timedelta = timedelta(hours=1)) -> str:
        return f"{self.address}/sign-in?token={keys().issue(user, roles, ttl)}"

    def client(self, *roles: str, user: str = "mina") -> httpx.Client:
        """The API, for what a test needs to be there before the browser comes."""
        headers = {"Authorization": f"Bearer {keys().issue(user, roles)}"}
        return httpx.Client(base_url=self.address, headers=headers, timeout=20)

    def tell(self, act: Callable[[Rig], Awaitable[None]]) -> None:
        """Let `act` hand the service what other departments say, on a loop of its own beside the browser's."""

        async def run() -> None:
            runtime = _runtime(self.service, self.url, self.engines)
            try:
                app = create_app(self.service, runtime)
                await act(Rig(self.service, runtime, app, self.engines, self.offsets, self.numbers))
            finally:
                await runtime.database.close()

        with ThreadPoolExecutor(1) as apart:
            apart.submit(asyncio.run, run()).result()


def _runtime(service: Service, url: str, engines: Engines) -> Runtime:
    settings = Settings(service=service.name).model_copy(update={"kafka": engines.kafka})
    database = Database(url, source=f"/{service.name}", topic=settings.topic(), pool_size=4)
    return Runtime(settings, database, keys())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def serving(service: Service, engines: Engines) -> Iterator[Site]:
    """The service's API and pages on a fresh database until the block ends."""
    port, url = free_port(), engines.create_database(f"site_{service.name}")
    os.environ[f"THEMODEL_{service.name.upper()}_PORT"] = str(port)
    server: list[uvicorn.Server] = []

    async def serve() -> None:
        await upgrade(url, service.folder)
        app = create_app(service, _runtime(service, url, engines))
        config = uvicorn.Config(app, host=HOST, port=port, log_level="error", timeout_graceful_shutdown=1)
        server.append(uvicorn.Server(config))
        await server[0].serve()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not (server and server[0].started):
            if not thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError(f"{service.name} did not start")
            time.sleep(0.02)
        yield Site(f"http://{HOST}:{port}", service, url, engines)
    finally:
        if server:
            server[0].should_exit = True
        thread.join(20)
        engines.drop_database(url)
        os.environ.pop(f"THEMODEL_{service.name.upper()}_PORT", None)
