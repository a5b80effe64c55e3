"""A worker in a process of its own that stands still with its first batch in its hands: something to freeze.

Says on its standard output when it holds the batch, and at each look at the offsets how often it was fenced; a line on
its standard input lets it go on.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from deploy.local.processes import die_with_parent, python, python_environment
from shared import instruments
from shared.messaging.consumer import Batch, consume
from shared.messaging.kafka import TopicPartition
from shared.messaging.offsets import Ends
from tests.support.messaging import Scribe, Side


class _Held(Scribe):
    held = False

    async def load(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        _say(f"fenced {instruments.fenced._value.get():.0f}")
        return await super().load(partitions)

    async def apply(self, ends: Ends, batch: Batch) -> None:
        if not self.held:
            self.held = True
            _say("holds a batch")
            await asyncio.to_thread(sys.stdin.readline)
        await super().apply(ends, batch)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class HeldWorker:
    """The other end of it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self._process = process

    async def says(self, beginning: str) -> str:
        """The rest of its next line that begins so. Fails when it ends before."""
        assert self._process.stdout is not None
        while not (line := (await self._process.stdout.readline()).decode()).startswith(beginning):
            assert line, f"it ended before it said: {beginning}"
        return line.removeprefix(beginning).strip()

    async def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        await self._process.stdin.drain()


@asynccontextmanager
async def held_worker(reader: Side, publisher: Side) -> AsyncIterator[HeldWorker]:
    """Killed at the end, frozen or not."""
    sides = [argument for side in (reader, publisher) for argument in (side.url, side.kafka, side.name, side.topic)]
    process = await asyncio.create_subprocess_exec(
        *python("tests.support.held_worker", *sides),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=python_environment(),
        preexec_fn=die_with_parent(signal.SIGKILL),
    )
    try:
        yield HeldWorker(process)
    finally:
        process.kill()
        await process.wait()


async def _main() -> None:
    reader, publisher = Side(*sys.argv[1:5]), Side(*sys.argv[5:9])
    await consume(reader.kafka, reader.group, [publisher.topic], _Held(reader, publisher))


if __name__ == "__main__":
    asyncio.run(_main())
