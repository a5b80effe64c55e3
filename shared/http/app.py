"""The FastAPI application of a service: its routers behind the shared door, health, metrics, offline docs."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi_offline import FastAPIOffline
from sqlalchemy import text
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import instruments, tracing
from shared.errors import Invalid, Problem
from shared.http import problems
from shared.http.dead_letters import dead_letters_router
from shared.http.whereabouts import whereabouts_router
from shared.service import Runtime, Service
from shared.web import install as install_pages

BODY_LIMIT = 1 << 20
BATCH_LIMIT = 16 << 20
STALLED_SECONDS = 15.0


class TooLarge(Problem):
    status, rule, title = 413, "too_large", "The body is too large"


class Frame:
    """Around every request: a trace, a measured duration, a bound on the body, no NUL in the address."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        tracing.continue_from(Headers(scope=scope).get("traceparent"))
        begun, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if b"%00" in scope.get("raw_path", b"") or b"%00" in scope["query_string"]:
                problem = problems.problem_response(Invalid("path", "has a character that cannot be stored"))
                await problem(scope, receive, noting)
                return
            await self._app(scope, _bounded(scope, receive), noting)
        finally:
            route = getattr(scope.get("route"), "path", "(none)")
            labels = (scope["method"], route, str(status))
            instruments.requests.labels(*labels).observe(time.perf_counter() - begun)


def _bounded(scope: Scope, receive: Receive) -> Receive:
    path: str = scope["path"]
    if path.endswith("/imports"):
        return receive
    limit = BATCH_LIMIT if path.endswith(":batch") else BODY_LIMIT
    seen = 0

    async def counting() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise TooLarge(f"At most {limit >> 20} MiB")
        return message

    return counting


def create_app(service: Service, runtime: Runtime, work: Callable[[], Awaitable[None]] | None = None) -> FastAPI:
    """The application; `work` runs beside it for as long as it lives (role `all`)."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(_run(work)) if work else None
        yield
        runtime.health.draining = True
        if task:
            task.cancel()
            await asyncio.wait([task], timeout=8)
        await runtime.database.close()

    app = FastAPIOffline(
        title=f"THE MODEL · {service.title}",
        description=service.description,
        version="1",
        lifespan=lifespan,
        docs_url="/docs",
        redoc_url=None,
    )
    app.state.runtime = runtime
    problems.install(app)
    for router in service.routers:
        app.include_router(router)
    if service.routers:
        app.include_router(dead_letters_router(service))
        app.include_router(whereabouts_router(service))
    _health(app, service, runtime)
    install_pages(app)
    service.on_app(app, runtime)
    app.add_middleware(Frame)
    return app


async def _run(work: Callable[[], Awaitable[None]]) -> None:
    await work()


def _health(app: FastAPI, service: Service, runtime: Runtime) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"service": service.name, "status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz(_: Request) -> Response:
        found = await _ready(service, runtime)
        return JSONResponse(found, 200 if all(v == "ok" for v in found.values()) else 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(instruments.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _ready(service: Service, runtime: Runtime) -> dict[str, str]:
    """Each part that must make progress, and `ok` or what is wrong with it."""
    health, now = runtime.health, time.monotonic()
    found = {"draining": "shutting down"} if health.draining else {}
    try:
        async with asyncio.timeout(3), runtime.database.reading() as session:
            await session.execute(text("SELECT 1"))
        found["database"] = "ok"
    except Exception as error:
        found["database"] = type(error).__name__
    if health.works:
        found["relay"] = "ok" if now - health.relay_at < STALLED_SECONDS else "no progress"
        if service.listens:
            moves = now - health.consumer_at < STALLED_SECONDS
            found["consumer"] = f"halted: {health.halted}" if health.halted else "ok" if moves else "no progress"
    return found
