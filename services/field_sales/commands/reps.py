"""Reps: who they are, how much they can take, and to whom an opportunity is credited."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.field_sales.domain.lifecycle import in_order
from services.field_sales.models import RepRow
from shared.contracts.field_sales import CapacityChanged
from shared.database import Transaction


async def reps_by_word(session: AsyncSession, words: Collection[str]) -> dict[str, RepRow]:
    """Reps by id, else by name; of several with that name the one whose id sorts first."""
    named = select(RepRow).where(or_(RepRow.id.in_(words), RepRow.name.in_(words))).order_by(RepRow.id.desc())
    found = list(await session.scalars(named))
    return {rep.name: rep for rep in found} | {rep.id: rep for rep in found}


async def credited(session: AsyncSession, given: Mapping[str, Any], current: str | None) -> dict[str, Any]:
    owner = given.get("owner")
    return credit(given, await reps_by_word(session, [owner]) if owner else {}, current)


def credit(given: Mapping[str, Any], reps: Mapping[str, RepRow], current: str | None) -> dict[str, Any]:
    """`given` with the owner's id in place of their name, and a new owner's team where none is given.

    `current` is the owner so far. A word that is no rep's stays as it is: the rep may be told later.
    """
    found = dict(given)
    if rep := reps.get(found.get("owner") or ""):
        found["owner"] = rep.id
        if rep.id != current and rep.team is not None:
            found.setdefault("team", rep.team)
    return found


async def put_rep(tx: Transaction, rep_id: str, given: Mapping[str, Any], *, now: datetime) -> tuple[RepRow, bool]:
    """The rep as `given` says, and whether they are new."""
    created = await tx.session.get(RepRow, rep_id) is None
    row = RepRow(id=rep_id) if created else await tx.lock(RepRow, rep_id)
    tx.add(row)
    before = as_told(row)
    for name, value in given.items():
        if name != "archived":
            setattr(row, name, value)
    row.archived_at = (row.archived_at or now) if given["archived"] else None
    tell_capacity(tx, row, row.slots_per_week, before, now)
    return row, created


async def set_capacity(tx: Transaction, rep_id: str, slots: int, *, at: datetime, now: datetime) -> RepRow:
    """So many new opportunities a week; a rep not known yet becomes known by it. The same number tells nothing."""
    if await tx.session.get(RepRow, rep_id) is None:
        tx.add(RepRow(id=rep_id, name=rep_id))
        await tx.session.flush()
    row = await tx.lock(RepRow, rep_id)
    at = in_order(at, now, row.capacity_at)
    tell_capacity(tx, row, slots, as_told(row), at)
    return row


class Told(NamedTuple):
    """What others are told of a rep."""

    slots: int | None
    team: str | None
    region: str | None


def as_told(row: RepRow) -> Told:
    return Told(row.slots_per_week, row.team, row.region)


def tell_capacity(tx: Transaction, row: RepRow, slots: int | None, before: Told | None, at: datetime) -> None:
    """So many slots, in the team and region the rep is in by now, unless all of it was `as_told` before. Whose slots
    nobody has said is not told."""
    if slots is None or Told(slots, row.team, row.region) == before:
        return
    row.slots_per_week, row.capacity_at = slots, at
    event = CapacityChanged(rep_id=row.id, slots_per_week=slots, team=row.team, region=row.region)
    tx.announce(event, journey=row.id, at=at)
