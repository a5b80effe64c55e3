"""A prospect's past, told by a file: taken as it is told, with events of its own dates."""

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from services.inside_sales.commands.hand_over import sql_accepted
from services.inside_sales.commands.record_activity import contacted
from services.inside_sales.domain.criteria import CODED
from services.inside_sales.domain.history import NOT_RECORDED, Told
from services.inside_sales.domain.lifecycle import Status
from services.inside_sales.models import ProspectChangeRow, ProspectRow
from services.inside_sales.schemas.reasons import REASONS
from shared.contracts.inside_sales import MqlAccepted, MqlRejected
from shared.database import Transaction
from shared.ids import told_id

TEXTS = ("comment",)
HISTORY = TypeAdapter(Told)
NAMES = tuple(field.name for field in fields(Told))


class Learned(Enum):
    """What a telling added to what was known."""

    NOTHING = "nothing"
    MORE = "more"
    OTHERWISE = "otherwise"  # it contradicts, and what was known is kept as history


Changes = dict[str, list[Any]]


def tell_history(
    tx: Transaction,
    row: ProspectRow,
    told: Told,
    *,
    opportunity_id: UUID | None,
    reps: Mapping[str, str],
    by: str,
    now: datetime,
) -> Learned:
    """Take `told` over. `opportunity_id`: field sales told of it already; `reps`: their ids by id and by name."""
    told = replace(told, owner=reps.get(told.owner, told.owner)) if told.owner else told
    status = told.leads_to(row.status, row.reason)
    before = {name: getattr(row, name) for name in (*_SIMPLE, "status", "first_contact_at", "ended_at", "reason")}
    _write(row, told)
    if told.first_contact_at:
        contacted(tx, row, told.first_contact_at, kind=None, by=told.owner)
    _move(row, told, status)
    if row.status is Status.ACCEPTED and before["status"] is not Status.ACCEPTED:
        row.claimed_by, row.claimed_at = reps.get(told.owner or ""), told.accepted_at
    changes = {name: [old, getattr(row, name)] for name, old in before.items() if old != getattr(row, name)}
    _announce(tx, row, changes, opportunity_id)
    corrected = {name: both for name, both in changes.items() if name != "status" and both[0] is not None}
    if corrected:
        tx.add(_kept(row, changes, by, now))
        return Learned.OTHERWISE
    return Learned.MORE if changes else Learned.NOTHING


_SIMPLE = ("owner", "accepted_at", "sql_at", *CODED, *TEXTS)


def _write(row: ProspectRow, told: Told) -> None:
    for name in _SIMPLE:
        if (value := getattr(told, name)) is not None:
            setattr(row, name, value)


def _move(row: ProspectRow, told: Told, status: Status) -> None:
    if status is Status.REJECTED and told.rejected_at:
        row.ended_at, row.reason = told.rejected_at, told.reason or NOT_RECORDED
        row.recyclable = bool(REASONS.find("reject", row.reason).recyclable)
    elif status is not row.status:
        row.ended_at = row.reason = row.recyclable = None
    row.status = status
    known = (row.mql_at, row.accepted_at, row.sql_at, row.opened_at, row.ended_at)
    row.moved_at = max((at for at in known if at), default=None)


def _announce(tx: Transaction, row: ProspectRow, changes: Changes, opportunity_id: UUID | None) -> None:
    lead = {"lead_id": row.id, "cycle": row.cycle}
    if "accepted_at" in changes and row.accepted_at:
        tx.announce(MqlAccepted(**lead, **row.dimensions), journey=row.journey, at=row.accepted_at)
    if row.status is Status.REJECTED and changes.keys() & {"ended_at", "reason"} and row.ended_at:
        rejected = MqlRejected(
            **lead, reason=row.reason or NOT_RECORDED, recyclable=bool(row.recyclable), **row.dimensions
        )
        tx.announce(rejected, journey=row.journey, at=row.ended_at)
    if row.sql_at and changes.keys() & {"sql_at", *CODED}:
        known = row.opportunity_id or opportunity_id
        row.opportunity_id = known or told_id("opportunity", f"{row.id}/{row.cycle}")
        tx.announce(sql_accepted(row), journey=row.journey, at=row.sql_at)


def _kept(row: ProspectRow, changes: Changes, by: str, now: datetime) -> ProspectChangeRow:
    plain = {name: [_plain(value) for value in both] for name, both in changes.items() if name not in TEXTS}
    return ProspectChangeRow(lead_id=row.id, cycle=row.cycle, at=now, by=by, changes=plain)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
