"""A small service that imports reps, for the tests of import jobs.

What a rep is called decides what becomes of the row: `Refused …`, `Waiting …`, `Buggy …` (the importer raises), and
`Twin …` (its name collides with another rep's in the database).
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import MetaData, Text, select, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.auth import Role
from shared.contracts.field_sales import CapacityChanged
from shared.database import NAMING, Database, Table, Transaction
from shared.imports.api import Imports
from shared.imports.importer import ImportContext, Importer, Outcome, Refused, Taken
from shared.imports.jobs import run_open_jobs
from shared.imports.resource import Column, Kind, Resource, Row
from shared.imports.tables import add_import_tables
from shared.service import Service


class Base(Table):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMING)


class RepRow(Base):
    __tablename__ = "rep"

    external_id: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    slots: Mapped[int | None]
    loads: Mapped[int] = mapped_column(default=0)  # how often a row of a file made or changed it


add_import_tables(Base.metadata)

REPS = Resource(
    "reps",
    (
        Column("external_id", Kind.KEY, required=True),
        Column("name", required=True),
        Column("slots_per_week", Kind.INTEGER, minimum=0),
    ),
    keys=(("external_id",),),
)


async def load_reps(tx: Transaction, rows: Sequence[Row], context: ImportContext) -> list[Outcome]:
    keys = [row.need("external_id", str) for row in rows]
    known = {
        rep.external_id: rep for rep in await tx.session.scalars(select(RepRow).where(RepRow.external_id.in_(keys)))
    }
    return [_take(tx, row, known.get(key), context) for row, key in zip(rows, keys, strict=True)]


def _take(tx: Transaction, row: Row, known: RepRow | None, context: ImportContext) -> Outcome:
    name, slots = row.need("name", str), row.get("slots_per_week", int)
    if name.startswith("Buggy"):
        raise RuntimeError("the importer has a bug")
    if name.startswith("Refused"):
        return Refused("not_welcome", "this rep is not welcome", "name")
    if known and (known.name, known.slots) == (name, slots):
        return Taken.UNCHANGED
    rep = known or RepRow(external_id=row.need("external_id", str), loads=0)
    rep.name, rep.slots, rep.loads = name.removeprefix("Twin of "), slots, rep.loads + 1
    tx.add(rep)
    event = CapacityChanged(rep_id=rep.external_id, slots_per_week=slots or 0)
    tx.announce(event, journey=rep.external_id, at=context.now)
    if name.startswith("Waiting"):
        return Taken.WAITING
    return Taken.UPDATED if known else Taken.NEW


IMPORTERS = {"reps": Importer(REPS, load_reps)}
IMPORTS = Imports(list(IMPORTERS.values()), roles=[Role.FIELD_SALES])
SERVICE = Service(
    name="field_sales",
    title="Reps",
    description="Takes reps in from files.",
    folder=Path(__file__).parent,
    metadata=Base.metadata,
    routers=[IMPORTS.router],
    tasks=[IMPORTS.work],
)


async def load_slowly(tx: Transaction, rows: Sequence[Row], context: ImportContext) -> list[Outcome]:
    outcomes = await load_reps(tx, rows, context)
    await tx.session.flush()
    await tx.session.execute(text("SELECT pg_sleep(0.05)"))
    return outcomes


async def run_slowly(url: str) -> None:
    """A worker of its own process, to be killed while it is at it."""
    database = Database(url, source="/field_sales", topic="themodel.field-sales", pool_size=2)
    await run_open_jobs(database, {"reps": Importer(REPS, load_slowly)})


if __name__ == "__main__":
    asyncio.run(run_slowly(sys.argv[1]))
