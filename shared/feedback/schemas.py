"""HTTP bodies of the reverse flow."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.feedback import FeedbackState, Party, Reference
from shared.feedback.kinds import Kind
from shared.http.bodies import Answer, Body, Dated, Key, LongText, Text
from shared.http.paging import ListQuery

Severity = Literal["low", "normal", "high", "urgent"]


class ReferenceIn(Body, Reference):
    """What an item speaks of: `{kind: lead, id: …}`."""

    id: Key


class GiveIn(Dated):
    """Feedback for another department. A known `external_id` answers the item that has it."""

    to: Party = Field(description="who it is for; product's box is kept by customer_success")
    kind: Kind
    refs: list[ReferenceIn] = Field(default_factory=list, max_length=20, examples=[[{"kind": "lead", "id": "…"}]])
    reason: Key | None = Field(None, description="a coded reason of the department that gives it")
    text: LongText | None = Field(None, description="about the work, never about a person")
    severity: Severity = "normal"
    external_id: Key | None = None
    sender: Party | None = Field(None, description="for those who may speak for several; default their department")
    owner: Text | None = Field(None, description="the rep it concerns, by id")
    channel: Text | None = None
    segment: Text | None = None


class AcknowledgeIn(Dated):
    """The receiver has read it."""


class DecideIn(Dated):
    """The receiver says whether something will be done; also acknowledges."""

    accept: bool
    reason: LongText | None = Field(None, description="why; needed to decline")


class ActIn(Dated):
    """The receiver says what was changed because of it."""

    change: LongText


class CloseIn(Dated):
    """The sender says whether it helped."""

    useful: bool


class FeedbackOut(Answer):
    id: UUID
    external_id: str | None
    sender: Party
    receiver: Party
    kind: str
    reason: str | None
    text: str | None
    severity: Severity
    refs: list[dict[str, Any]]
    lead_id: UUID | None
    account_id: UUID | None
    opportunity_id: UUID | None
    owner: str | None
    channel: str | None
    segment: str | None
    state: FeedbackState
    given_at: datetime
    acknowledged_at: datetime | None
    decided_at: datetime | None
    decision: Literal["accepted", "declined"] | None
    decision_reason: str | None
    acted_at: datetime | None
    change: str | None
    closed_at: datetime | None
    useful: bool | None
    version: int
    created_at: datetime
    updated_at: datetime


class FeedbackQuery(ListQuery):
    """`box=in` is what this department was given, `box=out` what it gave; `status` is the same as `state`."""

    box: Literal["in", "out"] | None = None
    state: FeedbackState | None = None
    status: FeedbackState | None = None
    kind: Kind | None = None
    sender: Party | None = None
    receiver: Party | None = None
    severity: Severity | None = None
    lead_id: UUID | None = None
    account_id: UUID | None = None
    opportunity_id: UUID | None = None
    owner: str | None = Field(None, max_length=200)
    channel: str | None = Field(None, max_length=200)
    segment: str | None = Field(None, max_length=200)
