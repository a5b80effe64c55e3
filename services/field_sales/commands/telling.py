"""What every act does beside its own: write fields, announce with all dimensions, leave a line in the history."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.field_sales.models import DIMENSIONS, Opportunity, StepRow
from shared.contracts.field_sales import OpportunityEvent, OpportunityUpdated
from shared.database import Transaction
from shared.ids import told_id
from shared.money import Money

TOLD = ("mrr", "amount", "expected_close_date", "phase", "forecast_category", "next_step_on")
"""The fields an update event carries when they changed."""
SLICED = (*DIMENSIONS, "owner", "account_id")
"""What every event carries; a change of one is told by an update without other fields."""

Changes = dict[str, tuple[Any, Any]]
"""Field → old and new value."""


def write(row: Opportunity, given: Mapping[str, Any]) -> Changes:
    """Store what differs."""
    changes = differing(row, given)
    for name, (_, value) in changes.items():
        setattr(row, name, value)
    return changes


def differing(row: Opportunity, given: Mapping[str, Any]) -> Changes:
    return {name: (before, value) for name, value in given.items() if (before := getattr(row, name)) != value}


def with_account(given: Mapping[str, Any], row: Opportunity) -> dict[str, Any]:
    """A company known by its name alone has the id every reader of that name would give it."""
    name = given.get("account_name")
    if not name or given.get("account_id") or row.account_id:
        return dict(given)
    return {**given, "account_id": told_id("account", name)}


def dimensions(row: Opportunity) -> dict[str, Any]:
    """What its events say of an opportunity beside the fact itself."""
    return {
        "opportunity_id": row.id,
        "opportunity_external_id": row.external_id,
        "lead_id": row.lead_id,
        "external_id": row.lead_external_id,
        "cycle": row.cycle,
        **{name: getattr(row, name) for name in SLICED},
    }


def announce(tx: Transaction, kind: type[OpportunityEvent], row: Opportunity, at: datetime, **fields: Any) -> None:
    tx.announce(kind(**{**dimensions(row), **fields}), journey=row.journey, at=at)


def announce_changes(tx: Transaction, row: Opportunity, changed: Iterable[str], at: datetime) -> None:
    """Tell the fields that changed; what stays inside field sales (team, texts) is not told."""
    told = [name for name in changed if name in TOLD]
    if told or any(name in SLICED for name in changed):
        announce(tx, OpportunityUpdated, row, at, **{name: getattr(row, name) for name in told})


def step(row: Opportunity, kind: str, *, at: datetime, by: str, now: datetime, **more: Any) -> StepRow:
    """The line of the history that says where the opportunity is after the act; `more` as `line` has it."""
    return StepRow(**line(row, kind, at=at, by=by, now=now, **more))


def line(
    row: Opportunity,
    kind: str,
    *,
    at: datetime,
    by: str,
    now: datetime,
    reason: str | None = None,
    note: str | None = None,
    changes: Changes | None = None,
) -> dict[str, Any]:
    """The columns of such a line, for those who write many."""
    return {
        "opportunity_id": row.id,
        "kind": kind,
        "at": at,
        "recorded_at": now,
        "by": by,
        "status": row.status,
        "phase": row.phase,
        "reason": reason,
        "note": note,
        "changes": {name: [plain(old), plain(new)] for name, (old, new) in changes.items()} if changes else None,
    }


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Money):
        return value.model_dump()
    if isinstance(value, date):  # a datetime is one, too
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
