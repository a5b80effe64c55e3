"""One database per service, one transaction per act. Commit lives here and nowhere else.

`Database.transaction()` is the only way to write: what a command stores and what it announces are committed
together, the events through the outbox just before the commit.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, TypeVar
from uuid import UUID

import asyncpg
from sqlalchemy import BigInteger, Enum, MetaData, Text, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from sqlalchemy.types import DateTime, Uuid

from shared import clock
from shared.contracts.base import Event
from shared.contracts.envelope import Meta
from shared.errors import NotFound, Stale
from shared.messaging.outbox import Outbox

NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
SESSION_SETTINGS = {
    "application_name": "themodel",
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "10000",  # a frozen process must not hold its locks
    "lock_timeout": "8000",
    "statement_timeout": "60000",
    "jit": "off",
}

Words = Annotated[str, mapped_column(Text)]
Minor = Annotated[int, mapped_column(BigInteger)]
"""An amount in minor units of the currency beside it."""
Row = TypeVar("Row", bound="Changing")


def coded(kind: type[StrEnum]) -> Enum:
    """A closed list, stored as text: a new member needs no migration."""
    return Enum(kind, native_enum=False, length=40, values_callable=lambda found: [member.value for member in found])


class Table(DeclarativeBase):
    """The base of a service's own tables; each service derives one with a MetaData of its own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {UUID: Uuid(), datetime: DateTime(timezone=True)}


class Changing:
    """What people change: a version that is its ETag and moves by itself with every change, and when it was made and
    touched. The id is the table's own word for it."""

    version: Mapped[int] = mapped_column(nullable=False)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.utc_now, index=True)
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), default=clock.utc_now, onupdate=clock.utc_now, index=True
    )
    archived_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.version}


class Record(Changing):
    """A resource people change, under an id of ours."""

    id: Mapped[UUID] = mapped_column(primary_key=True)


class Transaction:
    """One act: its session, the events it announces, and who or what caused it."""

    def __init__(self, session: AsyncSession, outbox: Outbox, *, cause: Meta | None = None) -> None:
        self.session = session
        self.outbox = outbox
        self.cause = cause
        self.if_match: int | None = None
        self._after: list[Callable[[], None]] = []

    async def lock(self, row: type[Row], key: UUID | str, *, retry_after: int | None = None) -> Row:
        """The row, locked until the act ends. The first row an act locks is the one its If-Match speaks of.

        Raises NotFound, and Stale where the caller had read an older version.
        """
        found = await self.session.get(row, key, with_for_update=True, populate_existing=True)
        if found is None:
            raise NotFound(f"{row.__name__} {key} is not known here", retry_after=retry_after)
        expected, self.if_match = self.if_match, None
        if expected is not None and expected != found.version:
            raise Stale(f"It is version {found.version} now; you had read {expected}")
        return found

    async def by_external_id(self, row: type[Row], external_id: str) -> Row | None:
        column: Any = row.__dict__["external_id"]
        return (await self.session.scalars(select(row).where(column == external_id))).one_or_none()

    def add(self, *rows: object) -> None:
        self.session.add_all(rows)

    def announce(self, event: Event, *, journey: UUID | str, at: datetime) -> None:
        """Tell the world `event`, which occurred `at`, as part of `journey`; sent if and only if the act commits."""
        self.outbox.add(event, key=str(journey), at=at, cause=self.cause)

    def after_commit(self, act: Callable[[], None]) -> None:
        """Run `act` once the commit stands: counters and wake-ups, never anything that can fail."""
        self._after.append(act)

    def mark(self) -> int:
        """How many acts wait for the commit; `forget` what came after it when a savepoint was rolled back."""
        return len(self._after)

    def forget(self, mark: int) -> None:
        del self._after[mark:]

    async def flush(self) -> None:
        await self.session.flush()
        await self.outbox.flush(await self.session.connection())

    async def commit(self) -> None:
        await self.flush()
        await self.session.commit()
        for act in self._after:
            act()


class Database:
    """The service's engine. `on_publish` is called after a commit that left rows in the outbox."""

    def __init__(
        self,
        url: str,
        *,
        source: str,
        topic: str,
        pool_size: int = 8,
        on_publish: Callable[[], None] = lambda: None,
    ) -> None:
        self.url = url
        self.source = source
        self.topic = topic
        self.on_publish = on_publish
        self.engine: AsyncEngine = create_async_engine(
            url.replace("postgresql://", "postgresql+asyncpg://", 1),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=10,
            pool_recycle=1800,
            hide_parameters=True,  # they may hold personal data, and errors are logged
            connect_args={"server_settings": SESSION_SETTINGS, "timeout": 5, "command_timeout": 60},
        )
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self, *, cause: Meta | None = None) -> AsyncIterator[Transaction]:
        """Everything inside happens, or nothing does."""
        outbox = Outbox(self.source, self.topic)
        async with self._sessions() as session:
            tx = Transaction(session, outbox, cause=cause)
            try:
                yield tx
                await tx.commit()
            except BaseException:
                await session.rollback()
                raise
        if outbox.written:
            self.on_publish()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """One consistent read-only view."""
        async with self._sessions() as session:
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            await session.execute(text("SET TRANSACTION READ ONLY"))
            try:
                yield session
            finally:
                session.expunge_all()  # rows already read stay readable
                await session.rollback()

    async def direct(self) -> asyncpg.Connection:
        """A connection outside the pool, for locks and listeners that live longer than a transaction."""
        return await asyncpg.connect(
            self.url,
            timeout=5,
            command_timeout=30,
            server_settings={
                "application_name": "themodel direct",
                "tcp_keepalives_idle": "5",
                "tcp_keepalives_interval": "2",
                "tcp_keepalives_count": "3",
            },
        )

    async def close(self) -> None:
        await self.engine.dispose()


def cause_of(error: BaseException) -> BaseException:
    """The driver's own error below SQLAlchemy's."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def sqlstate(error: BaseException) -> str:
    """PostgreSQL's five letters, or nothing."""
    return getattr(cause_of(error), "sqlstate", None) or ""


def transient(error: BaseException) -> bool:
    """Would the same act succeed once the engines are back? Never wider: a bug must be parked, not retried for ever."""
    error = cause_of(error)
    if isinstance(error, OSError | TimeoutError | asyncpg.InternalClientError):
        return True
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)
    state = sqlstate(error)
    return state[:2] in {"08", "40", "53", "57"} or state in {"25P03", "25P04", "55P03"}
