"""Ids in paths, and people who are one: `ext:<external id>` and merged leads are understood everywhere."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.customer_success.models import ContractRow, CustomerRow, LeadAliasRow, StepRow, TicketRow
from shared.errors import Invalid, NotFound

EXTERNAL = "ext:"


async def customer_id(session: AsyncSession, word: str) -> UUID:
    """The id in a path. Raises Invalid, and NotFound: the event that makes it may still be on its way."""
    return await _resolve(session, CustomerRow, word, "customer")


async def contract_id(session: AsyncSession, word: str) -> UUID:
    """Also by the external id of an amendment."""
    try:
        return await _resolve(session, ContractRow, word, "contract")
    except NotFound:
        name = word.removeprefix(EXTERNAL)
        mine = select(StepRow.contract_id).where(StepRow.external_id == name, StepRow.superseded_at.is_(None)).limit(1)
        found = await session.scalar(mine) if word.startswith(EXTERNAL) else None
        if found is None:
            raise
        return found


async def ticket_id(session: AsyncSession, word: str) -> UUID:
    return await _resolve(session, TicketRow, word, "ticket")


async def _resolve(session: AsyncSession, row: Any, word: str, kind: str) -> UUID:
    missing = NotFound(f"The {kind} {word} is not known here", retry_after=1)
    if word.startswith(EXTERNAL):
        query = select(row.id).where(row.external_id == word.removeprefix(EXTERNAL))
    else:
        try:
            query = select(row.id).where(row.id == UUID(word))
        except ValueError as error:
            raise Invalid(f"{kind}_id", "an id, or ext: and the caller's own") from error
    found: UUID | None = await session.scalar(query)
    if found is None:
        raise missing
    return found


def is_lead(column: Any, lead_id: UUID) -> ColumnElement[bool]:
    """The lead, or one that was merged into it, or the one it was merged into and whoever else was."""
    alias = LeadAliasRow
    head = select(alias.lead_id).where(alias.merged_lead_id == lead_id)
    others = select(alias.merged_lead_id).where(or_(alias.lead_id == lead_id, alias.lead_id.in_(head)))
    return or_(column == lead_id, column.in_(head), column.in_(others))
