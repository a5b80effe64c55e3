"""Colleagues from a file. Slots are field sales' word and are told there."""

from collections.abc import Sequence

from sqlalchemy import or_, select

from services.inside_sales.models import RepRow
from shared.database import Transaction
from shared.imports.importer import ImportContext, Outcome, Taken
from shared.imports.resource import Column, Kind, Resource, Row

REPS = Resource(
    "reps",
    (
        Column("name", Kind.KEY, required=True),
        Column("email", Kind.EMAIL),
        Column("team", Kind.KEY),
        Column("manager", Kind.KEY),
        Column("region", Kind.KEY),
        Column("started_on", Kind.DATE),
    ),
    keys=(("name",),),
)


async def load_reps(tx: Transaction, rows: Sequence[Row], _: ImportContext) -> list[Outcome]:
    """A rep is found by id or name; a new one's name is the id, by which other files credit work to them."""
    names = [row.need("name", str) for row in rows]
    found = select(RepRow).where(or_(RepRow.id.in_(names), RepRow.name.in_(names))).with_for_update()
    known: dict[str, RepRow] = {}
    for rep in await tx.session.scalars(found):
        known.setdefault(rep.name or rep.id, rep)
        known[rep.id] = rep
    return [_take(tx, row, known) for row in rows]


def _take(tx: Transaction, row: Row, known: dict[str, RepRow]) -> Outcome:
    name = row.need("name", str)
    rep = known.get(name)
    if rep is not None and all(getattr(rep, field) == value for field, value in row.values.items()):
        return Taken.UNCHANGED
    new = rep is None
    if rep is None:
        rep = known[name] = RepRow(id=name)
        tx.add(rep)
    for field, value in row.values.items():
        setattr(rep, field, value)
    return Taken.NEW if new else Taken.UPDATED
