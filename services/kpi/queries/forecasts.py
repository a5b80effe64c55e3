"""Forecasts that were kept, and calls that were made."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

SNAPSHOT, DEALS, SUBMISSION = "forecast_snapshot", "forecast_snapshot_deals", "forecast_submission"
MOST = 500


class Kept(NamedTuple):
    """A forecast as it was kept; its deals, which are many, are kept apart under the same key."""

    key: str
    body: dict[str, Any]
    set_by: str
    set_at: datetime


def _where(given: dict[str, str | None]) -> tuple[str, dict[str, str]]:
    """Conditions on the body, and their parameters; names are our own."""
    asked = {name: value for name, value in given.items() if value is not None}
    return " ".join(f"AND body ->> '{name}' = :{name}" for name in asked), asked


async def snapshots(
    session: AsyncSession, *, period: str | None = None, length: str | None = None, horizon: str | None = None
) -> list[Kept]:
    """The newest first."""
    where, asked = _where({"period": period, "length": length, "horizon": horizon})
    query = f"""
        SELECT decision_id, body, set_by, set_at FROM decision_version
        WHERE kind = :kind {where} ORDER BY (body ->> 'at')::timestamptz DESC, decision_id LIMIT :most
    """
    rows = await session.execute(text(query), {"kind": SNAPSHOT, "most": MOST, **asked})
    return [Kept(*row) for row in rows]


async def submissions(
    session: AsyncSession, *, period: str | None = None, owner: str | None = None, author: str | None = None
) -> Sequence[tuple[Any, bool]]:
    """The newest first, each with whether it is the newest of its author, level and owner."""
    where, asked = _where({"period": period, "owner": owner, "author": author})
    query = f"""
        SELECT body, version, set_at, version = max(version) OVER (PARTITION BY decision_id) AS newest
        FROM decision_version WHERE kind = :kind {where} ORDER BY set_at DESC, decision_id, version DESC LIMIT :most
    """
    rows = await session.execute(text(query), {"kind": SUBMISSION, "most": MOST, **asked})
    return [(row, row.newest) for row in rows]


async def judged_snapshots(
    session: AsyncSession, length: str, horizons: Sequence[str], whole: tuple[date, date], currency: str
) -> list[Kept]:
    """Those kept by rule at one of these horizons, of periods that lie in `whole`."""
    query = """
        SELECT decision_id, body, set_by, set_at FROM decision_version
        WHERE kind = :kind AND body ->> 'length' = :length AND body ->> 'horizon' = ANY(:horizons)
          AND (body ->> 'from_date')::date >= :first AND (body ->> 'to_date')::date <= :last
          AND body ->> 'currency' = :currency
        ORDER BY decision_id
    """
    given = {"kind": SNAPSHOT, "length": length, "horizons": list(horizons), "currency": currency}
    rows = await session.execute(text(query), {**given, "first": whole[0], "last": whole[1]})
    return [Kept(*row) for row in rows]


async def newest_calls(
    session: AsyncSession, asked: Sequence[tuple[str, str, datetime]]
) -> list[dict[str, Any] | None]:
    """For each period and moment the newest call a manager had made of the whole company by then."""
    query = """
        SELECT c.body FROM unnest(CAST(:starts AS text[]), CAST(:ends AS text[]), CAST(:moments AS timestamptz[]))
            WITH ORDINALITY AS a(first, last, moment, place)
        LEFT JOIN LATERAL (
            SELECT v.body FROM decision_version v
            WHERE v.kind = :kind AND v.decision_id LIKE a.first || '/' || a.last || '/%'
              AND v.body ->> 'level' = 'manager' AND v.body ->> 'owner' IS NULL AND v.set_at <= a.moment
            ORDER BY v.set_at DESC LIMIT 1
        ) AS c ON true ORDER BY a.place
    """
    starts, ends, moments = (list(column) for column in zip(*asked, strict=True)) if asked else ([], [], [])
    given = {"kind": SUBMISSION, "starts": starts, "ends": ends, "moments": moments}
    return list(await session.scalars(text(query), given))


async def calls_of_reps(
    session: AsyncSession, asked: Sequence[tuple[str, str, datetime]]
) -> list[dict[str, dict[str, Any]]]:
    """For each period and moment the newest call of each rep that had been made by then, by whose deals it is of."""
    query = """
        SELECT a.place, c.owner, c.body
        FROM unnest(CAST(:starts AS text[]), CAST(:ends AS text[]), CAST(:moments AS timestamptz[]))
            WITH ORDINALITY AS a(first, last, moment, place)
        CROSS JOIN LATERAL (
            SELECT DISTINCT ON (v.body ->> 'owner') v.body ->> 'owner' AS owner, v.body FROM decision_version v
            WHERE v.kind = :kind AND v.decision_id LIKE a.first || '/' || a.last || '/%'
              AND v.body ->> 'level' = 'rep' AND v.set_at <= a.moment
            ORDER BY v.body ->> 'owner', v.set_at DESC
        ) AS c ORDER BY a.place
    """
    starts, ends, moments = (list(column) for column in zip(*asked, strict=True)) if asked else ([], [], [])
    given = {"kind": SUBMISSION, "starts": starts, "ends": ends, "moments": moments}
    found: list[dict[str, dict[str, Any]]] = [{} for _ in asked]
    for row in await session.execute(text(query), given):
        found[row.place - 1][row.owner] = row.body
    return found
