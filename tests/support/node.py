"""A relay or a reader in a process of its own: something to kill, to freeze, and to arm with failpoints.

`python -m tests.support.node <clock> <build> relay <publisher>`, or `tell` (which announces, too), or `read` or
`redrive` and `<reader> <publisher>`, a side being its url, kafka, name and topic; `clock` says how many seconds the
process's clock is ahead, `build` is old or new. THEMODEL_TEST_PAUSE is how many seconds a reader takes for each event,
until it is hurried.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache
from typing import IO, Literal, TypeVar

import psutil

from deploy.local.processes import die_with_parent, python, python_environment
from shared import clock, failpoints, instruments
from shared.contracts.envelope import Meta
from shared.contracts.marketing import LeadCreated
from shared.database import Transaction
from shared.messaging.consumer import consume
from shared.messaging.inbox import Handler, Handlers, Inbox
from shared.messaging.relay import Relay
from tests.support.builds import Build, handlers_of, lead_created
from tests.support.messaging import LONG, Side, journeys, write_down

Role = Literal["relay", "tell", "read", "redrive"]
T = TypeVar("T")
AT_WORK = "at work"
PAUSE = "THEMODEL_TEST_PAUSE"


class Node:
    """The other end of it. Whatever it is waited for, it fails with what the process said."""

    def __init__(self, process: "subprocess.Popen[bytes]", said: IO[bytes]) -> None:
        self._process, self._said = process, said

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Asked to end, as by whoever replaces it."""
        self._process.send_signal(signal.SIGTERM)

    def hurry(self) -> None:
        """From now on it takes no longer for an event than it must."""
        self._process.send_signal(signal.SIGUSR1)

    def memory(self) -> int:
        """Bytes that are its own."""
        return int(psutil.Process(self._process.pid).memory_info().rss)

    async def dies(self, seconds: float = LONG) -> int:
        """The code it ends with; negative is the signal."""
        return await self._sees(self._process.poll, seconds)

    async def works(self, seconds: float = 2 * LONG) -> None:
        """It has joined the others: it reads, or has told something. Starting takes long where all cores are busy."""
        await self._sees(lambda: True if AT_WORK in self.said() else None, seconds)
        assert self.lives(), self.said()

    async def stands_still(self, seconds: float = LONG) -> None:
        """Until a failpoint, or somebody, has frozen it."""
        watched = psutil.Process(self._process.pid)
        await self._sees(lambda: True if watched.status() == psutil.STATUS_STOPPED else None, seconds)

    async def _sees(self, look: Callable[[], T | None], seconds: float) -> T:
        stop = time.monotonic() + seconds
        while (found := look()) is None:
            assert time.monotonic() < stop, self.said()
            await asyncio.sleep(0.01)
        return found

    def lives(self) -> bool:
        return self._process.poll() is None

    def said(self) -> str:
        self._said.seek(0)
        return self._said.read().decode(errors="replace")

    def end(self) -> None:
        self._process.kill()
        self._process.wait(10)


@contextmanager
def node(
    role: Role,
    *sides: Side,
    armed: str = "",
    ahead: timedelta = timedelta(),
    build: Build = "old",
    pause: float = 0.0,
) -> Iterator[Node]:
    """Runs until the block ends, frozen or not; `armed` is told as THEMODEL_FAILPOINTS. Its clock is `ahead`, and a
    reader takes a `pause` for each event."""
    told = [argument for side in sides for argument in (side.url, side.kafka, side.name, side.topic)]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            python("tests.support.node", str(ahead.total_seconds()), build, role, *told),
            stdout=said,
            stderr=said,
            env={**python_environment(), failpoints.VARIABLE: armed, PAUSE: str(pause)},
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
        running = Node(process, said)
        try:
            yield running
        finally:
            running.end()


def _paused() -> Handler:
    pause = float(os.environ.get(PAUSE) or 0)

    def hurry(*_: object) -> None:
        nonlocal pause
        pause = 0.0

    signal.signal(signal.SIGUSR1, hurry)

    async def handle(tx: Transaction, event: LeadCreated, meta: Meta) -> None:
        if pause:
            await asyncio.sleep(pause)
        await write_down(tx, event, meta)

    return handle


def _put_forward(seconds: float) -> None:
    """This process's clock, for events, ids and Kafka's stamps alike; what only measures goes on as it was."""
    now, stamp, nanoseconds = clock.utc_now, time.time, time.time_ns
    clock.utc_now = lambda: now() + timedelta(seconds=seconds)
    time.time = lambda: stamp() + seconds
    time.time_ns = lambda: nanoseconds() + round(seconds * 1e9)


@cache
def _at_work() -> None:
    """Said once."""
    sys.stdout.write(f"{AT_WORK}\n")
    sys.stdout.flush()


async def _tell(side: Side, build: Build) -> None:
    """A replica of a publisher: it announces to journeys it shares with others, and relays where it can lead."""
    relay = asyncio.create_task(Relay(side.database, side.kafka, side.name).run())
    while not relay.done():
        async with side.database.transaction() as tx:
            for key in journeys():
                tx.announce(lead_created(build, key), journey=key, at=clock.utc_now())
        _at_work()
        await asyncio.sleep(0.1)
    relay.result()


def _work(build: Build, role: str, told: list[str]) -> Awaitable[object]:
    first = Side(*told[:4])
    if role == "relay":
        return Relay(first.database, first.kafka, first.name).run()
    if role == "tell":
        return _tell(first, build)
    publisher = Side(*told[4:])
    handlers: Handlers = {LeadCreated: _paused()} if float(os.environ.get(PAUSE) or 0) else handlers_of(build)
    inbox = Inbox(first.database, handlers, {publisher.topic: publisher.name}, first.dead_topic)
    if role == "redrive":
        return inbox.redrive()
    return consume(first.kafka, first.group, [publisher.topic], inbox, _at_work)


async def _main(ahead: str, build: Build, role: str, *told: str) -> None:
    instruments.service = "test"
    if float(ahead):
        _put_forward(float(ahead))
    working = asyncio.ensure_future(_work(build, role, list(told)))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
    with suppress(asyncio.CancelledError):
        await working


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))  # type: ignore[arg-type]  # words of a command line
    os._exit(0)
