"""What lists can be filtered by."""

from datetime import date
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.inside_sales.domain.lifecycle import Status
from services.inside_sales.schemas.acts import SliceIn
from shared.http.bodies import Key
from shared.http.paging import ListQuery


class ProspectQuery(ListQuery):
    lead_id: UUID | None = None
    status: Status | None = None
    owner: Key | None = None
    claimed_by: Key | None = None
    cycle: int | None = Field(None, ge=1, le=1_000_000)
    account_id: UUID | None = None
    opportunity_id: UUID | None = None
    channel: Key | None = None
    campaign: Key | None = None
    segment: Key | None = None
    industry: Key | None = None
    product: Key | None = None
    price_band: Key | None = None
    region: Key | None = None
    reason: Key | None = None
    mql_at_from: AwareDatetime | None = None
    mql_at_to: AwareDatetime | None = None
    sla_due_at_from: AwareDatetime | None = None
    sla_due_at_to: AwareDatetime | None = None
    sql_at_from: AwareDatetime | None = None
    sql_at_to: AwareDatetime | None = None
    ended_at_from: AwareDatetime | None = None
    ended_at_to: AwareDatetime | None = None
    revisit_on_from: date | None = None
    revisit_on_to: date | None = None


class ActivityQuery(ListQuery):
    kind: Key | None = None
    outcome: Key | None = None
    owner: Key | None = None
    cycle: int | None = Field(None, ge=1, le=1_000_000)
    at_from: AwareDatetime | None = None
    at_to: AwareDatetime | None = None


class AppointmentQuery(ListQuery):
    lead_id: UUID | None = None
    opportunity_id: UUID | None = None
    rep: Key | None = None
    status: Key | None = None
    start_at_from: AwareDatetime | None = None
    start_at_to: AwareDatetime | None = None


class WaitingQuery(ListQuery):
    by: Key | None = None


class RepQuery(ListQuery):
    name: Key | None = None
    team: Key | None = None
    region: Key | None = None
    manager: Key | None = None


class QueueQuery(SliceIn):
    held: bool = Field(False, description="what the valve holds back, instead of what it releases")
    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = Field(None, max_length=500)


class SlotsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    weeks: int = Field(4, ge=1, le=26)
