"""Customers and what belongs to them, over HTTP."""

from datetime import date, datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from services.customer_success.domain.health import Band
from services.customer_success.schemas.fields import Day
from shared.http.bodies import Answer, Body, Dated, Key, LongText, Text
from shared.http.paging import ListQuery
from shared.money import Money

CustomerStatus = Literal["scheduled", "onboarding", "active", "dormant", "churned", "void"]
PulseKind = Literal["nps", "csat", "csm"]
SCALES: dict[str, tuple[int, int]] = {"nps": (0, 10), "csat": (1, 5), "csm": (1, 5)}


class CustomerQuery(ListQuery):
    """`lead_id` also finds those of leads merged into it."""

    lead_id: UUID | None = None
    opportunity_id: UUID | None = None
    owner: Key | None = None
    seller: Key | None = None
    status: CustomerStatus | None = None
    band: Band | None = Field(None, description="of the health now")
    at_risk: bool | None = Field(None, description="has an open churn-risk alarm")
    channel: Key | None = None
    campaign: Key | None = None
    segment: Key | None = None
    industry: Key | None = None
    product: Key | None = None
    price_band: Key | None = None
    region: Key | None = None
    accepted_at_from: AwareDatetime | None = None
    accepted_at_to: AwareDatetime | None = None
    churned_at_from: AwareDatetime | None = None
    churned_at_to: AwareDatetime | None = None


class Slices(Answer):
    lead_id: UUID | None
    cycle: int | None
    channel: str | None
    campaign: str | None
    segment: str | None
    industry: str | None
    product: str | None
    price_band: str | None
    region: str | None
    owner: str | None


class HealthNow(Answer):
    """`score` 0 to 100, null where too little is known; `coverage` is the share of the weights that is."""

    score: float | None
    band: Band
    coverage: float


class RiskNow(Answer):
    since: datetime
    reasons: list[str]


class CustomerOut(Slices):
    """A customer. `mrr` sums its running contracts, one amount per currency; `renewal_on` is the next to fall due."""

    id: UUID
    account_id: UUID
    external_id: str | None = Field(description="the account's")
    lead_external_id: str | None
    opportunity_id: UUID | None
    name: str | None
    status: CustomerStatus
    seller: str | None
    mrr: list[Money]
    contracts: int = Field(description="running now")
    renewal_on: date | None
    health: HealthNow
    risk: RiskNow | None
    merged_into: UUID | None
    accepted_at: datetime | None
    onboarded_at: datetime | None
    dormant_since: datetime | None
    churned_at: datetime | None
    churn_reason: str | None
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    version: int


class TaskOut(Answer):
    personal: ClassVar = ("note",)

    key: str
    ja: str
    en: str
    due_on: date
    completed_at: datetime | None
    completed_by: str | None
    note: str | None
    overdue: bool


class OnboardingOut(Answer):
    """The plan of the customer; of one who came back the newest (`round`)."""

    customer_id: UUID
    round: int
    completed_at: datetime | None
    tasks: list[TaskOut]


class PromiseOut(Answer):
    personal: ClassVar = ("note",)

    number: int
    opportunity_id: UUID
    text: str
    kept: Literal["yes", "partly", "no"] | None
    note: str | None
    reviewed_at: datetime | None
    reviewed_by: str | None


class PromisesOut(Answer):
    items: list[PromiseOut]


class CustomerDetail(CustomerOut):
    onboarding: OnboardingOut
    promises: list[PromiseOut]
    contract_ids: list[UUID]


class CustomerPatch(Body):
    """A merge patch. The segment decides which health formula holds."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"owner": "rep-17", "segment": "enterprise"}]})

    external_id: Key | None = None
    name: Text | None = None
    owner: Key | None = None
    segment: Key | None = None
    industry: Key | None = None
    product: Key | None = None
    price_band: Key | None = None
    region: Key | None = None


class CompleteIn(Dated):
    note: LongText | None = None


class ReviewIn(Dated):
    """Was the promise kept (お客様への約束)?"""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kept": "partly", "note": "two weeks late"}]})

    kept: Literal["yes", "partly", "no"]
    note: LongText | None = None


class PulseIn(Dated):
    """NPS 0 to 10, CSAT 1 to 5, the manager's own impression (csm) 1 to 5."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kind": "nps", "score": 9, "respondent_role": "decision_maker"}]}
    )

    kind: PulseKind
    score: int = Field(strict=True)
    respondent_role: Key | None = None
    lead_id: UUID | None = Field(None, description="the person who gave it; stays here")
    note: LongText | None = None

    @model_validator(mode="after")
    def _on_its_scale(self) -> "PulseIn":
        lowest, highest = SCALES[self.kind]
        if not lowest <= self.score <= highest:
            raise ValueError(f"the score of {self.kind} is {lowest} to {highest}")
        return self


class PulseOut(Answer):
    personal: ClassVar = ("note",)

    id: UUID
    customer_id: UUID
    kind: PulseKind
    score: int
    respondent_role: str | None
    lead_id: UUID | None
    note: str | None
    at: datetime
    by: str


class NotedQuery(ListQuery):
    kind: Key | None = None
    external_id: None = Field(None, description="they have none")


class SignalIn(Dated):
    """Something noticed. `on`: since when a payment is overdue, until when a discount runs."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "champion_left"}]})

    kind: Key
    on: Day | None = None
    note: LongText | None = None


class SignalOut(Answer):
    personal: ClassVar = ("note",)

    id: UUID
    customer_id: UUID
    kind: str
    on: date | None
    note: str | None
    at: datetime
    by: str
