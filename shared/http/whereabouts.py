"""`/v1/whereabouts`: what this service knows of the way of some journeys' events: told, sent, taken in, waiting."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from shared.auth import Role
from shared.http.door import Door, Reading, allowed
from shared.line import fetch
from shared.service import Service

MOST = 200  # journeys at once

_UNSENT = """
SELECT stream AS journey, sequence, type, event_id, created_at, attempts FROM outbox
WHERE stream = ANY($1) ORDER BY stream, sequence LIMIT 5000
"""
_TOLD = "SELECT stream AS journey, last_sequence FROM outbox_stream WHERE stream = ANY($1) ORDER BY stream"
_HEARD = """
SELECT source, stream AS journey, last_sequence FROM applied_sequence WHERE stream = ANY($1) ORDER BY source, stream
"""
_WAITING = """
SELECT id, 'parked' AS kind, source, stream AS journey, sequence, reason, error, parked_at AS since FROM parked_event
WHERE stream = ANY($1)
UNION ALL
SELECT id, 'discarded', source, stream, sequence, discarded_because, error, discarded_at FROM dead_letter
WHERE stream = ANY($1) AND discarded_at IS NOT NULL
ORDER BY journey, source, sequence LIMIT 5000
"""


class Unsent(BaseModel):
    """Committed, and not yet in Kafka."""

    journey: str
    sequence: int
    type: str
    event_id: str
    since: datetime
    attempts: int


class Told(BaseModel):
    """The number of the last event this service told of a journey."""

    journey: str
    last_sequence: int


class Heard(BaseModel):
    """The number of the last event of `source` that this service took in of a journey."""

    source: str
    journey: str
    last_sequence: int


class Waiting(BaseModel):
    """A dead letter of the journey, by its id."""

    id: str
    kind: str
    source: str
    journey: str
    sequence: int
    reason: str | None
    error: str | None
    since: datetime


class WhereaboutsOut(BaseModel):
    service: str
    listens: list[str] = Field(description="the departments whose events it reads")
    told: list[Told]
    unsent: list[Unsent]
    heard: list[Heard]
    waiting: list[Waiting]


def whereabouts_router(service: Service) -> APIRouter:
    """What `service` knows of the way of events."""
    router = APIRouter(prefix="/v1", tags=["dead letters"], route_class=Door)

    @router.get("/whereabouts", dependencies=[allowed(Role.OPS_LEAD)])
    async def whereabouts(
        session: Reading, journey: Annotated[list[str], Query(min_length=1, max_length=MOST)]
    ) -> WhereaboutsOut:
        """Of each journey: what was told last, what is not sent, what was taken in, what waits and why."""
        return WhereaboutsOut(
            service=service.name,
            listens=list(service.listens),
            told=[Told(**row) for row in await _rows(session, _TOLD, journey)],
            unsent=[
                Unsent(**{**row, "event_id": str(row["event_id"]), "since": row["created_at"]})
                for row in await _rows(session, _UNSENT, journey)
            ],
            heard=[Heard(**row) for row in await _rows(session, _HEARD, journey)],
            waiting=[Waiting(**{**row, "id": str(row["id"])}) for row in await _rows(session, _WAITING, journey)],
        )

    return router


async def _rows(session: AsyncSession, statement: str, journeys: Sequence[str]) -> list[dict[str, Any]]:
    return [dict(row) for row in await fetch(session, statement, journeys)]
