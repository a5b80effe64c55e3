"""What field sales answers."""

from datetime import date, datetime
from uuid import UUID

from pydantic import Field

from services.field_sales.domain.appointments import AppointmentStatus
from services.field_sales.domain.lifecycle import Status
from shared.http.bodies import Answer
from shared.money import Money


class AppointmentOut(Answer):
    id: UUID
    rep: str | None
    start_at: datetime
    minutes: int
    place: str | None
    status: AppointmentStatus
    reason: str | None
    set_at: datetime
    reschedules: int


class FirstVisitOut(Answer):
    """`differing` are the compared fields that differ; `optimistic` those inside sales' note was too hopeful about,
    `cautious` those it was too cautious about."""

    at: datetime
    by: str
    valid: bool
    reason: str | None
    note: str | None
    found: dict[str, str]
    compared: list[str]
    differing: list[str]
    optimistic: list[str]
    cautious: list[str]


class PromiseOut(Answer):
    number: int
    text: str
    kept: str | None = Field(description="what customer success found: yes, partly or no")
    reviewed_at: datetime | None


class OpportunityOut(Answer):
    """`note` holds the codes of inside sales' hand-over; `waiting_for_lead` says that the lead it names is unknown."""

    id: UUID
    external_id: str | None
    status: Status
    origin: str
    lead_id: UUID | None
    lead_external_id: str | None
    waiting_for_lead: bool
    cycle: int | None
    account_id: UUID | None
    account_name: str | None
    contract_id: UUID | None
    channel: str | None
    campaign: str | None
    segment: str | None
    industry: str | None
    product: str | None
    price_band: str | None
    region: str | None
    owner: str | None
    team: str | None
    handed_over_by: str | None
    note: dict[str, str] | None
    mrr: Money | None
    amount: Money | None
    one_off: Money | None
    expected_close_date: date | None
    phase: str | None
    forecast_category: str | None
    next_step: str | None
    next_step_on: date | None
    offered_at: datetime | None
    opened_at: datetime | None
    closed_at: datetime | None
    won_on: date | None
    starts_on: date | None
    billing_starts_on: date | None
    term_months: int | None
    reason: str | None
    recyclable: bool | None
    revisit_on: date | None
    comment: str | None
    regressions: int = Field(description="how often it went back to an earlier phase")
    reopenings: int
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    appointment: AppointmentOut | None = None
    first_visit: FirstVisitOut | None = None
    promises: list[PromiseOut] = Field([])


class StepOut(Answer):
    kind: str
    at: datetime
    recorded_at: datetime
    by: str
    status: Status
    phase: str | None
    reason: str | None
    note: str | None
    changes: dict[str, list[object]] | None = Field(description="field → old and new value")


class PhaseSpanOut(Answer):
    """A stay in one phase; `until` is null while it lasts."""

    phase: str
    since: datetime
    until: datetime | None
    seconds: float
    days: float


class HistoryOut(Answer):
    opportunity_id: UUID
    steps: list[StepOut]
    phases: list[PhaseSpanOut]


class Sum(Answer):
    """Money added up: minor units without the bound a single amount has."""

    amount: int
    currency: str


class PipelineLine(Answer):
    """The open opportunities of one phase with money in one currency; `currency` is null for those without any.

    `weighted_mrr` and `weighted_amount` are multiplied by the phase's win probability, rounded half-even at the end.
    """

    phase: str | None
    currency: str | None
    count: int
    mrr: Sum | None
    amount: Sum | None
    probability: float | None
    weighted_mrr: Sum | None
    weighted_amount: Sum | None


class PipelineOut(Answer):
    as_of: datetime
    items: list[PipelineLine]
