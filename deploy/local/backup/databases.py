"""Databases into files and back, by PostgreSQL's own pg_dump and pg_restore."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from deploy.local.errors import CommandError
from deploy.local.postgres import programs
from deploy.local.processes import run_once

# What a replay is making at that moment is made anew by the next.
_PASSING = ("--exclude-schema=kpi_next", "--exclude-schema=kpi_old")
PATIENCE_SECONDS = 30.0
_ANALYZE = """
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('ANALYZE %I', name);
    END LOOP;
END $$
"""


async def dump(url: str, snapshot: str, file: Path) -> None:
    """The database as of an exported snapshot. Raises CommandError with pg_dump's words."""
    await _run(url, "pg_dump", "--format=custom", f"--snapshot={snapshot}", *_PASSING, f"--file={file}")


async def load(url: str, file: Path) -> None:
    """Into an empty database, whose owner gets everything; all or nothing."""
    await _run(url, "pg_restore", "--single-transaction", "--exit-on-error", str(file))
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_ANALYZE)
    finally:
        await connection.close()


async def _run(url: str, program: str, *arguments: str) -> None:
    """Without the password in what `ps` shows."""
    parts = urlsplit(url)
    shown = urlunsplit(parts._replace(netloc=f"{parts.username}@{parts.netloc.rpartition('@')[2]}"))
    environment = {**_plain(os.environ), "PGPASSWORD": unquote(parts.password or ""), "PGCONNECT_TIMEOUT": "10"}
    command: list[str | Path] = [
        programs() / "bin" / program,
        *arguments,
        "--no-owner",
        "--no-privileges",
        f"--dbname={shown}",
    ]
    try:
        await run_once(command, environment=environment)
    except CommandError as error:
        raise CommandError(f"{program}: {error}") from error


def _plain(environ: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the caller's own connection."""
    return {name: value for name, value in environ.items() if not name.startswith("PG")}


async def is_empty(url: str) -> bool:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        return not await connection.fetchval(tables)
    finally:
        await connection.close()


class Beside:
    """A second database beside one in use, and the exchange of the two in one moment.

    `admin` may create and rename databases. Whoever is connected is cut off at the exchange and comes back to the
    other one, as after a restart of the server.
    """

    def __init__(self, admin: str, url: str) -> None:
        """`url` is that of the database in use, as its owner signs in."""
        parts = urlsplit(url)
        self.admin, self._url = admin, parts
        self.name, self.owner = parts.path.removeprefix("/"), unquote(parts.username or "")

    def url(self, name: str) -> str:
        """Of another database of the same owner."""
        return urlunsplit(self._url._replace(path=f"/{name}"))

    async def create(self, name: str) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            connection = await asyncpg.connect(self.admin)
            try:
                await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
                await connection.execute(f'CREATE DATABASE "{name}" OWNER "{self.owner}" TEMPLATE template0')
                await connection.execute(f'REVOKE CONNECT, TEMPORARY ON DATABASE "{name}" FROM public')
            finally:
                await connection.close()

    async def exists(self, name: str) -> bool:
        connection = await asyncpg.connect(self.admin)
        try:
            return bool(await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name))
        finally:
            await connection.close()

    async def drop(self, name: str) -> None:
        connection = await asyncpg.connect(self.admin)
        try:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        finally:
            await connection.close()

    async def exchange(self, new: str, kept: str) -> None:
        """`new` takes the name in use, and what had it is kept as `kept`."""
        renaming, ending = await asyncpg.connect(self.admin), await asyncpg.connect(self.admin)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                task = asyncio.ensure_future(
                    renaming.execute(
                        f'BEGIN; ALTER DATABASE "{self.name}" RENAME TO "{kept}"; '
                        f'ALTER DATABASE "{new}" RENAME TO "{self.name}"; COMMIT'
                    )
                )
                while not task.done():  # the renaming keeps new ones out and waits for those there to leave
                    await ending.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY($1::text[])",
                        [self.name, new],
                    )
                    await asyncio.wait([task], timeout=0.05)
                await task
        finally:
            renaming.terminate()
            ending.terminate()
