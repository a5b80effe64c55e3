"""A connection to the database on which one act follows another, and statements in the driver's own words.

The transactions are ours, in the driver's words; SQLAlchemy is told that there are none. So an act that needs no ORM
pays for none, and one that does runs inside: what its session flushes is part of the act.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from types import MappingProxyType
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

SESSION_SETTINGS = {
    "application_name": "themodel",
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "10000",  # a frozen process must not hold its locks
    "lock_timeout": "5000",  # as long as the twin of a request waits for the first
    "statement_timeout": "60000",
    "jit": "off",
    # What acts and events run is prepared once and found by keys: planning it anew costs more than running it.
    "plan_cache_mode": "force_generic_plan",
}
# Questions with whatever filters are planned for what is asked.
READ_ONLY = "SELECT set_config('transaction_read_only', 'on', true), set_config('plan_cache_mode', 'auto', true)"
KEPT_ALIVE = {"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3"}
DRIVER = "driver"  # where a session keeps its connection of the driver
First = Callable[[AsyncSession], Awaitable[None]]


def engine_of(url: str, connect_args: Mapping[str, Any] = MappingProxyType({}), **more: Any) -> AsyncEngine:
    """SQLAlchemy's engine on that database. The driver itself reads the address, which may say whatever PostgreSQL's
    own programs understand: sslmode, application_name, several hosts."""
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=partial(asyncpg.connect, url, **connect_args), **more
    )
    event.listen(engine.sync_engine, "checkout", _usable)
    return engine


def _usable(connection: Any, *_: Any) -> None:
    """A connection whose server went away while it rested in the pool, or that was left within something, is thrown
    away for a new one."""
    if not _free(connection.driver_connection):
        raise DisconnectionError


def _free(driver: asyncpg.Connection) -> bool:
    return not driver.is_closed() and not driver.is_in_transaction()


def driver_of(connection: AsyncConnection) -> asyncpg.Connection:
    """The driver's own connection below SQLAlchemy's."""
    assert connection.sync_connection is not None
    driver = connection.sync_connection.connection.driver_connection
    assert isinstance(driver, asyncpg.Connection)
    return driver


async def fetch(session: AsyncSession, statement: str, *arguments: Any) -> list[asyncpg.Record]:
    """Rows of a statement in the driver's own words ($1 …), part of the session's transaction; it sees what was
    flushed. For what runs with every event and every request: a quarter of what the same costs through SQLAlchemy."""
    if (
        driver := session.info.get(DRIVER)
    ) is None:  # a session that reads; it has begun, and lives for one transaction
        driver = session.info[DRIVER] = driver_of(await session.connection())
    return await driver.fetch(statement, *arguments)


def silent(engine: AsyncEngine) -> AsyncEngine:
    """The same engine and pool, without a BEGIN or COMMIT of its own."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


class Line:
    """One connection of the pool, to be closed by whoever opened it."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.driver = driver_of(connection)

    @classmethod
    async def open(cls, engine: AsyncEngine) -> "Line":
        """Of an engine made by `silent`."""
        return cls(await engine.connect())

    def holds(self) -> bool:
        """Whether another act can follow: it lives, and nothing is left of the last one."""
        return _free(self.driver)

    @asynccontextmanager
    async def act(self) -> AsyncIterator[None]:
        """Everything inside is committed together, or rolled back by whatever is raised."""
        act = self.driver.transaction()
        with self._ended_when_cut_short():
            await act.start()
            try:
                yield
                await act.commit()
            except Exception as error:
                if not isinstance(error, TimeoutError):
                    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # the first error counts
                        await act.rollback()
                raise

    async def alone(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """A statement that is an act of its own, without a transaction around."""
        with self._ended_when_cut_short():
            return await self.driver.fetch(statement, *arguments)

    @contextmanager
    def _ended_when_cut_short(self) -> Iterator[None]:
        """Who cuts a statement short does not wait for the server, which may never answer; neither may the next one."""
        try:
            yield
        except (asyncio.CancelledError, TimeoutError):
            self.driver.terminate()
            raise

    async def close(self) -> None:
        if not self.holds():
            await self.connection.invalidate()
        await self.connection.close()
