"""The caches as they would have been at an earlier time, from what was recorded by then."""

from datetime import datetime, tzinfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.kpi.commands.folding import Folding, Touched
from services.kpi.models import CACHES, LIVE

PAST = "pg_temp"
_ANY = f"SELECT EXISTS (SELECT FROM {LIVE}.fact WHERE recorded_at > :known_at)"
_LATER = """
SELECT DISTINCT type, lead_id, opportunity_id, account_id,
       CASE WHEN type IN ('marketing.visits_recorded.v1', 'marketing.spend_recorded.v1') THEN reference END AS reference
FROM {schema}.fact WHERE recorded_at > :known_at
"""


async def recorded_since(session: AsyncSession, known_at: datetime) -> bool:
    """Whether anything was; else what is known now was known then."""
    return bool(await session.scalar(text(_ANY), {"known_at": known_at}))


async def remember(session: AsyncSession, known_at: datetime, zone: tzinfo) -> str:
    """Fold what was known at `known_at` into temporary tables that last until the transaction ends; their schema.

    What nothing was recorded about since is as it is now and only copied.
    """
    for table in CACHES:
        shape = f"(LIKE {LIVE}.{table.name} INCLUDING INDEXES)"
        await session.execute(text(f"CREATE TEMPORARY TABLE {table.name} {shape} ON COMMIT DROP"))
        await session.execute(text(f"INSERT INTO {PAST}.{table.name} SELECT * FROM {LIVE}.{table.name}"))
    later = await session.execute(text(_LATER.format(schema=LIVE)), {"known_at": known_at})
    await Folding(session, zone, target=PAST, known_at=known_at).fold(Touched.by(later))
    for table in CACHES:
        await session.execute(text(f"ANALYZE {PAST}.{table.name}"))
    return PAST
