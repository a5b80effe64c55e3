"""Training Kafka's start-up cache (the JVM's ahead-of-time cache): 4 s of start become 1.3 s.

One run of a broker on a scratch folder is recorded, then turned into a file that only this Java with these flags and
these jars accepts. It happens once, after everything is ready, with whatever processor time nobody else wants, and is
killed at any moment without harm: the file appears by a rename.
"""

import asyncio
import fcntl
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from deploy.local.errors import CommandError
from deploy.local.kafka import Kafka
from deploy.local.ports import free_ports
from deploy.local.processes import kill_group, run_once, spawn

CALM = 3.0  # seconds left to whoever waited for the start
KEPT = 3  # caches of other checkouts or Javas that share the folder; 70 MB each
_LONGEST_START = 300.0
_LONGEST_STOP = 120.0


async def train(kafka: Kafka) -> None:
    """Makes the cache unless it is there or another process makes it. Never raises for want of it."""
    await asyncio.sleep(CALM)
    with suppress(CommandError, OSError):  # TimeoutError is an OSError
        await make(kafka)


async def make(kafka: Kafka, *, idle: bool = True) -> None:
    """`idle`: takes only the processor time that nobody else wants."""
    goal = kafka.start_up_cache
    with _alone(kafka.home.cache) as first:
        if not first or goal.exists():
            return
        scratch = Path(tempfile.mkdtemp(prefix=".train-", dir=kafka.home.cache))
        configuration, made = f"-XX:AOTConfiguration={scratch / 'configuration'}", scratch / "aot"
        try:
            await _record(kafka, scratch, configuration, idle)
            await run_once(kafka.java_command("-XX:AOTMode=create", configuration, f"-XX:AOTCache={made}"), idle=idle)
            made.replace(goal)
            _prune(goal)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


async def _record(kafka: Kafka, scratch: Path, configuration: str, idle: bool) -> None:
    port, controller_port = free_ports(2)
    twin = replace(kafka, port=port, controller_port=controller_port, folder=scratch / "kafka")
    await twin.format(idle=idle)
    command = [*twin.java_command("-XX:AOTMode=record", configuration), "kafka.Kafka", twin.configuration]
    process = await spawn(command, idle=idle)
    drain = asyncio.create_task(process.communicate())
    try:
        async with asyncio.timeout(_LONGEST_START):
            while process.returncode is None:
                if await twin.is_ready():
                    break
                await asyncio.sleep(0.5)
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_LONGEST_STOP):  # not wait_for: Python 3.11's may lose a cancellation
            await drain
    finally:
        kill_group(process.pid, signal.SIGKILL)
        drain.cancel()


@contextmanager
def _alone(cache: Path) -> Iterator[bool]:
    with (cache / ".train.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        for leftover in cache.glob(".train-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield True


def _prune(newest: Path) -> None:
    others = sorted(newest.parent.glob("aot-*.aot"), key=lambda file: file.stat().st_mtime, reverse=True)
    for old in others[KEPT:]:
        old.unlink(missing_ok=True)
