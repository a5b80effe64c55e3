"""The live board: the funnel as it changes, as server-sent events.

One watcher for all clients asks the database several times a second for a number that moves with every change, so it
does not matter which process folded. Each client has room for one snapshot: the newest wins, a slow client skips.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import orjson
import structlog
from fastapi import APIRouter, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from services.kpi.api.questions import FunnelAsked, viewing
from services.kpi.domain.stages import READY_MADE
from services.kpi.metrics.funnel import funnel
from services.kpi.queries.decisions import pulse
from shared.http.door import Door
from shared.service import Runtime

log = structlog.get_logger()

router = APIRouter(prefix="/v1", tags=["stream"], route_class=Door)
LOOK_SECONDS = 0.25
HEARTBEAT_SECONDS = 15
AGAIN_SECONDS = 2.0
UNCHANGING = {"as_of"}  # moves with the clock, and alone is no news

Mailbox = asyncio.Queue[tuple[int, bytes]]


class Watcher:
    """Looks for changes while anyone listens, and hands each listener what changed of their question."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._listeners: dict[Mailbox, str] = {}
        self._questions: dict[str, FunnelAsked] = {}
        self._task: asyncio.Task[None] | None = None

    async def listen(self, asked: FunnelAsked) -> AsyncIterator[tuple[int, bytes]]:
        """First the whole as it is, then again whenever it has changed."""
        key, mailbox = asked.model_dump_json(), Mailbox(maxsize=1)
        self._questions[key], self._listeners[mailbox] = asked, key
        try:
            version, snapshot = await self._snapshot(asked)
            yield version, snapshot
            seen = _changing(snapshot)
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._watch(version))
            while True:
                version, snapshot = await mailbox.get()
                if _changing(snapshot) != seen:
                    seen = _changing(snapshot)
                    yield version, snapshot
        finally:
            del self._listeners[mailbox]
            if key not in self._listeners.values():
                self._questions.pop(key, None)

    async def _watch(self, seen: int) -> None:
        while self._listeners:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                async with self._runtime.database.reading() as session:
                    version = await pulse(session)
                if version != seen:
                    seen = version
                    await self._tell()
            except Exception as error:  # those who watch stay connected and see the next change
                log.error("the live board waits", error=f"{type(error).__name__}: {error}"[:300])
                await asyncio.sleep(AGAIN_SECONDS)

    async def _tell(self) -> None:
        for key, asked in list(self._questions.items()):
            snapshot = await self._snapshot(asked)
            for mailbox in [mailbox for mailbox, question in self._listeners.items() if question == key]:
                if mailbox.full():
                    mailbox.get_nowait()
                mailbox.put_nowait(snapshot)

    async def _snapshot(self, asked: FunnelAsked) -> tuple[int, bytes]:
        question = asked.question(self._runtime, mode=asked.mode, window=asked.window)
        async with viewing(self._runtime, question) as view:
            version = await pulse(view.session)
            found = await funnel(view, READY_MADE[asked.chain] if asked.chain else view.decisions.chain)
        return version, found.model_dump_json(by_alias=True).encode()


def _changing(snapshot: bytes) -> dict[str, object]:
    return {name: value for name, value in orjson.loads(snapshot).items() if name not in UNCHANGING}


@router.get("/stream", response_class=EventSourceResponse)
async def stream(request: Request, asked: Annotated[FunnelAsked, Query()]) -> EventSourceResponse:
    """The funnel now, and again within a second whenever it changes; asked for as `/v1/funnel` is."""
    runtime: Runtime = request.app.state.runtime
    asked.question(runtime)  # refuse what cannot be asked before the stream begins
    return EventSourceResponse(_events(request.app.state.watcher, asked), ping=HEARTBEAT_SECONDS)


async def _events(watcher: Watcher, asked: FunnelAsked) -> AsyncIterator[ServerSentEvent]:
    async for version, snapshot in watcher.listen(asked):
        yield ServerSentEvent(data=snapshot.decode(), event="funnel", id=str(version))
