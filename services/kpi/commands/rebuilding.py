"""Replay: fold every fact of the topics anew beside the tables in use, then change over in one moment.

The live consumer goes on meanwhile. At the change it waits for a moment, we read to exactly where it stands, and it
goes on from there with the new tables. What kpi itself decided is not touched.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.kpi.commands.folding import SUMS, Folding, Touched
from services.kpi.commands.reading import Unusable, fact_of
from services.kpi.commands.recording import FOLDER, TURN, store
from services.kpi.commands.storing import beat
from services.kpi.domain.stages import STAGES
from services.kpi.models import CACHES, LIVE, REPLAYED
from services.kpi.projections import FOLDS
from services.kpi.projections import facts as told
from services.kpi.projections.facts import Fact
from shared import clock, failpoints
from shared.database import NAMING
from shared.errors import Refused
from shared.messaging import offsets
from shared.messaging.parking import Letter
from shared.messaging.replay import Replay, replaying
from shared.service import Runtime
from shared.sqlerrors import transient

log = structlog.get_logger()

NEXT, OLD = "kpi_next", "kpi_old"
REBUILDER = 0x7E_0DE1_4EB0
TAIL = 2000
OVERTAKEN_SECONDS, LOOK_SECONDS, AGAIN_SECONDS = 60.0, 0.05, 30.0
PATIENT = """
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = '60s';
SET LOCAL idle_in_transaction_session_timeout = 0
"""

Tell = Callable[[str, int, int], None]
"""Told of progress: what is done, how far, of how much."""


@dataclass
class Report:
    """What a replay found. `differences` by table: rows only in use and rows only rebuilt; empty is right."""

    facts: int = 0
    unreadable: int = 0
    waiting: int = 0  # of a newer version, or against their schema
    seconds: float = 0.0
    switched: bool = False
    differences: dict[str, tuple[int, int]] = field(default_factory=dict)


async def rebuild(
    runtime: Runtime, publishers: Sequence[str], *, verify: bool = False, tell: Tell = lambda what, done, of: None
) -> Report:
    """Replay every topic of `publishers`. `verify` compares what was rebuilt with the tables in use and drops it.

    Raises Refused where another replay runs, or where the live consumer stands still and nothing can be compared.
    """
    report, begun = Report(), time.monotonic()
    settings = runtime.settings
    topics = {settings.topic(name): name for name in publishers}
    async with _alone(runtime), replaying(settings.kafka, "themodel-kpi-replay", topics) as replay:
        await _prepare(runtime)
        await _read_all(runtime, replay, report, tell)
        failpoints.reach("rebuild.after_read")
        await _fold_all(runtime, tell)
        await _catch_up(runtime, replay, report)
        if verify:
            await _be_overtaken(runtime, replay)
        await _change_over(runtime, replay, report, verify=verify)
        report.unreadable = replay.unreadable
    report.seconds = time.monotonic() - begun
    return report


@asynccontextmanager
async def _alone(runtime: Runtime) -> AsyncIterator[None]:
    connection = await runtime.database.direct()
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", REBUILDER):
            raise Refused("Another replay is running", rule="replay_running")
        yield
    finally:
        await connection.close()


async def _prepare(runtime: Runtime) -> None:
    """Empty tables of the same shape in a schema of their own."""
    metadata = MetaData(naming_convention=NAMING)
    for table in REPLAYED:
        table.to_metadata(metadata, schema=NEXT)
    async with runtime.database.transaction() as tx:
        for schema in (NEXT, OLD):
            await tx.session.execute(text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))
        await tx.session.execute(text(f"CREATE SCHEMA {NEXT}"))
        await (await tx.session.connection()).run_sync(metadata.create_all)


async def _read_all(runtime: Runtime, replay: Replay, report: Report, tell: Tell) -> None:
    ends = await replay.ends()
    whole = replay.behind(ends)
    async for letters in replay.read(ends):
        async with runtime.database.transaction() as tx:
            await tx.session.execute(text("SET LOCAL synchronous_commit = off"))
            report.facts += len(await store(tx.session, _facts(letters, report), NEXT))
        tell("reading", whole - replay.behind(ends), whole)
    async with runtime.database.transaction() as tx:
        await tx.session.execute(text(PATIENT.split(";")[0]))
        await tx.session.execute(text(f"ANALYZE {NEXT}.fact"))


def _facts(letters: Iterable[Letter], report: Report) -> list[Fact]:
    found = []
    for letter in letters:
        try:
            found.append(fact_of(letter.meta, letter.data))
        except Unusable:
            report.waiting += 1
    return found


async def _fold_all(runtime: Runtime, tell: Tell) -> None:
    everything = await _touched(runtime)
    parts = list(everything.parts())
    for number, part in enumerate(parts, 1):
        async with runtime.database.transaction() as tx:
            await tx.session.execute(text("SET LOCAL synchronous_commit = off"))
            await Folding(tx.session, runtime.settings.zone, source=NEXT, target=NEXT).fold(part)
        tell("folding", number, len(parts))


async def _touched(runtime: Runtime) -> Touched:
    """Everything there are facts of."""
    types = sorted(told.JOURNEY_TYPES | told.ACCOUNT_TYPES | told.MERGE_TYPES | told.SUM_TYPES)
    query = f"""
        SELECT DISTINCT type, lead_id, CASE WHEN lead_id IS NULL THEN opportunity_id END AS opportunity_id,
               CASE WHEN type = ANY(:accounts) THEN account_id END AS account_id,
               CASE WHEN type = ANY(:sums) THEN reference END AS reference
        FROM {NEXT}.fact WHERE type = ANY(:types)
    """
    bound = {"types": types, "accounts": sorted(told.ACCOUNT_TYPES), "sums": sorted(SUMS)}
    async with runtime.database.transaction() as tx:
        await tx.session.execute(text("SET LOCAL statement_timeout = 0"))
        return Touched.by(await tx.session.execute(text(query), bound))


async def _catch_up(runtime: Runtime, replay: Replay, report: Report) -> None:
    """What was told meanwhile, until little is left."""
    while replay.behind(ends := await replay.ends()) > TAIL:
        async for letters in replay.read(ends):
            async with runtime.database.transaction() as tx:
                await _take(tx.session, runtime, letters, report)


async def _be_overtaken(runtime: Runtime, replay: Replay) -> None:
    """Wait until the live consumer has all that was read here, for what it has yet to take in is no difference."""
    for _ in range(round(OVERTAKEN_SECONDS / LOOK_SECONDS)):
        async with runtime.database.reading() as session:
            where = await offsets.standing(session)
        if all(where.get(place, 0) >= offset for place, offset in replay.taken.items()):
            return
        await asyncio.sleep(LOOK_SECONDS)
    raise Refused("kpi does not take in what is on the topics; see /readyz of kpi", rule="kpi_is_behind")


async def _take(session: AsyncSession, runtime: Runtime, letters: list[Letter], report: Report) -> None:
    facts = _facts(letters, report)
    fresh = await store(session, facts, NEXT)
    report.facts += len(fresh)
    touched = Touched.by(fact for fact in facts if fact.id in fresh)
    await Folding(session, runtime.settings.zone, source=NEXT, target=NEXT).fold(touched)


async def _change_over(runtime: Runtime, replay: Replay, report: Report, *, verify: bool) -> None:
    """Everyone who folds waits while we read to where they stand, and compare or change over."""
    async with runtime.database.transaction() as tx:
        for setting in PATIENT.split(";"):
            await tx.session.execute(text(setting))
        await tx.fetch(TURN, FOLDER)
        ends = await replay.ends()
        standing = {
            place: min(to, ends[place]) for place, to in (await offsets.standing(tx.session)).items() if place in ends
        }
        async for letters in replay.read(standing):
            await _take(tx.session, runtime, letters, report)
        if verify:
            report.differences = await _differences(tx.session)
            await tx.session.execute(text(f"DROP SCHEMA {NEXT} CASCADE"))
            return
        await tx.session.execute(text("LOCK TABLE passage IN ACCESS EXCLUSIVE MODE"))
        await tx.session.execute(text(f"CREATE SCHEMA {OLD}"))
        for table in REPLAYED:
            await tx.session.execute(text(f"ALTER TABLE {LIVE}.{table.name} SET SCHEMA {OLD}"))
            await tx.session.execute(text(f"ALTER TABLE {NEXT}.{table.name} SET SCHEMA {LIVE}"))
        for schema in (OLD, NEXT):
            await tx.session.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        await _note_folds(tx.session)
        await beat(tx.session, clock.utc_now())
        failpoints.reach("rebuild.before_switch")
        report.switched = True


async def _note_folds(session: AsyncSession) -> None:
    query = """
        INSERT INTO folding (id, version) VALUES (1, :version)
        ON CONFLICT (id) DO UPDATE SET version = greatest(folding.version, excluded.version)
    """
    await session.execute(text(query), {"version": FOLDS})


async def keep_folded(runtime: Runtime) -> None:
    """Fold everything anew, once, where the caches were made with other folds than ours; of several workers one does.

    Until then the figures are those of before, but for what came since.
    """
    while not await _folded(runtime):
        try:
            report = await rebuild(runtime, STAGES)
            log.info("folded anew", facts=report.facts, seconds=round(report.seconds, 1))
        except Exception as error:
            if not (isinstance(error, Refused) or transient(error)):
                raise
            log.warning("folding anew waits", error=str(error)[:200])
            await asyncio.sleep(AGAIN_SECONDS)


async def _folded(runtime: Runtime) -> bool:
    """Whether the caches are of our folds. Where nothing was told yet they are."""
    async with runtime.database.transaction() as tx:
        version = await tx.session.scalar(text("SELECT version FROM folding"))
        if version is None and not await tx.session.scalar(text("SELECT EXISTS (SELECT FROM fact)")):
            await _note_folds(tx.session)
            return True
        return (version or 0) >= FOLDS


async def _differences(session: AsyncSession) -> dict[str, tuple[int, int]]:
    found = {}
    for table in (REPLAYED[0], *CACHES):
        columns = ", ".join(column.name for column in table.columns)
        one, other = (f"SELECT {columns} FROM {schema}.{table.name}" for schema in (LIVE, NEXT))
        used, rebuilt = f"({one} EXCEPT ALL {other}) AS a", f"({other} EXCEPT ALL {one}) AS b"
        query = f"SELECT (SELECT count(*) FROM {used}), (SELECT count(*) FROM {rebuilt})"
        counts: Any = (await session.execute(text(query))).one()
        if any(counts):
            found[table.name] = (counts[0], counts[1])
    return found
