"""Import jobs at work: 1,000 rows and the progress they make are one transaction: a kill loses and repeats nothing."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from tempfile import TemporaryFile
from traceback import format_tb
from typing import BinaryIO
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import update

from shared import clock
from shared.database import Database, Transaction
from shared.errors import Problem
from shared.http.problems import as_problem
from shared.imports import store
from shared.imports.importer import ImportContext, Importer, Outcome, Refused, Taken
from shared.imports.mapping import ENCODINGS
from shared.imports.refusals import FileRefused, Refusal, Rule, shorten
from shared.imports.report import Counts
from shared.imports.resource import Repeated, Row, Skipped, Value
from shared.imports.rows import Read, RowReader, read_rows
from shared.imports.store import Superseded
from shared.imports.tables import ImportJobRow
from shared.imports.uploads import effective_mapping
from shared.money import Money, decimals
from shared.sqlerrors import cause_of, sqlstate, transient

log = structlog.get_logger()

BATCH = 1_000
LOCK = 0x7E_0DE1_14F0
TOOK_TOO_LONG = "57014"


@dataclass
class _Job:
    """One job on this worker. `read` rows are behind it; `refused` are the lines it could not take."""

    id: UUID
    importer: Importer
    context: ImportContext
    reader: RowReader
    read: int
    refused: set[int] = field(default_factory=set)


async def run_open_jobs(database: Database, importers: Mapping[str, Importer]) -> int:
    """Run every open job, oldest first, one at a time among all workers of the service; returns how many."""
    async with database.reading() as session:
        if await store.oldest_open(session) is None:
            return 0
    connection = await database.direct()
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
            return 0
        done = 0
        while True:
            async with database.reading() as session:
                row = await store.oldest_open(session)
            if row is None:
                return done
            await run_job(database, importers, row)
            done += 1
    finally:
        await connection.close(timeout=2)


async def run_job(database: Database, importers: Mapping[str, Importer], row: ImportJobRow) -> None:
    """Go on where the job stands, to its end. What no retry can mend ends it as failed; an engine away is raised."""
    try:
        with ExitStack() as files:
            job = await _open(database, importers[row.resource], row, files)
            while reads := await asyncio.to_thread(lambda: list(islice(job.reader, BATCH))):
                await _batch(database, job, reads)
        await _close(database, row.id, "finished", None)
        log.info("import finished", job=str(row.id), resource=row.resource, rows=job.read)
    except Superseded:
        log.warning("import went on elsewhere", job=str(row.id))
    except FileRefused as refused:
        await _close(database, row.id, "failed", {"rule": refused.rule, "explanation": refused.detail})
    except Exception as error:
        if transient(error):
            raise
        log.error("import failed", job=str(row.id), **_where(error))
        explanation = "This is our fault and has been logged"
        await _close(database, row.id, "failed", {"rule": "internal", "explanation": explanation})


async def _close(database: Database, job: UUID, status: str, problem: dict[str, str] | None) -> None:
    async with database.transaction() as tx:
        await store.close(tx.session, job, status, clock.utc_now(), problem)


async def _open(database: Database, importer: Importer, row: ImportJobRow, files: ExitStack) -> _Job:
    """Everything a job needs, its reader already past the rows that are committed."""
    async with database.transaction() as tx:
        now = clock.utc_now()
        begun = update(ImportJobRow).where(ImportJobRow.id == row.id, ImportJobRow.status == "queued")
        await tx.session.execute(begun.values(status="running", started_at=now, updated_at=now))
    mapping = effective_mapping((row.mapping or "").encode(), ENCODINGS.get(row.encoding or ""))
    opened: dict[str, BinaryIO] = {}
    for name in ("", *mapping.files):
        opened[name] = files.enter_context(TemporaryFile())  # noqa: SIM115 closed by the stack
        await store.fetch_file(database, row.id, name, opened[name])
    zone = ZoneInfo(row.timezone)
    context = ImportContext(row.id, row.created_at, zone, row.currency, row.user, row.dry_run)
    reader = read_rows(
        opened.pop(""), importer.resource, mapping, opened, now=row.created_at, zone=zone, currency=row.currency
    )
    await asyncio.to_thread(lambda: sum(1 for _ in islice(reader, row.read)))
    return _Job(row.id, importer, context, reader, row.read, await store.refused_lines(database, row.id))


async def _batch(database: Database, job: _Job, reads: list[Read]) -> None:
    """All rows at once; where that fails, more carefully, so that a bad row costs only itself."""
    try:
        await _commit(database, job, reads, careful=False)
    except Superseded:
        raise
    except Exception as error:
        if not _of_the_rows(error):
            raise
        log.info("import goes on carefully", job=str(job.id), error=type(cause_of(error)).__name__)
        await _commit(database, job, reads, careful=True)


async def _commit(database: Database, job: _Job, reads: list[Read], *, careful: bool) -> None:
    async with database.transaction() as tx:
        await store.hold_place(tx.session, job.id, job.read)
        rows = [read for read in reads if isinstance(read, Row)]
        outcomes, events = await _load(tx, job, rows, careful)
        counts, refusals = _tally(job, reads, dict(zip((row.line for row in rows), outcomes, strict=True)))
        counts.events = events
        await store.advance(tx.session, job.id, counts, refusals, clock.utc_now())
    job.read += len(reads)
    job.refused.update(refusal.line for refusal in refusals)


class _DryRun(Exception):
    """Everything went as it would go; now it is undone."""


async def _load(tx: Transaction, job: _Job, rows: list[Row], careful: bool) -> tuple[list[Outcome], int]:
    """The outcomes of `rows` and the number of events they gave. A dry run leaves nothing behind but these."""
    if not rows:
        return [], 0
    load = _carefully if careful else _all
    if not job.context.dry_run:
        return await load(tx, job, rows), len(tx.outbox)
    with suppress(_DryRun):
        async with tx.savepoint():
            outcomes, events = await load(tx, job, rows), len(tx.outbox)
            raise _DryRun
    return outcomes, events


async def _all(tx: Transaction, job: _Job, rows: Sequence[Row]) -> list[Outcome]:
    outcomes = await job.importer.load(tx, rows, job.context)
    await tx.session.flush()
    if len(outcomes) != len(rows):
        raise RuntimeError(f"the importer of {job.importer.resource.name} answered {len(outcomes)} of {len(rows)} rows")
    return outcomes


async def _carefully(tx: Transaction, job: _Job, rows: Sequence[Row]) -> list[Outcome]:
    """Halves what fails until each row that cannot be taken stands alone: one bad row costs twenty savepoints."""
    try:
        async with tx.savepoint():
            return await _all(tx, job, rows)
    except Exception as error:
        if not _of_the_rows(error):
            raise
        if len(rows) == 1:
            return [_as_refused(job, rows[0], error)]
    half = len(rows) // 2
    return [*await _carefully(tx, job, rows[:half]), *await _carefully(tx, job, rows[half:])]


def _of_the_rows(error: Exception) -> bool:
    """Would the same rows fail again? A statement that took too long does, though the server is there."""
    return not transient(error) or sqlstate(error) == TOOK_TOO_LONG


def _as_refused(job: _Job, row: Row, error: Exception) -> Refused:
    problem = as_problem(error)
    if problem is None or problem.status >= 500:
        log.error("import cannot take a row", job=str(job.id), line=row.line, **_where(error))
        return Refused(Problem.rule, "This is our fault and has been logged")
    return Refused(problem.rule, problem.detail)


def _where(error: Exception) -> dict[str, str]:
    """Kind and place of an error. Not its words: a database repeats the row, which may be a person's data."""
    return {"error": type(cause_of(error)).__name__, "traceback": "".join(format_tb(error.__traceback__))[-3000:]}


def _tally(job: _Job, reads: list[Read], outcomes: dict[int, Outcome]) -> tuple[Counts, list[Refusal]]:
    """What became of each row read. A repeat shares the fate of the line it repeats."""
    counts, refusals = Counts(read=len(reads)), []
    refused = set(job.refused)
    for read in reads:
        refusal = _refusal(job, read, outcomes, refused)
        if refusal:
            refusals.append(refusal)
            refused.add(refusal.line)
            counts.refused += 1
        elif isinstance(read, Skipped):
            counts.skipped += 1
        else:
            taken = Taken.UNCHANGED if isinstance(read, Repeated) else outcomes[read.line]
            setattr(counts, str(taken), getattr(counts, str(taken)) + 1)
    return counts, refusals


def _refusal(job: _Job, read: Read, outcomes: dict[int, Outcome], refused: set[int]) -> Refusal | None:
    if isinstance(read, Refusal):
        return read
    if isinstance(read, Repeated) and read.of in refused:
        return Refusal.of(read.line, "", "", Rule.REPEATS_REFUSED, f"repeats line {read.of}, which was refused")
    outcome = outcomes.get(read.line)
    if isinstance(read, Row) and isinstance(outcome, Refused):
        column = job.reader.binding.taken.get(outcome.column, outcome.column)
        value = _shown(read.values.get(outcome.column))
        return Refusal.of(read.line, column, value, outcome.rule, outcome.explanation)
    return None


def _shown(value: Value | None) -> str:
    if isinstance(value, Money):
        return f"{Decimal(value.amount).scaleb(-decimals(value.currency)):f} {value.currency}"
    return shorten("" if value is None else str(value))
