"""Take facts in: the set union of what is known and what came, and what follows from the new ones."""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from services.kpi.commands.folding import Folding, Touched
from services.kpi.commands.storing import beat, fact_row
from services.kpi.models import LIVE
from services.kpi.projections import facts as told
from services.kpi.projections.facts import Fact
from shared.line import fetch

# One at a time folds: facts of one journey may come over several topics and partitions, and each must see the others.
# Taken before any table is written, so that whoever holds it never waits for a table of another who waits for it.
FOLDER = 0x7E_0DE1_F01D
# What a crash takes back is taken back with its offset, and read again: this commit need not wait for the disk.
TURN = "SELECT pg_advisory_xact_lock($1), set_config('synchronous_commit', 'off', true)"

_STORE = """
WITH fresh AS (
    INSERT INTO {schema}.fact SELECT * FROM json_populate_recordset(NULL::{schema}.fact, $1::text::json)
    ON CONFLICT (event_id) DO NOTHING RETURNING event_id, source, stream, sequence, lead_id
), noted AS (
    INSERT INTO {schema}.stream_state AS s (source, stream, seen, highest, gap_since)
    SELECT source, stream, count(*), max(sequence), CASE WHEN max(sequence) > count(*) THEN clock_timestamp() END
    FROM fresh GROUP BY source, stream ORDER BY source, stream
    ON CONFLICT (source, stream) DO UPDATE SET seen = s.seen + excluded.seen,
        highest = greatest(s.highest, excluded.highest),
        gap_since = CASE WHEN greatest(s.highest, excluded.highest) > s.seen + excluded.seen
                         THEN coalesce(s.gap_since, clock_timestamp()) END
)
SELECT event_id, EXISTS (SELECT FROM {schema}.fact e WHERE e.lead_id = fresh.lead_id AND e.type = $2) AS erased
FROM fresh
"""
# The caller's own id of a person may say who they are; it goes with them, whichever was told first.
_FORGET = """
UPDATE {schema}.fact f SET data = f.data - 'external_id',
    reference = CASE WHEN f.reference = f.data ->> 'external_id' THEN NULL ELSE f.reference END
FROM {schema}.fact e
WHERE e.type = $1 AND e.lead_id = ANY($2::uuid[]) AND f.lead_id = e.lead_id
  AND jsonb_exists(f.data, 'external_id')
"""


async def record(session: AsyncSession, facts: Sequence[Fact], *, zone: tzinfo, now: datetime) -> set[UUID]:
    """Store the facts that are new, fold what they touch; returns the ids of the new ones."""
    await fetch(session, TURN, FOLDER)
    fresh = await store(session, facts)
    if fresh:
        await Folding(session, zone).fold(Touched.by(fact for fact in facts if fact.id in fresh))
        await beat(session, now)
    return fresh


async def store(session: AsyncSession, facts: Sequence[Fact], schema: str = LIVE) -> set[UUID]:
    """Facts nobody knew yet into the set; their streams' numbers beside them."""
    distinct = {fact.id: fact for fact in facts}
    if not distinct:
        return set()
    rows = orjson.dumps([fact_row(fact) for fact in distinct.values()], default=str).decode()
    found = await fetch(session, _STORE.format(schema=schema), rows, told.LEAD_ERASED)
    new = [distinct[row["event_id"]] for row in found]
    erased = any(row["erased"] for row in found) or any(fact.type == told.LEAD_ERASED for fact in new)
    if erased:
        leads = sorted({fact.lead_id for fact in new if fact.lead_id})
        await fetch(session, _FORGET.format(schema=schema), told.LEAD_ERASED, leads)
    return {fact.id for fact in new}
