"""One process of a service: `python -m services.<name> all|api|worker|migrate`."""

import asyncio
import contextlib
import functools
import gc
import os
import signal
import sys
from collections.abc import Iterator

import structlog
import uvicorn

from shared import instruments, log
from shared.auth import Keys
from shared.database import Database
from shared.http.app import create_app
from shared.http.bodies import Body
from shared.messaging.notifier import Notifier
from shared.messaging.relay import Relay
from shared.migrate import upgrade
from shared.service import Runtime, Service
from shared.settings import Settings
from shared.worker import EXIT_CODE, every, observe_outbox, run_worker

ROLES = ("all", "api", "worker", "migrate")
DRAIN_SECONDS = 5


class Server(uvicorn.Server):
    """uvicorn that stops on a signal and does not raise it again: the exit code is ours to choose."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


async def _beside_the_api(runtime: Runtime, notifier: Notifier) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(notifier.run())
        group.create_task(every(1.0, functools.partial(observe_outbox, runtime)))


def make_runtime(settings: Settings) -> Runtime:
    """Everything a process of the service holds, not yet connected to anything."""
    instruments.begin(settings.service)
    Body.default_currency = settings.currency
    database = Database(
        settings.database_url,
        source=f"/{settings.service}",
        topic=settings.topic(),
        pool_size=settings.pool_size,
    )
    return Runtime(settings, database, Keys.load(settings.home, settings.jwks_file))


def main(service: Service) -> None:
    role = sys.argv[1] if len(sys.argv) == 2 else ""
    if role not in ROLES:
        sys.exit(f"usage: python -m services.{service.name} {'|'.join(ROLES)}")
    settings = Settings(service=service.name)
    log.configure(service.name, settings.log_format)
    if role == "migrate":
        asyncio.run(upgrade(settings.database_url, service.folder))
        return
    with asyncio.Runner(loop_factory=_loop()) as runner:
        code = runner.run(_serve(service, settings, role))
    sys.stdout.flush()
    os._exit(code)  # the outbox makes a hard exit safe; no client library may hold it up


def _loop() -> type[asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.Loop


async def _serve(service: Service, settings: Settings, role: str) -> int:
    runtime = make_runtime(settings)
    relay = Relay(runtime.database, settings.kafka, service.name, settings.heartbeat_topic)
    failed = False

    async def work() -> None:
        nonlocal failed
        try:
            await run_worker(service, runtime, relay)
        except Exception:
            failed = True
            os.kill(os.getpid(), signal.SIGTERM)

    if role == "worker":
        runtime.database.on_publish = relay.wake
        app = create_app(Service(**{**vars(service), "routers": ()}), runtime, work)
    elif role == "api":
        notifier = Notifier(runtime.database)
        runtime.database.on_publish = notifier.wake
        app = create_app(service, runtime, functools.partial(_beside_the_api, runtime, notifier))
    else:
        runtime.database.on_publish = relay.wake
        app = create_app(service, runtime, work)
    gc.freeze()  # what is there by now stays: without it, each full collection walks a quarter of a million objects
    gc.enable()
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port(),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        lifespan="on",
    )
    await Server(config).serve()
    structlog.get_logger().info("stopped", failed=failed)
    return EXIT_CODE if failed else 0
