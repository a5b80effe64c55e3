"""What inside sales tells: MQLs contacted, taken or refused, SQLs handed over, cycles ended."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from shared.contracts.base import Code, Event, LeadEvent
from shared.contracts.feedback import FeedbackGivenBase, FeedbackUpdatedBase
from shared.money import Money


class FirstContactMade(LeadEvent):
    """A person of ours reached out to an MQL for the first time: inside sales says so; the response clock stops."""

    type: ClassVar[str] = "inside_sales.first_contact_made.v1"
    kind: Code | None = None


class MqlAccepted(LeadEvent):
    """Inside sales took the MQL as its work."""

    type: ClassVar[str] = "inside_sales.mql_accepted.v1"


class MqlRejected(LeadEvent):
    """Inside sales sent the MQL back to marketing, with a reason."""

    type: ClassVar[str] = "inside_sales.mql_rejected.v1"
    reason: Code
    recyclable: bool = False
    revisit_on: date | None = None


class SqlAccepted(LeadEvent):
    """Inside sales accepted the lead as an SQL and hands it over to field sales."""

    type: ClassVar[str] = "inside_sales.sql_accepted.v1"
    opportunity_id: UUID | None = Field(None, description="the opportunity that follows; inside sales mints it")
    budget: Code | None = None
    authority: Code | None = None
    need: Code | None = None
    timing: Code | None = None
    size: Code | None = None
    expected_mrr: Money | None = None
    criteria_version: int | None = None


class AppointmentSet(LeadEvent):
    """A first meeting was agreed with the customer: inside sales booked it with a field sales rep."""

    type: ClassVar[str] = "inside_sales.appointment_set.v1"
    about: ClassVar[str] = "appointment"
    appointment_id: UUID
    opportunity_id: UUID
    start_at: datetime
    minutes: int = Field(60, ge=1)
    rep: str | None = None
    place: Code | None = Field(None, description="online, visit or phone; never an address")


class LeadDropped(LeadEvent):
    """Inside sales ended this cycle without an opportunity, with a reason."""

    type: ClassVar[str] = "inside_sales.lead_dropped.v1"
    reason: Code
    recyclable: bool = True
    revisit_on: date | None = None


class ValveMoved(Event):
    """The score an MQL needs to be released for work changed, because of field sales' capacity: inside sales says."""

    type: ClassVar[str] = "inside_sales.valve_moved.v1"
    about: ClassVar[str] = "valve"
    valve_id: str
    threshold: int
    utilisation: float | None = Field(None, description="open work of field sales ÷ its slots")
    rule_version: int


class FeedbackGiven(FeedbackGivenBase):
    """Inside sales gave another department feedback."""

    type: ClassVar[str] = "inside_sales.feedback_given.v1"


class FeedbackUpdated(FeedbackUpdatedBase):
    """Inside sales moved a feedback item on: acknowledged, decided, acted or closed it."""

    type: ClassVar[str] = "inside_sales.feedback_updated.v1"
