"""The live board: the funnel as it changes, as server-sent events.

One watcher for all clients asks the database several times a second for a number that moves with every change, so it
does not matter which process folded. Each client has room for one snapshot: the newest wins, a slow client skips.
When the process ends, so does every stream, as a whole answer; browsers ask again by themselves.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import anyio
import orjson
import structlog
from fastapi import APIRouter, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from services.kpi.api.questions import FunnelAsked, viewing
from services.kpi.domain.stages import READY_MADE, STAGES
from services.kpi.metrics.funnel import funnel
from services.kpi.queries.decisions import came_due, pulse
from services.kpi.queries.freshness import freshness
from shared import clock
from shared.http.door import Door
from shared.service import Runtime

log = structlog.get_logger()

router = APIRouter(prefix="/v1", tags=["stream"], route_class=Door)
LOOK_SECONDS = 0.25
HEARTBEAT_SECONDS = 15
AGAIN_SECONDS = 2.0
GOODBYE_SECONDS = 2.0  # for the last words to a slow client, within what a process has to end
KEPT, KEPT_SECONDS = 64, 60.0  # what nobody changed may still move with the clock
MANY = 10_000  # entries in an answer; fewer are counted in no time
REST = 4
UNCHANGING = {"as_of", "fresh_to"}  # move with the clock, and alone are no news

_Key = tuple[str, str]
Snapshot = tuple[int, bytes]
Mailbox = asyncio.Queue[Snapshot | None]
"""None: there will be no more."""


class _Kept(NamedTuple):
    """An answer with what it was read from, and as of when; from `begun` to `at`, in seconds of the process's clock,
    it was counted."""

    version: int
    as_of: datetime
    begun: float
    at: float
    answer: dict[str, Any]

    @property
    def may_still_do(self) -> bool:
        """Of many, an answer that is old by a few times what counting takes: meanwhile it is counted anew."""
        many = sum(step["passes"] for step in self.answer["steps"]) > MANY
        return many and time.monotonic() - self.at < REST * (self.at - self.begun)


class Watcher:
    """Looks for changes while anyone listens, and hands each listener what changed of their question."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._listeners: dict[Mailbox, str] = {}
        self._questions: dict[str, FunnelAsked] = {}
        self._task: asyncio.Task[None] | None = None
        self._counting: dict[_Key, asyncio.Task[None]] = {}

    async def newest(self, asked: FunnelAsked) -> bytes:
        """The answer to a question about now. While nothing has moved it is the one given before, as of now: a look at
        a live board costs no count of all there is. Where things move all the time and there are many it may be the one
        before, as of then, while it is counted anew."""
        question = asked.question(self._runtime, mode=asked.mode, window=asked.window)
        key = asked.model_dump_json(), str(question.whole)
        kept = self._kept.get(key)
        if kept is not None and time.monotonic() - kept.at < KEPT_SECONDS:
            async with self._runtime.database.reading() as session:
                due = await came_due(session, kept.as_of, question.as_of)
                if not due and await pulse(session) == kept.version:
                    fresh = await freshness(session, STAGES, self._runtime.settings.freshness_seconds)
                    moved = {"as_of": question.as_of, "fresh_to": fresh.fresh_to, "late": fresh.late(question.as_of)}
                    return orjson.dumps({**kept.answer, **moved}, option=orjson.OPT_UTC_Z)
            if kept.may_still_do:
                if key not in self._counting:
                    self._counting[key] = asyncio.create_task(self._count_anew(key, asked))
                return orjson.dumps(kept.answer)
        return await self._count(key, asked)

    async def _count_anew(self, key: _Key, asked: FunnelAsked) -> None:
        try:
            await self._count(key, asked)
        except Exception as error:  # nobody waits for this one; who asks when the old will not do is told
            log.warning("the live board was not counted", error=f"{type(error).__name__}: {error}"[:300])
        finally:
            del self._counting[key]

    async def _count(self, key: _Key, asked: FunnelAsked) -> bytes:
        as_of, begun = clock.utc_now(), time.monotonic()
        version, snapshot = await self._snapshot(asked)
        self._kept[key] = _Kept(version, as_of, begun, time.monotonic(), orjson.loads(snapshot))
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return snapshot

    async def listen(self, asked: FunnelAsked, ending: anyio.Event) -> AsyncGenerator[Snapshot]:
        """First the whole as it is, then again whenever it has changed, until `ending`."""
        key, mailbox = asked.model_dump_json(), Mailbox(maxsize=1)
        self._questions[key], self._listeners[mailbox] = asked, key
        goodbye = asyncio.create_task(_end(mailbox, ending))
        try:
            version, snapshot = await self._snapshot(asked)
            yield version, snapshot
            seen = _changing(snapshot)
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._watch(version))
            while (news := await mailbox.get()) is not None and not ending.is_set():
                version, snapshot = news
                if _changing(snapshot) != seen:
                    seen = _changing(snapshot)
                    yield version, snapshot
        finally:
            goodbye.cancel()
            del self._listeners[mailbox]
            if key not in self._listeners.values():
                self._questions.pop(key, None)

    async def _watch(self, seen: int) -> None:
        told = clock.utc_now()
        while self._listeners:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                now = clock.utc_now()
                async with self._runtime.database.reading() as session:
                    version, due = await pulse(session), await came_due(session, told, now)
                if due or version != seen:
                    begun = time.monotonic()
                    await self._tell()
                    seen, told = version, now
                    await asyncio.sleep(time.monotonic() - begun)  # a large company has a database to work with, too
            except Exception as error:  # those who watch stay connected and see the next change
                log.error("the live board waits", error=f"{type(error).__name__}: {error}"[:300])
                await asyncio.sleep(AGAIN_SECONDS)

    async def _tell(self) -> None:
        """Raises the last of what failed, once all others are told."""
        failure: Exception | None = None
        for key, asked in list(self._questions.items()):
            try:
                snapshot = await self._snapshot(asked)
            except Exception as error:
                failure = error
                continue
            for mailbox in [mailbox for mailbox, question in self._listeners.items() if question == key]:
                _replace(mailbox, snapshot)
        if failure:
            raise failure

    async def _snapshot(self, asked: FunnelAsked) -> Snapshot:
        question = asked.question(self._runtime, mode=asked.mode, window=asked.window)
        async with viewing(self._runtime, question) as view:
            version = await pulse(view.session)
            found = await funnel(view, READY_MADE.get(asked.chain or ""))
        return version, found.model_dump_json(by_alias=True).encode()


def _replace(mailbox: Mailbox, news: Snapshot | None) -> None:
    if mailbox.full():
        mailbox.get_nowait()
    mailbox.put_nowait(news)


async def _end(mailbox: Mailbox, ending: anyio.Event) -> None:
    await ending.wait()
    _replace(mailbox, None)


def _changing(snapshot: bytes) -> dict[str, object]:
    return {name: value for name, value in orjson.loads(snapshot).items() if name not in UNCHANGING}


SPOKEN: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}


@router.get("/stream", response_class=EventSourceResponse, responses=SPOKEN)
async def stream(request: Request, asked: Annotated[FunnelAsked, Query()]) -> EventSourceResponse:
    """The funnel now, and again within a second whenever it changes; asked for as `/v1/funnel` is."""
    runtime: Runtime = request.app.state.runtime
    asked.question(runtime)  # refuse what cannot be asked before the stream begins
    ending = anyio.Event()
    return EventSourceResponse(
        _events(request.app.state.watcher, asked, ending),
        ping=HEARTBEAT_SECONDS,
        shutdown_event=ending,
        shutdown_grace_period=GOODBYE_SECONDS,
    )


async def _events(watcher: Watcher, asked: FunnelAsked, ending: anyio.Event) -> AsyncIterator[ServerSentEvent]:
    async with aclosing(watcher.listen(asked, ending)) as news:
        async for version, snapshot in news:
            yield ServerSentEvent(data=snapshot.decode(), event="funnel", id=str(version))
