"""Reads: what the API and the pages show."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.marketing.models import (
    AccountRow,
    AliasRow,
    ChangeRow,
    LeadCycleRow,
    LeadRow,
    RecyclingRow,
    TouchRow,
)
from shared.database import Record
from shared.errors import Invalid, NotFound
from shared.http.paging import ListQuery, filtered, page

R = TypeVar("R", bound=Record)

ALIASES = {"LeadRow": "lead", "AccountRow": "account"}


async def resolve(session: AsyncSession, row: type[R], reference: str) -> UUID:
    """The id behind an id of ours or `ext:<external id>`. Raises NotFound; an unknown id of ours is passed on."""
    if not reference.startswith("ext:"):
        try:
            return UUID(reference)
        except ValueError:
            raise NotFound(f"{reference} is no id of ours; your own ids are written ext:<id>") from None
    external = reference.removeprefix("ext:")
    column: Any = row.__dict__["external_id"]
    found = await session.scalar(select(row.id).where(column == external))
    if found is None and row.__name__ in ALIASES:
        alias = select(AliasRow.target_id).where(
            AliasRow.kind == ALIASES[row.__name__], AliasRow.external_id == external
        )
        found = await session.scalar(alias)
    if found is None:
        raise NotFound(f"{reference} is not known here")
    return found


async def resolve_field(session: AsyncSession, row: type[R], field: str, reference: str) -> UUID:
    """The same for a reference in a body: unknown is malformed. Raises Invalid."""
    try:
        found = await resolve(session, row, reference)
    except NotFound as error:
        raise Invalid(field, error.detail) from error
    if await session.get(row, found) is None:
        raise Invalid(field, f"{reference} is not known here")
    return found


async def one(session: AsyncSession, row: type[R], reference: str) -> R:
    found = await session.get(row, await resolve(session, row, reference))
    if found is None:
        raise NotFound(f"{reference} is not known here")
    return found


async def listed(session: AsyncSession, row: type[R], given: ListQuery) -> tuple[list[R], str | None]:
    """One page; what was merged away is hidden like what is archived."""
    query = filtered(select(row), row, given)
    merged: Any = getattr(row, "merged_into_id", None)
    if merged is not None and not given.archived:
        query = query.where(merged.is_(None))
    return await page(session, query, row, given)


async def company_names(session: AsyncSession, leads: Iterable[LeadRow]) -> dict[UUID | None, str]:
    wanted = {lead.account_id for lead in leads if lead.account_id}
    if not wanted:
        return {}
    rows = await session.execute(select(AccountRow.id, AccountRow.name).where(AccountRow.id.in_(wanted)))
    return {row.id: row.name for row in rows}


async def cycles_of(session: AsyncSession, lead_id: UUID) -> list[LeadCycleRow]:
    query = select(LeadCycleRow).where(LeadCycleRow.lead_id == lead_id).order_by(LeadCycleRow.cycle)
    return list(await session.scalars(query))


async def touches_of(session: AsyncSession, lead_id: UUID, given: ListQuery) -> tuple[list[TouchRow], str | None]:
    """Of the person: also those told of leads that were merged into this one."""
    person = select(LeadRow.id).where(or_(LeadRow.id == lead_id, LeadRow.merged_into_id == lead_id))
    query = filtered(select(TouchRow).where(TouchRow.lead_id.in_(person)), TouchRow, given)
    return await page(session, query, TouchRow, given)


async def changes_of(session: AsyncSession, subject_id: UUID, limit: int) -> list[ChangeRow]:
    query = select(ChangeRow).where(ChangeRow.subject_id == subject_id)
    return list(await session.scalars(query.order_by(ChangeRow.at.desc(), ChangeRow.id.desc()).limit(limit)))


def recycling_in(status: str, today: date) -> Any:
    """The condition of one status: what waits is due once its day has come."""
    row = RecyclingRow
    due = or_(row.revisit_on.is_(None), row.revisit_on <= today)
    conditions: dict[str, Any] = {
        "due": (row.state == "waiting") & due,
        "waiting": (row.state == "waiting") & ~due,
        "done": row.state == "opened",
        "cancelled": row.state == "cancelled",
    }
    return conditions[status]


RECYCLING = ("due", "waiting", "done", "cancelled")


async def recycling_counts(session: AsyncSession, query: Select[Any], today: date) -> Sequence[Any]:
    """`(cycle_source, due, waiting, done, cancelled)` of what `query` selects."""
    chosen = query.with_only_columns(RecyclingRow.id).order_by(None).subquery()
    counts = [func.count().filter(recycling_in(status, today)) for status in RECYCLING]
    counted = select(RecyclingRow.cycle_source, *counts).where(RecyclingRow.id.in_(select(chosen.c.id)))
    return (await session.execute(counted.group_by(RecyclingRow.cycle_source))).all()
