"""What was done about a prospect. The first human contact stops the SLA clock."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from services.inside_sales.commands.take_up import take_up
from services.inside_sales.domain.lifecycle import Act, step_at
from services.inside_sales.models import ActivityRow, ProspectRow
from shared.contracts.inside_sales import FirstContactMade
from shared.database import Transaction
from shared.errors import Refused
from shared.ids import new_id

NOTE = "note"  # the one kind that reaches nobody


@dataclass(frozen=True, slots=True)
class Activity:
    kind: str
    outcome: str | None
    automatic: bool
    note: str | None
    external_id: str | None
    told: datetime | None  # when it happened; None is now


async def record_activity(
    tx: Transaction, lead_id: UUID, activity: Activity, *, by: str, now: datetime
) -> tuple[ActivityRow, ProspectRow, bool]:
    """The activity, its prospect, and whether it is new; an external id that is known finds what it made.

    Raises BeforePreviousStep for what happened before the MQL was handed over, Refused `conflict` where the external
    id is another lead's.
    """
    prospect, _ = await take_up(tx, lead_id, Act.CONTACT)
    if activity.external_id:
        known = select(ActivityRow).where(ActivityRow.external_id == activity.external_id)
        if found := (await tx.session.scalars(known)).one_or_none():
            if found.lead_id != prospect.id:
                raise Refused("This external id is that of an activity of another lead", rule="conflict")
            return found, prospect, False
    at = step_at(activity.told, now, prospect.mql_at)
    row = ActivityRow(
        id=new_id(),
        external_id=activity.external_id,
        lead_id=prospect.id,
        cycle=prospect.cycle,
        kind=activity.kind,
        outcome=activity.outcome,
        automatic=activity.automatic,
        note=activity.note,
        at=at,
        owner=by,
    )
    tx.add(row)
    if activity.kind != NOTE and not activity.automatic:
        contacted(tx, prospect, at, kind=activity.kind, by=by)
    return row, prospect, True


def contacted(tx: Transaction, row: ProspectRow, at: datetime, *, kind: str | None, by: str | None) -> None:
    """Told once, and again only when an earlier contact becomes known: the earliest told counts."""
    if row.first_contact_at is not None and row.first_contact_at <= at:
        return
    row.first_contact_at = at
    dimensions = {**row.dimensions, "owner": row.owner or by}
    told = FirstContactMade(lead_id=row.id, cycle=row.cycle, kind=kind, **dimensions)
    tx.announce(told, journey=row.journey, at=at)
