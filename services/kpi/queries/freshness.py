"""How new the figures are, as last noted."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.kpi.domain.freshness import Freshness
from services.kpi.models.standing import freshness as table


async def freshness(session: AsyncSession, publishers: Sequence[str], seconds: float) -> Freshness:
    """Of each of `publishers`; `seconds` is how old news may be unremarked."""
    known = {name: moment for name, moment in await session.execute(select(table.c.publisher, table.c.complete_to))}
    return Freshness({name: known.get(name) for name in publishers}, timedelta(seconds=seconds))
