"""Reps from a file. Their name is their id unless a rep of that name is known under another."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import select

from services.field_sales.commands.reps import as_told, tell_capacity
from services.field_sales.models import RepRow
from shared.database import Transaction
from shared.imports.importer import ImportContext, Importer, Outcome, Taken
from shared.imports.resource import Column, Kind, Resource, Row

REPS = Resource(
    "reps",
    (
        Column("name", Kind.KEY, required=True, max_length=120),
        Column("email", Kind.EMAIL),
        Column("team"),
        Column("manager"),
        Column("region"),
        Column("slots_per_week", Kind.INTEGER, minimum=0, maximum=1000),
        Column("started_on", Kind.DATE),
    ),
    keys=(("name",),),
)


async def load_reps(tx: Transaction, rows: Sequence[Row], context: ImportContext) -> list[Outcome]:
    names = [row.need("name", str) for row in rows]
    query = select(RepRow).where(RepRow.name.in_(names) | RepRow.id.in_(names)).order_by(RepRow.id)
    known: dict[str, RepRow] = {}
    for rep in await tx.session.scalars(query):
        known.setdefault(rep.name, rep)
        known.setdefault(rep.id, rep)
    return [_take(tx, row, known.get(name), context) for row, name in zip(rows, names, strict=True)]


def _take(tx: Transaction, row: Row, rep: RepRow | None, context: ImportContext) -> Outcome:
    told: dict[str, Any] = {
        "name": row.need("name", str),
        **{name: row.get(name, str) for name in ("email", "team", "manager", "region")},
        "started_on": row.get("started_on", date),
    }
    fields = {name: value for name, value in told.items() if value is not None}
    slots = row.get("slots_per_week", int)
    before = as_told(rep) if rep else None
    if rep is None:
        rep = RepRow(id=fields["name"], **fields)
        tx.add(rep)
        outcome = Taken.NEW
    else:
        changed = {name: value for name, value in fields.items() if getattr(rep, name) != value}
        for name, value in changed.items():
            setattr(rep, name, value)
        outcome = Taken.UPDATED if changed or slots not in (None, rep.slots_per_week) else Taken.UNCHANGED
    tell_capacity(tx, rep, rep.slots_per_week if slots is None else slots, before, context.now)
    return outcome


IMPORTER = Importer(REPS, load_reps)
