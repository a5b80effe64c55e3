"""A department's rules change by a new version with a date, never by an edit."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from services.inside_sales.commands.move_valve import move_valve
from services.inside_sales.models import RuleRow, forget_rule
from shared.database import Transaction
from shared.errors import Invalid


async def set_rule(
    tx: Transaction,
    name: str,
    body: dict[str, Any],
    *,
    valid_from: datetime,
    note: str | None,
    by: str,
    now: datetime,
) -> RuleRow:
    """The next version of a rule. Raises Invalid for a beginning before the one of the version it follows."""
    newest = select(func.max(RuleRow.version), func.max(RuleRow.valid_from)).where(RuleRow.name == name)
    version, since = (await tx.session.execute(newest)).one()
    if valid_from < since:
        raise Invalid("valid_from", f"not before {since.isoformat()}, when version {version} begins")
    row = RuleRow(name=name, version=version + 1, valid_from=valid_from, body=body, by=by, note=note, created_at=now)
    tx.add(row)
    forget_rule(tx.session, name)
    await tx.session.flush()
    await move_valve(tx, now)
    return row
