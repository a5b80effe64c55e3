"""The way back of leads (リサイクル)."""

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel

from services.marketing.domain.recycling import CycleSource
from shared.http.bodies import Answer

RecyclingStatus = Literal["due", "waiting", "done", "cancelled"]


class RecyclingOut(Answer):
    """The way back of one ended cycle. `cycle` is the one that ended, `next_cycle` the one that came of it."""

    id: UUID
    lead_id: UUID
    cycle: int
    cycle_source: CycleSource
    reason: str | None
    previous_ref: str
    status: RecyclingStatus
    revisit_on: date | None
    next_cycle: int | None
    opened_at: AwareDatetime | None
    note: str | None
    by: str
    created_at: AwareDatetime
    updated_at: AwareDatetime


class RecyclingCounts(BaseModel):
    """How many of each, under the same filters but status and day; `by_source` counts every status."""

    due: int = 0
    waiting: int = 0
    done: int = 0
    cancelled: int = 0
    by_source: dict[str, dict[str, int]] = {}


class RecyclingPage(BaseModel):
    items: list[RecyclingOut]
    next_cursor: str | None = None
    counts: RecyclingCounts
