"""Wakes a relay in another process: one coalesced NOTIFY after commits, never inside a business transaction."""

import asyncio
import contextlib

import asyncpg

from shared.database import Database
from shared.messaging.relay import CHANNEL
from shared.sqlerrors import transient

PACE_SECONDS = 0.002


class Notifier:
    """At most one NOTIFY per 2 ms on its own connection. A lost one costs the relay's poll interval."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._hint = asyncio.Event()

    def wake(self) -> None:
        self._hint.set()

    async def run(self) -> None:
        while True:
            try:
                await self._notify()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if not transient(error):
                    raise
                await asyncio.sleep(1)

    async def _notify(self) -> None:
        connection = await self._database.direct()
        try:
            await connection.execute("SET synchronous_commit = off")
            while True:
                await self._hint.wait()
                self._hint.clear()
                await connection.execute(f"NOTIFY {CHANNEL}")
                await asyncio.sleep(PACE_SECONDS)
        finally:
            with contextlib.suppress(Exception):
                connection.terminate()
