"""The caches as they would have been at an earlier time, from what was recorded by then."""

from collections.abc import Iterator
from datetime import datetime, tzinfo

from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.kpi.commands.folding import Folding, Touched
from services.kpi.models import CACHES, LIVE
from services.kpi.projections.facts import SUM_TYPES
from shared.line import fetch

PAST = "pg_temp"
BEFORE, SINCE = "recorded_at <= :known_at", "recorded_at > :known_at"
COMPARED = 100_000  # facts counted on each side at most: beyond that counting costs more than it tells
_COUNTED = f"(SELECT count(*) FROM (SELECT FROM {LIVE}.fact WHERE {{told}} LIMIT {COMPARED}) AS f)"
_FACTS = f"SELECT {_COUNTED.format(told=BEFORE)} AS before, {_COUNTED.format(told=SINCE)} AS since"
_TOLD = f"""
SELECT DISTINCT type, lead_id, opportunity_id, account_id,
       CASE WHEN type IN ({", ".join(f"'{name}'" for name in sorted(SUM_TYPES))}) THEN reference END AS reference
FROM {LIVE}.fact WHERE {{told}}
"""
_MADE = "SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r' ORDER BY relname"


async def remember(session: AsyncSession, known_at: datetime, zone: tzinfo) -> str:
    """Fold what was known at `known_at` into temporary tables that last until the transaction ends; their schema.

    Where more was told since than before, all that was known is folded; else what was told since is, and what nothing
    was recorded about since is as it is now, and read where it is. So the transaction must have a view of its own.
    """
    facts = (await session.execute(text(_FACTS), {"known_at": known_at})).one()
    if not facts.since:
        return LIVE
    anew = facts.before < facts.since
    for table in CACHES:
        for statement in _empty(table) if anew else _shadow(table):
            await fetch(session, statement)
    await _fold(session, BEFORE if anew else SINCE, zone, known_at=known_at)
    return PAST


async def go_back(session: AsyncSession, known_at: datetime, remembered: datetime, zone: tzinfo) -> None:
    """What `remember` has folded as of `remembered` as of an earlier moment, in the same transaction."""
    await _fold(session, f"{SINCE} AND recorded_at <= :remembered", zone, known_at=known_at, remembered=remembered)


async def _fold(session: AsyncSession, which: str, zone: tzinfo, *, known_at: datetime, **more: datetime) -> None:
    """All that these facts touch, as it was known."""
    told = await session.execute(text(_TOLD.format(told=which)), {"known_at": known_at, **more})
    folding = Folding(session, zone, target=PAST, known_at=known_at)
    for part in Touched.by(told).parts():  # between two statements no server waits long
        await folding.fold(part)
    for (name,) in await fetch(session, _MADE):
        await fetch(session, f"ANALYZE {PAST}.{name}")


def _empty(table: Table) -> Iterator[str]:
    yield f"CREATE TEMPORARY TABLE {table.name} (LIKE {LIVE}.{table.name} INCLUDING INDEXES) ON COMMIT DROP"


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
