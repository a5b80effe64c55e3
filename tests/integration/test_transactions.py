"""One act on one connection: the driver's own words and the ORM together, undone together, and no dead line used."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from sqlalchemy import func, select, text

from services.inside_sales.app import SERVICE
from services.inside_sales.models import CompanyRow
from shared.database import Database, Transaction
from shared.ids import new_id
from tests.support.rig import MakeRig

Act = Callable[[Transaction, str], Awaitable[None]]
CUT_OFF = asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.OperatorInterventionError
COUNT = "SELECT count(*) FROM company"


@pytest.fixture
async def database(make_rig: MakeRig) -> Database:
    return (await make_rig(SERVICE)).database


async def insert(tx: Transaction, name: str) -> None:
    await tx.fetch("INSERT INTO company (id, name) VALUES ($1, $2)", new_id(), name)


async def add(tx: Transaction, name: str) -> None:
    tx.add(CompanyRow(id=new_id(), name=name))
    await tx.session.flush()


async def names(database: Database) -> list[str | None]:
    async with database.reading() as session:
        return list(await session.scalars(select(CompanyRow.name).order_by(CompanyRow.name)))


@pytest.mark.parametrize("parts", [(insert,), (add,), (insert, add), (add, insert)])
async def test_what_either_does_is_seen_by_both_and_committed_or_undone_as_one(
    database: Database, parts: tuple[Act, ...]
) -> None:
    async def act(tx: Transaction) -> None:
        for part in parts:
            await part(tx, "one")
        assert (await tx.fetch(COUNT))[0][0] == len(parts)
        assert await tx.session.scalar(select(func.count()).select_from(CompanyRow)) == len(parts)

    async def regretted() -> None:
        async with database.transaction() as tx:
            await act(tx)
            raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed my mind"):
        await regretted()
    assert await names(database) == []
    async with database.transaction() as tx:
        await act(tx)
        assert await names(database) == [], "nobody else sees it yet"
    assert len(await names(database)) == len(parts)


async def failed(tx: Transaction, part: Act) -> None:
    async with tx.savepoint():
        await part(tx, "part")
        await tx.fetch("SELECT 1 / 0")


@pytest.mark.parametrize("before", [None, insert, add])
@pytest.mark.parametrize("part", [insert, add])
async def test_a_part_that_fails_is_undone_alone(database: Database, before: Act | None, part: Act) -> None:
    async with database.transaction() as tx:
        if before:
            await before(tx, "before")
        with pytest.raises(asyncpg.DivisionByZeroError):
            await failed(tx, part)
        await insert(tx, "between")
        async with tx.savepoint():
            await add(tx, "good")
        await insert(tx, "last")
    assert await names(database) == [*(["before"] if before else []), "between", "good", "last"]


async def act(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.fetch("SELECT pg_sleep(0.2)")


async def read(database: Database) -> None:
    async with database.reading() as session:
        await session.execute(text("SELECT pg_sleep(0.2)"))


@pytest.mark.parametrize("sleep", [act, read])
async def test_connections_that_died_in_the_pool_are_not_given_out(
    database: Database, sleep: Callable[[Database], Awaitable[None]]
) -> None:
    await asyncio.gather(*(sleep(database) for _ in range(4)))
    line = await database.direct()
    try:
        ended = await line.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    finally:
        await line.close()
    assert len(ended) >= 4
    await asyncio.sleep(0.1)
    await asyncio.gather(*(sleep(database) for _ in range(4)))


async def test_one_that_is_cut_off_in_the_middle_says_so_and_leaves_nothing(database: Database) -> None:
    async def cut() -> None:
        async with database.transaction() as tx:
            await insert(tx, "lost")
            await tx.fetch("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(CUT_OFF):
        await cut()
    async with database.transaction() as tx:
        assert (await tx.fetch(COUNT))[0][0] == 0


async def test_what_was_read_stands_where_the_server_lets_go_before_it_ends(database: Database) -> None:
    async with database.reading() as session:
        mine = await session.scalar(text("SELECT pg_backend_pid()"))
        async with database.reading() as other:
            await other.execute(text("SELECT pg_terminate_backend(:mine)"), {"mine": mine})
        await asyncio.sleep(0.1)
    assert await names(database) == []


async def test_one_that_is_cancelled_leaves_a_clean_connection(database: Database) -> None:
    async def long() -> None:
        async with database.transaction() as tx:
            await insert(tx, "lost")
            await tx.fetch("SELECT pg_sleep(60)")

    acts = [asyncio.create_task(long()) for _ in range(4)]
    await asyncio.sleep(0.3)
    for act in acts:
        act.cancel()
    assert all(
        isinstance(found, asyncio.CancelledError) for found in await asyncio.gather(*acts, return_exceptions=True)
    )
    assert await names(database) == []
    async with database.transaction() as tx:
        await insert(tx, "after")
    assert await names(database) == ["after"]
