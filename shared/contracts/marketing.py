"""What marketing tells: companies and people found, their interest, MQLs handed on, ended cycles opened again."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.base import Code, Event, LeadEvent
from shared.contracts.feedback import FeedbackGivenBase, FeedbackUpdatedBase
from shared.money import Money

CycleSource = Literal["mql_rejected", "no_opportunity", "unfollowed", "sql_returned", "deal_lost", "dormant_customer"]


class AccountCreated(Event):
    """A company became known: marketing says so."""

    type: ClassVar[str] = "marketing.account_created.v1"
    about: ClassVar[str] = "account"
    account_id: UUID
    external_id: str | None = None
    account_name: str | None = Field(None, description="the company's name")
    corporate_number: str | None = None
    domain: str | None = None
    industry: str | None = None
    segment: str | None = None
    employees: int | None = None
    prefecture: str | None = None
    parent_id: UUID | None = None


class AccountMerged(Event):
    """Two entries were the same company: marketing joined the second into the first."""

    type: ClassVar[str] = "marketing.account_merged.v1"
    about: ClassVar[str] = "account"
    account_id: UUID
    merged_account_id: UUID


class LeadCreated(LeadEvent):
    """A person became a lead for the first time: marketing captured them."""

    type: ClassVar[str] = "marketing.lead_created.v1"
    score: int | None = None


class LeadUpdated(LeadEvent):
    """What is known of a lead changed: marketing says what it is now."""

    type: ClassVar[str] = "marketing.lead_updated.v1"


class TouchRecorded(LeadEvent):
    """A lead did something, or we did something towards them: marketing noted it."""

    type: ClassVar[str] = "marketing.touch_recorded.v1"
    touch_id: UUID
    kind: Code
    content: str | None = Field(None, description="the id or name of the content, never what a person wrote")
    score: int | None = None


class MqlCreated(LeadEvent):
    """A lead met the criteria, or a person declared it: marketing hands it to inside sales as an MQL."""

    type: ClassVar[str] = "marketing.mql_created.v1"
    score: int | None = None
    fit: int | None = None
    engagement: int | None = None
    criteria_version: int | None = None
    declared: bool = Field(False, description="declared by a person instead of by the score")
    overridden: bool = Field(False, description="declared although the criteria did not hold")


class VisitsRecorded(Event):
    """So many visitors came on a day over a channel: marketing counted them. The last told wins."""

    type: ClassVar[str] = "marketing.visits_recorded.v1"
    date: date
    channel: str
    campaign: str | None = None
    visitors: int = Field(ge=0)

    @property
    def subject(self) -> str:
        return f"visits/{self.date}/{self.channel}"


class SpendRecorded(Event):
    """So much was spent on a day for a channel: marketing booked it. The last told wins."""

    type: ClassVar[str] = "marketing.spend_recorded.v1"
    date: date
    channel: str
    campaign: str | None = None
    spend: Money

    @property
    def subject(self) -> str:
        return f"spend/{self.date}/{self.channel}"


class LeadRecycled(LeadEvent):
    """An ended cycle was opened again as cycle n+1 of the same person: marketing decided it."""

    type: ClassVar[str] = "marketing.lead_recycled.v1"
    cycle_source: CycleSource
    previous_ref: str | None = Field(None, description="what ended: `lead/<id>/<cycle>` or `opportunity/<id>`")
    revisit_on: date | None = None


class LeadMerged(Event):
    """Two leads were the same person: marketing joined the second into the first."""

    type: ClassVar[str] = "marketing.lead_merged.v1"
    lead_id: UUID
    merged_lead_id: UUID


class LeadUnmerged(Event):
    """Two joined leads were two people after all: marketing took them apart again."""

    type: ClassVar[str] = "marketing.lead_unmerged.v1"
    lead_id: UUID
    merged_lead_id: UUID


class LeadErased(Event):
    """A person asked to be forgotten: marketing erased them; every copy of personal data must go. Counts stay."""

    type: ClassVar[str] = "marketing.lead_erased.v1"
    lead_id: UUID


class FeedbackGiven(FeedbackGivenBase):
    """Marketing gave another department feedback."""

    type: ClassVar[str] = "marketing.feedback_given.v1"


class FeedbackUpdated(FeedbackUpdatedBase):
    """Marketing moved a feedback item on: acknowledged, decided, acted or closed it."""

    type: ClassVar[str] = "marketing.feedback_updated.v1"
