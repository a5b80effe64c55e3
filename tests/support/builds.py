"""Two builds of one product, for a node to run: the new one tells one more field of a lead, which may be absent, and
listens to one more type. The old one knows neither."""

from typing import ClassVar, Literal
from uuid import UUID

from sqlalchemy import text

from shared.contracts.base import LeadEvent
from shared.contracts.envelope import Meta
from shared.contracts.marketing import LeadCreated
from shared.database import Transaction
from shared.messaging.inbox import Handlers
from tests.support.messaging import Side, write_down

Build = Literal["old", "new"]
_NOTE = text("INSERT INTO understood (id, mood) VALUES (:id, :mood)")


class LeadCreatedWithMood(LeadCreated):
    """The same type in the same version."""

    mood: str | None = None


class LeadCheered(LeadEvent):
    type: ClassVar[str] = "marketing.lead_cheered.v1"


async def prepare(reader: Side) -> None:
    """A place where the new build notes what it heard of the new field."""
    async with reader.database.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE understood (id text PRIMARY KEY, mood text)"))


def lead_created(build: Build, lead: UUID) -> LeadCreated:
    if build == "new":
        return LeadCreatedWithMood(lead_id=lead, cycle=1, mood="glad")
    return LeadCreated(lead_id=lead, cycle=1)


def handlers_of(build: Build) -> Handlers:
    if build == "new":
        return {LeadCreatedWithMood: _understand, LeadCheered: write_down}
    return {LeadCreated: write_down}


async def _understand(tx: Transaction, event: LeadCreatedWithMood, meta: Meta) -> None:
    await write_down(tx, event, meta)
    await tx.session.execute(_NOTE, {"id": meta.id, "mood": event.mood})
