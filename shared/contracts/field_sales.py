"""What field sales tells: SQLs taken or returned, appointments, opportunities and their phases, deals won and lost."""

from datetime import date, datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.base import Code, Dimensions, Event
from shared.contracts.feedback import FeedbackGivenBase, FeedbackUpdatedBase
from shared.money import Money

Origin = Literal["sql", "self_sourced", "partner", "referral", "expansion", "renewal"]


class OpportunityEvent(Dimensions):
    """An event of one opportunity; the lead may be unknown where no SQL preceded it."""

    about: ClassVar[str] = "opportunity"
    opportunity_id: UUID
    opportunity_external_id: str | None = None


class SqlReceived(OpportunityEvent):
    """An SQL lies on field sales' desk that inside sales' events never told of: field sales loaded it from history."""

    type: ClassVar[str] = "field_sales.sql_received.v1"
    dated: bool = Field(True, description="false: nobody knows when; it is then no entry of any period")


class OpportunityOpened(OpportunityEvent):
    """Field sales took the SQL as an opportunity, or opened one that no SQL preceded (see origin)."""

    type: ClassVar[str] = "field_sales.opportunity_opened.v1"
    origin: Origin = "sql"
    mrr: Money | None = Field(None, description="monthly recurring revenue expected")
    amount: Money | None = Field(None, description="the deal's whole value where it is not recurring")
    expected_close_date: date | None = None
    phase: Code | None = None
    forecast_category: Code | None = None


class OpportunityUpdated(OpportunityEvent):
    """Amount, close date, phase or forecast category changed: field sales tells the fields that did."""

    type: ClassVar[str] = "field_sales.opportunity_updated.v1"
    mrr: Money | None = None
    amount: Money | None = None
    expected_close_date: date | None = None
    phase: Code | None = None
    forecast_category: Code | None = None
    next_step_on: date | None = None


class OpportunityLinked(OpportunityEvent):
    """The lead behind an opportunity became known: field sales joins them."""

    type: ClassVar[str] = "field_sales.opportunity_linked.v1"
    lead_id: UUID
    cycle: int = Field(ge=1)


class SqlReturned(OpportunityEvent):
    """Field sales sent the SQL back to inside sales, with a reason (差し戻し)."""

    type: ClassVar[str] = "field_sales.sql_returned.v1"
    opportunity_id: UUID | None = None  # type: ignore[assignment]  # systems without opportunity ids return leads
    reason: Code
    recyclable: bool = True
    revisit_on: date | None = None

    @property
    def subject(self) -> str:
        return f"opportunity/{self.opportunity_id}" if self.opportunity_id else f"lead/{self.lead_id}"


class AppointmentEvent(OpportunityEvent):
    """What became of an appointment; the number counts the opportunity's appointments."""

    appointment_id: UUID | None = None


class AppointmentHeld(AppointmentEvent):
    """The meeting took place: field sales says so."""

    type: ClassVar[str] = "field_sales.appointment_held.v1"


class AppointmentRescheduled(AppointmentEvent):
    """The meeting was moved: field sales tells the new time."""

    type: ClassVar[str] = "field_sales.appointment_rescheduled.v1"
    start_at: datetime


class AppointmentMissed(AppointmentEvent):
    """The customer did not come: field sales says so."""

    type: ClassVar[str] = "field_sales.appointment_missed.v1"


class AppointmentCancelled(AppointmentEvent):
    """The meeting was called off: field sales says so."""

    type: ClassVar[str] = "field_sales.appointment_cancelled.v1"
    reason: Code | None = None


class FirstVisitReviewed(OpportunityEvent):
    """Field sales compared what the first visit found with inside sales' note, and judged the opportunity."""

    type: ClassVar[str] = "field_sales.first_visit_reviewed.v1"
    valid: bool
    reason: Code | None = None
    compared: tuple[str, ...] = Field(description="the fields both sides filled")
    differing: tuple[str, ...] = Field(description="those that differ")
    optimistic: tuple[str, ...] = Field((), description="those where the note promised more than the visit found")


class Promise(BaseModel):
    """Something the seller promised the customer; customer success reviews it."""

    model_config = ConfigDict(frozen=True)

    number: int = Field(ge=1)
    text: str


class DealWon(OpportunityEvent):
    """The customer signed: field sales won the deal and hands it over to customer success."""

    type: ClassVar[str] = "field_sales.deal_won.v1"
    contract_id: UUID | None = None
    mrr: Money | None = Field(None, description="where absent, the last amount told of the opportunity holds")
    one_off: Money | None = None
    amount: Money | None = None
    won_on: date | None = None
    starts_on: date | None = None
    billing_starts_on: date | None = None
    term_months: int | None = Field(None, ge=1)
    promises: tuple[Promise, ...] = ()
    account_name: str | None = Field(None, description="the company's name")


class DealLost(OpportunityEvent):
    """The customer decided otherwise: field sales lost the deal, with a reason."""

    type: ClassVar[str] = "field_sales.deal_lost.v1"
    reason: Code
    recyclable: bool = True
    revisit_on: date | None = None
    amount: Money | None = None


class DealReopened(OpportunityEvent):
    """A closed deal is open again: field sales takes back its result."""

    type: ClassVar[str] = "field_sales.deal_reopened.v1"


class CapacityChanged(Event):
    """A field sales rep has so many slots for new opportunities a week: field sales says so."""

    type: ClassVar[str] = "field_sales.capacity_changed.v1"
    about: ClassVar[str] = "rep"
    rep_id: str
    slots_per_week: int = Field(ge=0)
    team: str | None = None
    region: str | None = None


class FeedbackGiven(FeedbackGivenBase):
    """Field sales gave another department feedback."""

    type: ClassVar[str] = "field_sales.feedback_given.v1"


class FeedbackUpdated(FeedbackUpdatedBase):
    """Field sales moved a feedback item on: acknowledged, decided, acted or closed it."""

    type: ClassVar[str] = "field_sales.feedback_updated.v1"
