"""What people get: prospects, work on them, the queue and the valve."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from services.inside_sales.domain.lifecycle import Status
from services.inside_sales.domain.sla import Clock
from shared.http.bodies import Answer
from shared.http.paging import Page
from shared.money import Money


class CompanyOut(Answer):
    account_id: UUID
    name: str | None = None


class AppointmentOut(Answer):
    id: UUID
    external_id: str | None = None
    lead_id: UUID
    cycle: int
    opportunity_id: UUID
    rep: str | None = None
    start_at: datetime
    minutes: int
    place: str | None = Field(None, description="for sales only where it is an address")
    status: str = Field(description="set, held, missed or cancelled")
    created_at: datetime
    updated_at: datetime


class CycleOut(Answer):
    """One cycle of a lead."""

    lead_id: UUID
    cycle: int
    status: Status
    external_id: str | None = None
    account_id: UUID | None = None
    channel: str | None = None
    campaign: str | None = None
    segment: str | None = None
    industry: str | None = None
    product: str | None = None
    price_band: str | None = None
    region: str | None = None
    owner: str | None = Field(None, description="the rep it is credited to")
    claimed_by: str | None = Field(None, description="who works on it now")
    claimed_at: datetime | None = None
    cycle_source: str | None = None
    previous_ref: str | None = None
    score: int | None = None
    fit: int | None = None
    engagement: int | None = None
    declared: bool = False
    mql_at: datetime | None = None
    sla_due_at: datetime | None = Field(None, description="when the first human contact is due")
    first_contact_at: datetime | None = None
    unfollowed_at: datetime | None = Field(None, description="without human contact it is dropped then")
    accepted_at: datetime | None = None
    sql_at: datetime | None = None
    opened_at: datetime | None = None
    ended_at: datetime | None = Field(None, description="rejected, dropped, returned, won or lost: see status")
    reason: str | None = None
    recyclable: bool | None = None
    revisit_on: date | None = None
    budget: str | None = None
    authority: str | None = None
    need: str | None = None
    timing: str | None = None
    size: str | None = None
    expected_mrr: Money | None = None
    criteria_version: int | None = None
    opportunity_id: UUID | None = None
    note: str | None = Field(None, description="for sales and marketing only")
    comment: str | None = Field(None, description="for sales and marketing only")


class ProspectOut(CycleOut):
    """A lead in its current cycle."""

    id: UUID
    company: CompanyOut | None = None
    sla: Clock | None = Field(None, description="what the SLA clock shows")
    waiting_minutes: int | None = Field(None, description="since the MQL, as long as nobody contacted it")
    held: bool = Field(False, description="held back by the valve")
    appointment: AppointmentOut | None = Field(None, description="the latest one")
    merged_into: UUID | None = None
    created_at: datetime
    updated_at: datetime


class ChangeOut(Answer):
    """What a file corrected: field → old and new value."""

    cycle: int
    at: datetime
    by: str
    changes: dict[str, Any]


class ProspectDetail(ProspectOut):
    cycles: list[CycleOut] = Field(description="the earlier cycles, the latest first")
    changes: list[ChangeOut] = Field(description="corrections of what was known, the latest first")


class WaitingOut(Answer):
    """A row of a file whose lead marketing has not told of."""

    lead_external_id: str
    told_at: datetime
    by: str


class Why(Answer):
    """priority = the product of the four."""

    score: float
    age: float
    sla: float
    valve: float


class QueueItem(ProspectOut):
    priority: float
    why: Why


class HeldBack(Answer):
    count: int
    threshold: int = Field(description="of the company's valve")


class Queue(Page[QueueItem]):
    """`held`: what the valve holds back is shown apart, by `?held=true`."""

    held: HeldBack
    rule_version: int


class ActivityOut(Answer):
    id: UUID
    external_id: str | None = None
    lead_id: UUID
    cycle: int
    kind: str
    outcome: str | None = None
    automatic: bool
    at: datetime
    owner: str = Field(description="who did it")
    note: str | None = Field(None, description="for sales and marketing only")
    created_at: datetime
    updated_at: datetime


class ActivityDone(ActivityOut):
    """With what it did to the SLA clock of its prospect."""

    first_contact_at: datetime | None
    sla_due_at: datetime | None
    sla: Clock | None


class ValveOut(Answer):
    """`utilisation` = (offered + opened) ÷ slots."""

    id: str
    threshold: int
    utilisation: float | None
    why: str
    offered: int = Field(description="SQLs field sales has not decided on")
    opened: int = Field(description="opportunities it opened this week")
    slots: int | None = Field(description="what it can take a week; null: never told")
    rule_version: int
    moved_at: datetime | None
    judged_at: datetime | None


class ValveState(ValveOut):
    """The company's valve, those of regions, and what they hold back, the best first."""

    regions: list[ValveOut]
    held: list[QueueItem]
    held_count: int


class RepOut(Answer):
    id: str
    name: str | None = None
    email: str | None = None
    team: str | None = None
    region: str | None = None
    manager: str | None = None
    started_on: date | None = None
    slots_per_week: int | None = Field(None, description="of a field sales rep, as field sales told")
    archived_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


class BookedOut(Answer):
    start_at: datetime
    end_at: datetime


class WeekOut(Answer):
    begins_at: datetime
    slots: int | None
    booked: int
    free: int | None
    appointments: list[BookedOut]


class SlotsOut(Answer):
    rep: str
    timezone: str
    weeks: list[WeekOut]
