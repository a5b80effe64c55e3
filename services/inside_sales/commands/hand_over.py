"""Inside sales accepts a lead as an SQL and hands it over to field sales."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from services.inside_sales.commands.appointments import Booking, book
from services.inside_sales.commands.move_valve import move_valve
from services.inside_sales.commands.take_up import take_up
from services.inside_sales.domain.criteria import CODED, CriteriaRule
from services.inside_sales.domain.lifecycle import Act, step_at
from services.inside_sales.models import RULES, AppointmentRow, ProspectRow
from shared.contracts.inside_sales import SqlAccepted
from shared.database import Transaction
from shared.ids import new_id
from shared.money import Money


async def discover(tx: Transaction, lead_id: UUID, found: Mapping[str, Any], *, by: str) -> ProspectRow:
    """Note what was found out so far; the hand-over begins from it. None clears."""
    row, _ = await take_up(tx, lead_id, Act.DISCOVER, by=by)
    for name, value in found.items():
        setattr(row, name, value)
    return row


async def hand_over(
    tx: Transaction,
    lead_id: UUID,
    given: Mapping[str, Any],
    booking: Booking | None,
    *,
    by: str,
    told_at: datetime | None,
    now: datetime,
) -> tuple[ProspectRow, AppointmentRow | None]:
    """`given` completes what was noted before. The opportunity's id is minted here.

    Raises CriteriaNotMet with all that is missing, and what `book` raises.
    """
    row, status = await take_up(tx, lead_id, Act.HAND_OVER, by=by)
    at = step_at(told_at, now, row.moved_at)
    criteria = await RULES.in_force(tx.session, CriteriaRule, at)
    known = {name: getattr(row, name) for name in (*CODED, "product")}
    criteria.rule.judge({**known, **given, "appointment": booking}, criteria.version)
    for name, value in given.items():
        setattr(row, name, value)
    row.status, row.moved_at, row.sql_at = status, at, at
    row.claimed_by, row.owner = row.claimed_by or by, row.claimed_by or by
    row.criteria_version, row.opportunity_id = criteria.version, new_id()
    tx.announce(sql_accepted(row), journey=row.journey, at=at)
    appointment = await book(tx, row, booking, at=at) if booking else None
    await tx.session.flush()
    await move_valve(tx, now)
    return row, appointment


def sql_accepted(row: ProspectRow) -> SqlAccepted:
    """Codes only: what people wrote stays here."""
    codes = {name: getattr(row, name) for name in CODED}
    money: Money | None = row.expected_mrr
    return SqlAccepted(
        lead_id=row.id,
        cycle=row.cycle,
        opportunity_id=row.opportunity_id,
        expected_mrr=money,
        criteria_version=row.criteria_version,
        **codes,
        **row.dimensions,
    )
