"""Changing a record and keeping what it said before."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.marketing.models import AccountRow, ChangeRow, LeadRow
from shared.database import Transaction
from shared.ids import new_id

DERIVED = frozenset({"email_key", "phone_key", "name_key"})  # not worth a line of history beside their source


def change(tx: Transaction, row: LeadRow | AccountRow, values: Mapping[str, Any], *, by: str, at: datetime) -> set[str]:
    """Set what differs, with history; returns the names of the fields that did."""
    before = {name: getattr(row, name) for name, value in values.items() if getattr(row, name) != value}
    for name in before:
        setattr(row, name, values[name])
    kept = {name: [_plain(old), _plain(values[name])] for name, old in before.items() if name not in DERIVED}
    if kept:
        tx.add(ChangeRow(id=new_id(), subject_id=row.id, at=at, by=by, fields=kept))
    return set(before)


def blanks(row: LeadRow | AccountRow, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `values` that say something the record does not know yet."""
    return {name: value for name, value in values.items() if value is not None and getattr(row, name) is None}


def _plain(value: Any) -> Any:
    if isinstance(value, UUID | date | datetime):
        return str(value)
    return value
