"""kpi's tables, folded anew only where something came, over a history that could have been, of which anything may come
in any order, again, late or never: they are what folding all facts anew makes.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import text

from services.kpi.app import SERVICE
from services.kpi.commands.folding import Folding, Touched
from services.kpi.commands.recording import record
from services.kpi.domain.decisions import Decisions
from services.kpi.domain.periods import Period
from services.kpi.domain.stages import READY_MADE
from services.kpi.metrics.conservation import CHECKS
from services.kpi.metrics.question import Question, View
from services.kpi.models import CACHES, LIVE
from services.kpi.projections.facts import Fact
from shared.database import Database, Transaction
from shared.migrate import upgrade
from tests.support.engines import Engines
from tests.support.kpi_history import KpiHistory, ids
from tests.support.kpi_model import Model

ANEW = "anew"
NOW = datetime(2027, 1, 1, tzinfo=UTC)
SPAN = Period(date(2020, 1, 1), date(2027, 1, 1))
EMPTY = "; ".join(f"DELETE FROM {table}" for table in ("fact", "stream_state", *(table.name for table in CACHES)))


class Incremental(KpiHistory):
    """What is heard is recorded as kpi's consumer does it, a batch at a time."""

    def __init__(self, runner: asyncio.Runner, database: Database) -> None:
        super().__init__()
        self._runner, self._database = runner, database
        self.run(_emptied(database))

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self._runner.run(work)

    def hear(self, facts: Sequence[Fact]) -> None:
        before = ids(self.heard)
        super().hear(facts)
        self.run(self._record(facts, {fact.id for fact in facts} - before))

    async def _record(self, facts: Sequence[Fact], new: set[Any]) -> None:
        async with self._database.transaction() as tx:
            assert await record(tx.session, facts, zone=UTC, now=NOW) == new
        await self._same_as_folded_anew()

    async def _same_as_folded_anew(self) -> None:
        """Every row of every table; and who pays what is what a reading of all facts says."""
        async with self._database.transaction() as tx:
            folding = Folding(tx.session, UTC, source=LIVE, target=ANEW)
            everything = list({fact.id: fact for fact in self.heard}.values())
            await folding.fold(Touched.by(everything))
            assert await _differences(tx) == {}
            paid = await tx.fetch("SELECT account_id, sum(delta) FROM movement WHERE basis = 'booked' GROUP BY 1")
            assert {account: total for account, total in paid if total} == Model(self.heard).paid()
            for table in CACHES:
                await tx.fetch(f"DELETE FROM {ANEW}.{table.name}")

    def teardown(self) -> None:
        """What never came until now comes, one by one, and the last first."""
        self.run(_fits(self._database))
        for fact in self.the_rest():
            self.hear([fact])
        self.run(_fits(self._database))


async def _fits(database: Database) -> None:
    """Whatever is missing, the tables fit each other, and the chain closes in every slice."""
    async with database.transaction() as tx:
        view = View(tx.session, Question(SPAN, ZoneInfo("UTC"), NOW), Decisions(READY_MADE["mql"], 1))
        for check in CHECKS:
            if check.id in ("slices", "edges", "pipeline", "chain"):
                found = await check.find(view)
                assert (check.id, found.broken, found.examples) == (check.id, 0, [])


async def _differences(tx: Transaction) -> dict[str, tuple[int, int]]:
    found = {}
    for table in CACHES:
        columns = ", ".join(column.name for column in table.columns)
        kept, anew = (f"SELECT {columns} FROM {schema}.{table.name}" for schema in (LIVE, ANEW))
        only_kept, only_anew = f"({kept} EXCEPT ALL {anew}) AS a", f"({anew} EXCEPT ALL {kept}) AS b"
        query = f"SELECT (SELECT count(*) FROM {only_kept}) AS a, (SELECT count(*) FROM {only_anew}) AS b"
        ((kept_rows, anew_rows),) = await tx.fetch(query)
        if kept_rows or anew_rows:
            found[table.name] = (kept_rows, anew_rows)
    return found


async def _opened(engines: Engines) -> Database:
    database = Database(engines.create_database("kpi"), source="/kpi", topic="t.kpi", pool_size=2)
    await upgrade(database.url, SERVICE.folder)
    async with database.transaction() as tx:
        await tx.fetch(f"CREATE SCHEMA {ANEW}")
        for table in CACHES:
            await tx.fetch(f"CREATE TABLE {ANEW}.{table.name} (LIKE {LIVE}.{table.name} INCLUDING ALL)")
    return database


async def _emptied(database: Database) -> None:
    async with database.engine.begin() as connection:
        for statement in EMPTY.split("; "):
            await connection.execute(text(statement))


def test_tables_folded_where_something_came_are_what_folding_all_anew_makes(engines: Engines) -> None:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:  # one that leaves pytest's own alone
        database = runner.run(_opened(engines))

        class Here(Incremental):
            def __init__(self) -> None:
                super().__init__(runner, database)

        # Slow by design: each batch is folded in a real database.
        slow = [HealthCheck.too_slow]
        often = settings(max_examples=8, stateful_step_count=40, deadline=None, suppress_health_check=slow)
        try:
            run_state_machine_as_test(Here, settings=often)
        finally:
            runner.run(database.close())
            engines.drop_database(database.url)
