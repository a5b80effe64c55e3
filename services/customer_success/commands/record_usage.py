"""Use of the product, taken in bulk: set-based, idempotent, in any order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from services.customer_success.commands.health import mark_stale
from services.customer_success.commands.links import Link, Place, resolve_links
from services.customer_success.domain.calendar import week_of
from shared.database import Transaction
from shared.imports.importer import Taken

VALUES = ("customer_id", "contract_id", "link", "day", "feature", "count", "seconds", "errors", "active_users")

_KNOWN = text(f"SELECT key, {', '.join(VALUES)} FROM usage WHERE key = ANY(CAST(:keys AS text[])) FOR UPDATE")
_STORE = text("""
INSERT INTO usage AS u (key, external_id, customer_id, contract_id, link, day, feature, count, seconds, errors,
                        active_users, recorded_at)
SELECT r.*, :now FROM unnest(
    CAST(:keys AS text[]), CAST(:external_ids AS text[]), CAST(:customer_ids AS uuid[]), CAST(:contract_ids AS uuid[]),
    CAST(:links AS text[]), CAST(:days AS date[]), CAST(:features AS text[]), CAST(:counts AS bigint[]),
    CAST(:secondss AS bigint[]), CAST(:errorss AS bigint[]), CAST(:active_userss AS int[])) AS r ORDER BY 1
ON CONFLICT (key) DO UPDATE SET
    customer_id = excluded.customer_id, contract_id = excluded.contract_id, link = excluded.link, day = excluded.day,
    feature = excluded.feature, count = excluded.count, seconds = excluded.seconds, errors = excluded.errors,
    active_users = excluded.active_users, recorded_at = excluded.recorded_at
""")
_MARK_WEEKS = text("""
INSERT INTO usage_week AS w (customer_id, week, stale)
SELECT c, d, true FROM unnest(CAST(:customers AS uuid[]), CAST(:weeks AS date[])) AS x(c, d) ORDER BY 1, 2
ON CONFLICT (customer_id, week) DO UPDATE SET stale = true WHERE NOT w.stale
""")


@dataclass(frozen=True, slots=True)
class UsageTold:
    """One row of use, on one day."""

    link: Link
    day: date
    external_id: str | None = None
    feature: str | None = None
    count: int = 1
    seconds: int = 0
    errors: int = 0
    active_users: int | None = None


async def record_usage(tx: Transaction, told: Sequence[UsageTold], now: datetime) -> list[Taken]:
    """What became of each row. Of two rows with the same key in one call the later holds."""
    places = await resolve_links(tx, [row.link for row in told])
    rows = [_as_row(row, places) for row in told]
    keys = sorted({row["key"] for row in rows})
    known = {row.key: dict(row._mapping) for row in await tx.session.execute(_KNOWN, {"keys": keys})}
    outcomes: list[Taken] = []
    weeks: set[tuple[UUID, date]] = set()
    changed: dict[str, dict[str, Any]] = {}
    for row in rows:
        before = changed.get(row["key"]) or known.get(row["key"])
        outcome = _compare(row, before)
        outcomes.append(outcome if not row["link"] else Taken.WAITING)
        if outcome is not Taken.UNCHANGED:
            changed[row["key"]] = row
            weeks |= _weeks(row, known.get(row["key"]))
    if changed:
        await _store(tx, list(changed.values()), now)
        await _mark(tx, weeks)
    return outcomes


def _as_row(told: UsageTold, places: Mapping[str, Place]) -> dict[str, Any]:
    customer_id, contract_id = places.get(told.link.word, (None, None))
    link = None if customer_id else told.link.word
    owner = contract_id or customer_id or told.link.word
    key = f"ext:{told.external_id}" if told.external_id else f"{owner}|{told.day.isoformat()}|{told.feature or ''}"
    return {
        "key": key,
        "external_id": told.external_id,
        "customer_id": customer_id,
        "contract_id": contract_id,
        "link": link,
        "day": told.day,
        "feature": told.feature,
        "count": told.count,
        "seconds": told.seconds,
        "errors": told.errors,
        "active_users": told.active_users,
    }


def _compare(row: Mapping[str, Any], before: Mapping[str, Any] | None) -> Taken:
    if before is None:
        return Taken.NEW
    return Taken.UNCHANGED if all(row[name] == before[name] for name in VALUES) else Taken.UPDATED


def _weeks(*rows: Mapping[str, Any] | None) -> set[tuple[UUID, date]]:
    """The weeks these rows count in: of a row that moved also the one it left."""
    return {(row["customer_id"], week_of(row["day"])) for row in rows if row and row["customer_id"]}


async def _store(tx: Transaction, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    names = ("key", "external_id", *VALUES)
    plural = {name: f"{name}s" for name in names}
    columns = {plural[name]: [row[name] for row in rows] for name in names}
    await tx.session.execute(_STORE, columns | {"now": now})


async def _mark(tx: Transaction, weeks: set[tuple[UUID, date]]) -> None:
    if weeks:
        customers, days = zip(*sorted(weeks), strict=True)
        await tx.session.execute(_MARK_WEEKS, {"customers": list(customers), "weeks": list(days)})
        await mark_stale(tx, set(customers))
