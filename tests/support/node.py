"""A relay or a reader in a process of its own: something to kill, to freeze, and to arm with failpoints.

`python -m tests.support.node relay <publisher>`, or `read` or `redrive` and `<reader> <publisher>`, a side being its
url, kafka, name and topic. THEMODEL_TEST_PAUSE is how many seconds a reader takes for each event, until it is hurried.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Literal, TypeVar

import psutil

from deploy.local.processes import die_with_parent, python, python_environment
from shared import failpoints, instruments
from shared.contracts.envelope import Meta
from shared.contracts.marketing import LeadCreated
from shared.database import Transaction
from shared.messaging.consumer import consume
from shared.messaging.inbox import Handler, Inbox
from shared.messaging.relay import Relay
from tests.support.messaging import LONG, Side, write_down

Role = Literal["relay", "read", "redrive"]
T = TypeVar("T")
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

    def hurry(self) -> None:
        """From now on it takes no longer for an event than it must."""
        self._process.send_signal(signal.SIGUSR1)

    def memory(self) -> int:
        """Bytes that are its own."""
        return int(psutil.Process(self._process.pid).memory_info().rss)

    async def dies(self, seconds: float = LONG) -> int:
        """The code it ends with; negative is the signal."""
        return await self._sees(self._process.poll, seconds)

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
def node(role: Role, *sides: Side, armed: str = "", pause: float = 0.0) -> Iterator[Node]:
    """Runs until the block ends, frozen or not; `armed` is told as THEMODEL_FAILPOINTS."""
    told = [argument for side in sides for argument in (side.url, side.kafka, side.name, side.topic)]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            python("tests.support.node", role, *told),
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


async def _main() -> None:
    role, *told = sys.argv[1:]
    first = Side(*told[:4])
    instruments.service = "test"
    if role == "relay":
        await Relay(first.database, first.kafka, first.name).run()
        return
    publisher = Side(*told[4:])
    inbox = Inbox(first.database, {LeadCreated: _paused()}, {publisher.topic: publisher.name}, first.dead_topic)
    if role == "redrive":
        await inbox.redrive()
        return
    await consume(first.kafka, first.group, [publisher.topic], inbox)


if __name__ == "__main__":
    asyncio.run(_main())
    os._exit(0)
