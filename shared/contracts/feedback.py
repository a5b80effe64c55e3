"""The reverse flow: one item, told by its sender, moved on by sender and receiver. The same in every department."""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.base import Code, Event

Party = Literal["marketing", "inside_sales", "field_sales", "customer_success", "product"]
FeedbackState = Literal["given", "acknowledged", "accepted", "declined", "acted", "closed"]


class Reference(BaseModel):
    """What an item speaks of."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["lead", "account", "opportunity", "contract", "campaign", "content"]
    id: str


class FeedbackGivenBase(Event):
    """The sender owns text, severity and closing."""

    about: ClassVar[str] = "feedback"
    feedback_id: UUID
    sender: Party = Field(description="the department that gives it")
    receiver: Party = Field(description="the department it is for; product's box is kept by customer success")
    kind: Code
    reason: Code | None = None
    text: str | None = Field(None, description="about the work, never about a person")
    severity: Literal["low", "normal", "high", "urgent"] = "normal"
    refs: tuple[Reference, ...] = ()
    lead_id: UUID | None = None
    account_id: UUID | None = None
    opportunity_id: UUID | None = None
    external_id: str | None = Field(None, description="the sender's own id of the item")
    owner: str | None = Field(None, description="the id of the rep it concerns")
    channel: str | None = None
    segment: str | None = None


class FeedbackUpdatedBase(Event):
    """The receiver owns acknowledgement, decision and action; the sender closes. The furthest state told holds."""

    about: ClassVar[str] = "feedback"
    feedback_id: UUID
    state: FeedbackState
    at: datetime
    by: Party
    decision_reason: str | None = None
    change: str | None = Field(None, description="what was changed because of it")
    useful: bool | None = None
    sender: Party | None = Field(None, description="of the item: who is told a step before the item knows if it cares")
    receiver: Party | None = None
