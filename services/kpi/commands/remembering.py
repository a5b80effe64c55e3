"""The caches as they would have been at an earlier time, from what was recorded by then."""

from collections.abc import Iterator
from datetime import datetime, tzinfo

from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.kpi.commands.folding import Folding, Touched
from services.kpi.models import CACHES, LIVE
from shared.line import fetch

PAST = "pg_temp"
_ANY = f"""
SELECT EXISTS (SELECT FROM {LIVE}.fact WHERE recorded_at <= :known_at) AS before,
       EXISTS (SELECT FROM {LIVE}.fact WHERE recorded_at > :known_at) AS since
"""
_LATER = """
SELECT DISTINCT type, lead_id, opportunity_id, account_id,
       CASE WHEN type IN ('marketing.visits_recorded.v1', 'marketing.spend_recorded.v1') THEN reference END AS reference
FROM {schema}.fact WHERE recorded_at > :known_at
"""


async def remember(session: AsyncSession, known_at: datetime, zone: tzinfo) -> str:
    """Fold what was known at `known_at` into temporary tables that last until the transaction ends; their schema.

    What nothing was recorded about since is as it is now, and read where it is: so nobody may fold meanwhile, or the
    transaction has a view of its own.
    """
    told = (await session.execute(text(_ANY), {"known_at": known_at})).one()
    if not told.since:
        return LIVE
    if not told.before:
        for table in CACHES:
            await fetch(session, f"CREATE TEMPORARY TABLE {table.name} (LIKE {LIVE}.{table.name}) ON COMMIT DROP")
        return PAST
    for table in CACHES:
        for statement in _shadow(table):
            await fetch(session, statement)
    later = await session.execute(text(_LATER.format(schema=LIVE)), {"known_at": known_at})
    folding = Folding(session, zone, target=PAST, known_at=known_at)
    for part in Touched.by(later).parts():  # between two statements no server waits long
        await folding.fold(part)
    for table in CACHES:
        for side in ("then", "gone"):
            await fetch(session, f"ANALYZE {PAST}.{table.name}_{side}")
    return PAST


def _shadow(table: Table) -> Iterator[str]:
    """A view by the table's name: its rows without those that are `gone`, and those that were there `then`. What is
    deleted from it or inserted into it is noted in these two, and the table in use stays as it is."""
    name, live = table.name, f"{LIVE}.{table.name}"
    then, gone = f"{PAST}.{name}_then", f"{PAST}.{name}_gone"
    key = [column.name for column in table.primary_key.columns]
    mine, old, other = (", ".join(f"{row}.{column}" for column in key) for row in ("l", "OLD", "g"))
    yield f"CREATE TEMPORARY TABLE {name}_then (LIKE {live} INCLUDING INDEXES) ON COMMIT DROP"
    yield f"CREATE TEMPORARY TABLE {name}_gone ON COMMIT DROP AS SELECT {', '.join(key)} FROM {live} WITH NO DATA"
    yield f"ALTER TABLE {gone} ADD PRIMARY KEY ({', '.join(key)})"
    yield f"""
        CREATE TEMPORARY VIEW {name} AS
        SELECT l.* FROM {live} l WHERE NOT EXISTS (SELECT FROM {gone} g WHERE ({other}) = ({mine}))
        UNION ALL SELECT * FROM {then}
    """
    yield f"""
        CREATE OR REPLACE FUNCTION {PAST}.note_{name}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'INSERT' THEN
                INSERT INTO {then} SELECT NEW.*;
                RETURN NEW;
            END IF;
            DELETE FROM {then} l WHERE ({mine}) = ({old});
            INSERT INTO {gone} VALUES ({old}) ON CONFLICT DO NOTHING;
            RETURN OLD;
        END $$
    """
    yield f"""
        CREATE TRIGGER note INSTEAD OF INSERT OR DELETE ON {PAST}.{name}
        FOR EACH ROW EXECUTE FUNCTION {PAST}.note_{name}()
    """
