"""One journey, as everybody told it."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from services.kpi.queries import journeys
from shared.errors import NotFound
from shared.http.bodies import Answer
from shared.http.door import Door, Reading

router = APIRouter(prefix="/v1", tags=["journeys"], route_class=Door)


class EventOut(Answer):
    id: UUID
    type: str
    department: str
    occurred_at: datetime
    recorded_at: datetime
    source: str
    sequence: int
    lead_id: UUID | None
    cycle: int | None
    opportunity_id: UUID | None
    account_id: UUID | None
    contract_id: UUID | None
    data: dict[str, Any]


class EntryOut(Answer):
    """An entry into a milestone or an end of the way; `until` when it was taken back."""

    milestone: str
    at: datetime
    until: datetime | None
    lead_id: UUID | None
    cycle: int | None
    opportunity_id: UUID | None
    account_id: UUID | None
    reason: str | None
    event_id: UUID


class PlaceOut(Answer):
    """Where a cycle is now."""

    lead_id: UUID
    cycle: int
    place: str
    since: datetime
    revisit_on: date | None


class JourneyOut(Answer):
    lead_ids: list[UUID]
    opportunity_ids: list[UUID]
    account_ids: list[UUID]
    places: list[PlaceOut]
    entries: list[EntryOut]
    events: list[EventOut]
    next_cursor: UUID | None = Field(description="the last event of this page, where there are more")


@router.get("/journeys/{lead_id}")
async def get_journey(
    lead_id: str,
    session: Reading,
    limit: Annotated[int, Query(ge=1, le=500)] = 500,
    cursor: UUID | None = None,
) -> JourneyOut:
    """A person's whole way with every event of every department, in order. The id may also be an opportunity's or a
    company's, and `ext:<external_id>` names any of them."""
    keys = await journeys.find(session, lead_id)
    if keys is None:
        raise NotFound("Nothing was ever told of this", retry_after=1)
    rows = await journeys.events(session, keys, limit=limit + 1, after=cursor)
    return JourneyOut(
        lead_ids=sorted(keys.leads),
        opportunity_ids=sorted(keys.opportunities),
        account_ids=sorted(keys.accounts),
        places=[PlaceOut.model_validate(row) for row in await journeys.places(session, keys)],
        entries=[EntryOut.model_validate(row) for row in await journeys.entries(session, keys)],
        events=[EventOut.model_validate({**row, "department": row["publisher"]}) for row in rows[:limit]],
        next_cursor=rows[limit - 1]["id"] if len(rows) > limit else None,
    )
