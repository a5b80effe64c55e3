"""The same instant of several databases."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import asyncpg

from deploy.local.errors import CommandError

TRIES = 40
# In the order in which acts take them: who reads the topics moves the offset first and tells afterwards.
_HOLD = "SET LOCAL lock_timeout = '1s'; LOCK TABLE consumer_offset, outbox IN SHARE MODE"
_PATIENT = "SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0"
Offsets = Mapping[tuple[str, int], int]


@dataclass
class Snapshot:
    """One database at that instant, for as long as the moment lasts; `id` is what pg_dump takes."""

    connection: asyncpg.Connection
    id: str

    async def read(self) -> Offsets:
        """How far it has read each topic."""
        return await self._offsets("consumer_offset")

    async def sent(self) -> Offsets:
        """How far it knows each topic it speaks on."""
        return await self._offsets("relay_offset")

    async def _offsets(self, table: str) -> Offsets:
        rows = await self.connection.fetch(f"SELECT topic, partition, next_offset FROM {table}")
        return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}

    async def revision(self) -> str | None:
        found: str | None = await self.connection.fetchval("SELECT string_agg(version_num, ' ') FROM alembic_version")
        return found


@asynccontextmanager
async def one_moment(urls: Mapping[str, str]) -> AsyncIterator[dict[str, Snapshot]]:
    """A snapshot of each database, all of one instant: for some milliseconds nobody tells or hears anything."""
    async with AsyncExitStack() as stack:
        keepers = {name: await _connected(stack, url) for name, url in urls.items()}
        for keeper in keepers.values():
            await keeper.execute(_PATIENT)
        for _ in range(TRIES):
            try:
                snapshots = await _looked_at(urls, keepers)
                break
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                for keeper in keepers.values():
                    await keeper.execute("ROLLBACK")
                await asyncio.sleep(random.uniform(0.05, 0.5))
        else:
            raise CommandError("The databases are never still: a long transaction holds them. Try again later.")
        yield snapshots


async def _looked_at(urls: Mapping[str, str], keepers: Mapping[str, asyncpg.Connection]) -> dict[str, Snapshot]:
    async with AsyncExitStack() as held:
        for url in urls.values():
            holder = await _connected(held, url)
            await holder.execute(f"BEGIN; {_HOLD}")
        snapshots = {}
        for name, keeper in keepers.items():
            await keeper.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            snapshots[name] = Snapshot(keeper, await keeper.fetchval("SELECT pg_export_snapshot()"))
        return snapshots


async def _connected(stack: AsyncExitStack, url: str) -> asyncpg.Connection:
    connection = await asyncpg.connect(url, timeout=10)
    stack.callback(_end, connection)
    return connection


def _end(connection: asyncpg.Connection) -> None:
    with suppress(Exception):
        connection.terminate()
