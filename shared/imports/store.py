"""Import jobs in the database: what was uploaded, how far it is, what was refused."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import BinaryIO
from uuid import UUID

from anyio import to_thread
from sqlalchemy import and_, delete, insert, or_, select, text, tuple_, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import Database
from shared.imports.refusals import CellProblem, Refusal
from shared.imports.report import Counts
from shared.imports.tables import ImportChunkRow, ImportJobRow, ImportRefusalRow

CHUNK = 1 << 20
PAGE = 5_000
KEEP_REFUSALS = timedelta(days=90)
OPEN = ("queued", "running")
FORGOTTEN = "a person was erased, and the cell may have spoken of them"
MARK = (0, 0)  # line and place, of no row: the job was open when a person was erased
_ERASING = text("SELECT pg_advisory_xact_lock(hashtext('import_refusal'))")


class Superseded(Exception):
    """Another worker has gone on with this job."""


async def find_same(session: AsyncSession, fingerprint: bytes) -> ImportJobRow | None:
    """The job the same files started earlier, unless it failed; a dry run counts only while it runs.

    Whoever asks for a fingerprint first makes everyone else wait until it has ended its transaction.
    """
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(encode(:fingerprint, 'hex'), 0))")
    await session.execute(lock, {"fingerprint": fingerprint})
    mine = and_(ImportJobRow.fingerprint == fingerprint, ImportJobRow.status != "failed")
    still = (~ImportJobRow.dry_run) | ImportJobRow.status.in_(OPEN)
    found = select(ImportJobRow).where(mine, still).order_by(ImportJobRow.created_at.desc()).limit(1)
    return (await session.scalars(found)).one_or_none()


async def keep_file(session: AsyncSession, job: UUID, name: str, file: BinaryIO) -> None:
    """The bytes of one uploaded file, in pieces."""
    file.seek(0)
    number = 0
    while piece := await to_thread.run_sync(file.read, CHUNK):
        row = {"job_id": job, "file": name, "number": number, "content": piece}
        await session.execute(insert(ImportChunkRow).values(row))
        number += 1


async def fetch_file(database: Database, job: UUID, name: str, into: BinaryIO) -> None:
    """Write what `keep_file` kept to `into`, and rewind it."""
    number = 0
    place = (ImportChunkRow.job_id == job, ImportChunkRow.file == name)
    while True:
        async with database.reading() as session:
            query = select(ImportChunkRow.content).where(*place, ImportChunkRow.number == number)
            piece = await session.scalar(query)
        if piece is None:
            break
        await to_thread.run_sync(into.write, piece)
        number += 1
    into.seek(0)


async def oldest_open(session: AsyncSession) -> ImportJobRow | None:
    query = select(ImportJobRow).where(ImportJobRow.status.in_(OPEN)).order_by(ImportJobRow.created_at).limit(1)
    found = (await session.scalars(query)).one_or_none()
    if found:
        session.expunge(found)  # it outlives the session: what it says is where the job stood just now
    return found


async def hold_place(session: AsyncSession, job: UUID, read: int) -> None:
    """Lock the job at the row we believe it has come to. Raises Superseded."""
    query = select(ImportJobRow.read).where(ImportJobRow.id == job, ImportJobRow.status == "running")
    if await session.scalar(query.with_for_update()) != read:
        raise Superseded


async def advance(session: AsyncSession, job: UUID, counts: Counts, refusals: Sequence[Refusal], now: datetime) -> None:
    """Add what became of a batch to the job, in the batch's own transaction."""
    steps = {name: getattr(ImportJobRow, name) + step for name, step in counts.as_dict().items()}
    await session.execute(update(ImportJobRow).where(ImportJobRow.id == job).values(**steps, updated_at=now))
    if not refusals:
        return
    forgets = await session.get(ImportRefusalRow, (job, *MARK)) is not None
    rows = [
        {
            "job_id": job,
            "line": refusal.line,
            "place": place,
            "column": problem.column,
            "value": "" if forgets else problem.value,
            "rule": problem.rule,
            "explanation": FORGOTTEN if forgets else problem.explanation,
        }
        for refusal in refusals
        for place, problem in enumerate(refusal.problems)
    ]
    await session.execute(insert(ImportRefusalRow), rows)


async def forget_values(session: AsyncSession) -> None:
    """A person is erased, and with them what every refused cell kept here said, whoever it spoke of.

    Of a refused row only the cells that broke a rule are kept, under whatever column the file had them: whose they are
    cannot be told. So the values of all go, and the explanations, which may repeat them; line, column and rule stay.
    A file taken in before and not yet read to its end keeps none from here on.

    To be called before the act locks anything else: it waits for a batch being stored, which may wait for those locks.
    """
    await session.execute(_ERASING)  # two at once would update the same rows in different orders
    unfinished = select(ImportJobRow.id).where(ImportJobRow.status.in_(OPEN)).order_by(ImportJobRow.id)
    told = {"line": MARK[0], "place": MARK[1], "column": "", "value": "", "rule": "", "explanation": FORGOTTEN}
    for job in await session.scalars(unfinished.with_for_update()):
        mark = postgresql.insert(ImportRefusalRow).values(job_id=job, **told)
        await session.execute(mark.on_conflict_do_nothing())
    kept = or_(ImportRefusalRow.value != "", ImportRefusalRow.explanation != FORGOTTEN)
    await session.execute(update(ImportRefusalRow).where(kept).values(value="", explanation=FORGOTTEN))


async def refused_lines(database: Database, job: UUID) -> set[int]:
    async with database.reading() as session:
        return set(await session.scalars(select(ImportRefusalRow.line).where(ImportRefusalRow.job_id == job)))


async def refusals(database: Database, job: UUID) -> AsyncIterator[Refusal]:
    """Every refused row in the order of the file, read page by page: nobody's slow download holds a snapshot open."""
    row = ImportRefusalRow
    told = (row.line, row.place, row.column, row.value, row.rule, row.explanation)
    after = MARK
    place = tuple_(ImportRefusalRow.line, ImportRefusalRow.place)
    while True:
        query = select(*told).where(ImportRefusalRow.job_id == job, place > after).order_by(place)
        async with database.reading() as session:
            rows = (await session.execute(query.limit(PAGE))).all()
        for line, _, *problem in rows:
            yield Refusal(line, (CellProblem(*problem),))
        if len(rows) < PAGE:
            return
        after = (rows[-1].line, rows[-1].place)


async def close(session: AsyncSession, job: UUID, status: str, now: datetime, problem: dict[str, str] | None) -> None:
    """The job is over: its files are no longer needed."""
    ending = {"status": status, "finished_at": now, "updated_at": now, "problem": problem}
    await session.execute(update(ImportJobRow).where(ImportJobRow.id == job).values(**ending))
    await session.execute(delete(ImportChunkRow).where(ImportChunkRow.job_id == job))


async def keeps_refusals(session: AsyncSession, job: UUID, now: datetime) -> bool:
    young = or_(ImportJobRow.finished_at.is_(None), ImportJobRow.finished_at >= now - KEEP_REFUSALS)
    return await session.scalar(select(ImportJobRow.id).where(ImportJobRow.id == job, young)) is not None


async def forget_old_refusals(session: AsyncSession, now: datetime) -> None:
    old = select(ImportJobRow.id).where(ImportJobRow.finished_at < now - KEEP_REFUSALS)
    await session.execute(delete(ImportRefusalRow).where(ImportRefusalRow.job_id.in_(old)))
