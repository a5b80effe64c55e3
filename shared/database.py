"""One database per service, one transaction per act. Commit lives here and nowhere else.

`Database.transaction()` is the only way to write: what a command stores and what it announces are committed
together, the events through the outbox just before the commit.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, TypeVar
from uuid import UUID

import asyncpg
from sqlalchemy import BigInteger, Enum, MetaData, Text, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from sqlalchemy.types import DateTime, Uuid

from shared import clock, failpoints
from shared.contracts.base import Event
from shared.contracts.envelope import Meta
from shared.errors import NotFound, Stale
from shared.line import DRIVER, KEPT_ALIVE, READ_ONLY, SESSION_SETTINGS, First, Line, engine_of, silent
from shared.messaging.outbox import Outbox

NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Words = Annotated[str, mapped_column(Text)]
Minor = Annotated[int, mapped_column(BigInteger)]
"""An amount in minor units of the currency beside it."""
Row = TypeVar("Row", bound="Changing")
AnyRow = TypeVar("AnyRow")


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
    """One act: what it stores, the events it announces, and who or what caused it."""

    def __init__(self, line: Line, outbox: Outbox, *, cause: Meta | None = None) -> None:
        self._line = line
        self._session: AsyncSession | None = None
        self.outbox = outbox
        self.cause = cause
        self.if_match: int | None = None
        self._after: list[Callable[[], None]] = []
        self._held: dict[tuple[type[Any], Any], Any] = {}

    @property
    def session(self) -> AsyncSession:
        """The ORM, as part of this act."""
        if self._session is None:
            self._session = AsyncSession(
                self._line.connection, expire_on_commit=False, info={DRIVER: self._line.driver}
            )
        return self._session

    async def fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """See `fetch`; it needs no session."""
        return await self._line.driver.fetch(statement, *arguments)

    async def locked(self, row: type[AnyRow], key: Any) -> AnyRow | None:
        """The row, locked until the act ends, or None. Costs nothing where it is held."""
        if (row, key) not in self._held:
            found = await self.session.get(row, key, with_for_update=True, populate_existing=True)
            if found is None:
                return None
            self._held[row, key] = found
        held: AnyRow | None = self._held[row, key]
        return held

    async def find(self, row: type[AnyRow], where: str, *arguments: Any, lock: bool = True) -> list[AnyRow]:
        """The rows of which `where` is true, in the driver's own words, in the order of their keys, so that two acts
        that lock them cannot deadlock. Whether there are any is asked in the cheap way, of what is stored: mostly there
        are none."""
        (key,), table = inspect(row).primary_key, inspect(row).local_table
        ending = f"ORDER BY {key.name} {'FOR UPDATE' if lock else ''}"
        keys = f"SELECT {key.name} FROM {table} WHERE {where} {ending}"
        known = [found[0] for found in await self.fetch(keys, *arguments)]
        if not known:
            return []
        query = select(row).where(key.in_(known)).order_by(key)
        return list(await self.session.scalars(query, execution_options={"populate_existing": lock}))

    async def hold(self, row: type[AnyRow], keys: Iterable[Any]) -> None:
        """Lock these rows in one statement; those that do not exist are known not to, as long as whoever makes one of
        them uses `add`. What `locked` answers then needs no statement."""
        wanted = {key for key in keys if (row, key) not in self._held}
        if not wanted:
            return
        self._held |= dict.fromkeys((row, key) for key in wanted)
        (key,) = inspect(row).primary_key
        for found in await self.find(row, f"{key.name} = ANY($1)", sorted(wanted)):
            self._held[row, _key_of(found)] = found

    def release(self, row: type[Any], keys: Iterable[Any]) -> None:
        """These rows were changed in the driver's own words: `locked` reads them again."""
        for key in keys:
            self._held.pop((row, key), None)

    async def lock(self, row: type[Row], key: UUID | str, *, retry_after: int | None = None) -> Row:
        """The row, locked until the act ends. The first row an act locks is the one its If-Match speaks of.

        Raises NotFound, and Stale where the caller had read an older version.
        """
        found = await self.locked(row, key)
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
        for row in rows if self._held else ():
            if (place := (type(row), _key_of(row))) in self._held:
                self._held[place] = row

    async def delete(self, row: object) -> None:
        await self.session.delete(row)
        if (place := (type(row), _key_of(row))) in self._held:
            self._held[place] = None

    def announce(self, event: Event, *, journey: UUID | str, at: datetime) -> None:
        """Tell the world `event`, which occurred `at`, as part of `journey`; sent if and only if the act commits."""
        self.outbox.add(event, key=str(journey), at=at, cause=self.cause)

    def after_commit(self, act: Callable[[], None]) -> None:
        """Run `act` once the commit stands: counters and wake-ups, never anything that can fail."""
        self._after.append(act)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A part of the act that may fail alone: then nothing of it was done, announced, planned or held."""
        acts, announced = len(self._after), len(self.outbox)
        try:
            async with self.session.begin_nested():
                await self.session.connection()  # or its SAVEPOINT waits for SQLAlchemy's first statement
                yield
                await self.session.flush()
        except BaseException:
            del self._after[acts:]
            self.outbox.discard(announced)
            self._held.clear()
            raise

    async def flush(self) -> None:
        if self._session is not None:
            await self._session.flush()
        await self.outbox.flush(self.fetch)

    @asynccontextmanager
    async def committed(self) -> AsyncIterator[None]:
        """What is done inside is committed, and then what was to come `after_commit`."""
        try:
            async with self._line.act():
                yield
                await self.flush()
                if self.outbox.written:
                    failpoints.reach("act.before_commit")
            if self.outbox.written:
                failpoints.reach("act.after_commit")
        finally:
            if self._session is not None:
                await self._session.close()
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
        pool_size: int = 12,
        on_publish: Callable[[], None] = lambda: None,
    ) -> None:
        self.url = url
        self.source = source
        self.topic = topic
        self.on_publish = on_publish
        self.engine = engine_of(
            url,
            {"server_settings": SESSION_SETTINGS, "timeout": 5, "command_timeout": 60},
            pool_size=pool_size,
            max_overflow=0,  # making a connection costs more than waiting for one
            pool_timeout=10,
            pool_use_lifo=True,  # the one used last has its statements prepared and its caches warm
            pool_recycle=1800,
            hide_parameters=True,  # they may hold personal data, and errors are logged
        )
        self._acting = silent(self.engine)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    async def line(self) -> Line:
        """A connection for somebody who acts often; to be closed by whom it is given."""
        return await Line.open(self._acting)

    @asynccontextmanager
    async def transaction(self, *, cause: Meta | None = None, line: Line | None = None) -> AsyncIterator[Transaction]:
        """Everything inside happens, or nothing does."""
        used = line or await self.line()
        try:
            tx = Transaction(used, Outbox(self.source, self.topic), cause=cause)
            async with tx.committed():
                yield tx
            if tx.outbox.written:
                self.on_publish()
        finally:
            if line is None:
                await used.close()

    @asynccontextmanager
    async def reading(self, *, holding: str | None = None, first: First | None = None) -> AsyncIterator[AsyncSession]:
        """One consistent read-only view. Nobody puts another table in the place of `holding` once it is taken. `first`
        may make temporary tables."""
        async with self._sessions() as session:
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            if holding:  # before the view: in it, a table that takes the place of this one lacks its newest rows
                await session.execute(text(f"LOCK TABLE {holding} IN ACCESS SHARE MODE"))
            try:
                if first:
                    await first(session)
                await session.execute(text(READ_ONLY))
                yield session
            finally:
                session.expunge_all()  # rows already read stay readable
                try:
                    await session.rollback()
                except DBAPIError:  # the server let go of it meanwhile; what was read stands
                    await session.invalidate()

    async def direct(self) -> asyncpg.Connection:
        """A connection outside the pool, for locks and listeners that live longer than a transaction."""
        return await asyncpg.connect(
            self.url,
            timeout=5,
            command_timeout=10,  # a relay whose way to the server is cut without a word is another's by then
            server_settings={"application_name": "themodel direct", **KEPT_ALIVE},
        )

    async def close(self) -> None:
        await self.engine.dispose()


def _key_of(row: Any) -> Any:
    """Its primary key as `locked` is asked for it."""
    key = inspect(type(row)).primary_key_from_instance(row)
    return key[0] if len(key) == 1 else tuple(key)
