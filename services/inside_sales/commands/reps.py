"""Colleagues: who they are, and how much those in field sales can take."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select

from services.inside_sales.commands.move_valve import move_valve
from services.inside_sales.models import RepRow
from shared.database import Transaction


async def put_rep(
    tx: Transaction, rep_id: str, told: Mapping[str, Any], *, archived: bool, now: datetime
) -> tuple[RepRow, bool]:
    """Replace all that is known of a rep but the slots, which are field sales' word; and whether the rep is new."""
    row, new = await _rep(tx, rep_id)
    for name, value in told.items():
        setattr(row, name, value)
    row.archived_at = (row.archived_at or now) if archived else None
    await tx.session.flush()
    await move_valve(tx, now)
    return row, new


async def change_capacity(
    tx: Transaction, rep_id: str, slots: int, *, team: str | None, region: str | None, now: datetime
) -> None:
    """Field sales says how many new opportunities a week the rep can take."""
    row, _ = await _rep(tx, rep_id)
    row.slots_per_week = slots
    row.team, row.region = team or row.team, region or row.region
    await tx.session.flush()
    await move_valve(tx, now)


async def rep_ids(tx: Transaction, words: Iterable[str]) -> dict[str, str]:
    """The ids of reps that are named by id or name; a word that is no rep's is not among them."""
    wanted = set(words)
    named = or_(RepRow.id.in_(wanted), RepRow.name.in_(wanted)) & RepRow.archived_at.is_(None)
    found = (await tx.session.execute(select(RepRow.id, RepRow.name).where(named).order_by(RepRow.id.desc()))).all()
    by_name = {name: rep for rep, name in found if name}
    return {**by_name, **{rep: rep for rep, _ in found}}


async def _rep(tx: Transaction, rep_id: str) -> tuple[RepRow, bool]:
    """The rep, locked; If-Match is asked of a known one only."""
    if await tx.session.get(RepRow, rep_id) is not None:
        return await tx.lock(RepRow, rep_id), False
    row = RepRow(id=rep_id)
    tx.add(row)
    return row, True
