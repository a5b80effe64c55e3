"""Use, tickets and health over HTTP."""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from services.customer_success.domain.health import Band
from services.customer_success.schemas.fields import Day
from shared.http.bodies import Answer, Body, Dated, Key, LongText, Past, Text
from shared.http.paging import ListQuery

Count = Annotated[int, Field(ge=0, le=10**15)]
TicketStatus = Literal["open", "closed"]


class UsageIn(Body):
    """One row of use on one day, of a contract or of a customer, each by our id or the caller's own.

    Without an `external_id` the row of this contract or customer, day and feature is replaced.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"contract_external_id": "S-1001", "date": "2026-04-02", "feature": "reports", "count": 12}]
        }
    )

    contract_id: UUID | None = None
    contract_external_id: Key | None = None
    customer_id: UUID | None = None
    account_id: UUID | None = None
    account_external_id: Key | None = None
    external_id: Key | None = None
    date: Day
    feature: Key | None = None
    count: Count = 1
    seconds: Count = 0
    errors: Count = 0
    active_users: int | None = Field(None, ge=0, le=10_000_000, description="different people that day")

    @model_validator(mode="after")
    def _linked(self) -> "UsageIn":
        names = ("contract_id", "contract_external_id", "customer_id", "account_id", "account_external_id")
        if all(getattr(self, name) is None for name in names):
            raise ValueError(f"one of {', '.join(names)} says whose it is")
        return self


class WeekOut(BaseModel):
    """One ISO week as it stands now; `told_at`: when it was last announced."""

    week: date
    count: int
    seconds: int
    errors: int
    features: int
    active_days: int
    told_at: datetime | None


class FeatureOut(BaseModel):
    feature: str | None
    count: int
    last_on: date


class UsageOut(BaseModel):
    """`from` inclusive and `to` exclusive are days."""

    customer_id: UUID
    last_on: date | None
    weeks: list[WeekOut]
    features: list[FeatureOut]


class TicketQuery(ListQuery):
    """`lead_id` is the person who asked; `channel` and `segment` are the customer's."""

    lead_id: UUID | None = None
    customer_id: UUID | None = None
    account_id: UUID | None = None
    contract_id: UUID | None = None
    owner: Key | None = None
    status: TicketStatus | None = None
    kind: Key | None = None
    priority: Key | None = None
    channel: Key | None = None
    segment: Key | None = None
    waiting: bool | None = Field(None, description="for a customer nobody knows yet")
    opened_at_from: AwareDatetime | None = None
    opened_at_to: AwareDatetime | None = None
    closed_at_from: AwareDatetime | None = None
    closed_at_to: AwareDatetime | None = None


class TicketIn(Body):
    """The customer asks for help or complains (クレーム). Subject and text stay here."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "ext:A-77",
                    "kind": "complaint",
                    "priority": "high",
                    "subject": "Promised export missing",
                }
            ]
        }
    )

    customer_id: Key | None = Field(None, description="an id or ext:<the account's external id>")
    account_id: UUID | None = None
    contract_id: Key | None = Field(None, description="an id or ext:<external id>")
    external_id: Key | None = None
    kind: Key | None = Field(None, description="GET /v1/reasons?for=ticket_kind")
    priority: Key | None = Field(None, description="GET /v1/reasons?for=ticket_priority")
    owner: Key | None = None
    subject: Text | None = None
    text: LongText | None = None
    lead_id: UUID | None = Field(None, description="the person who asks")
    opened_at: Past | None = None
    occurred_at: Past | None = Field(None, description="the same as opened_at")

    @model_validator(mode="after")
    def _linked(self) -> "TicketIn":
        if self.customer_id is None and self.account_id is None and self.contract_id is None:
            raise ValueError("customer_id, account_id or contract_id says whose it is")
        return self


class TicketPatch(Body):
    kind: Key | None = None
    priority: Key | None = None
    owner: Key | None = None
    subject: Text | None = None
    text: LongText | None = None
    lead_id: UUID | None = None
    archived: bool = False


class CloseIn(Dated):
    satisfaction: int | None = Field(None, ge=1, le=5, strict=True)


class TicketOut(Answer):
    personal: ClassVar = ("subject", "text")

    id: UUID
    external_id: str | None
    customer_id: UUID | None
    account_id: UUID | None
    contract_id: UUID | None
    waits_for: str | None = Field(description="the contract or account nobody knows yet")
    lead_id: UUID | None
    owner: str | None
    status: TicketStatus
    kind: str | None
    priority: str | None
    subject: str | None
    text: str | None
    opened_at: datetime
    closed_at: datetime | None
    satisfaction: int | None
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    version: int


class WaitingOut(BaseModel):
    """Rows that came before what they link to, by link (`contract:<external id>`, `account:<external id>`, `id:…`)."""

    resource: Literal["usage", "tickets", "contracts"]
    waits_for: str
    rows: int
    since: datetime


class ReasonOut(BaseModel):
    """Points against the baseline; of an override, what it took away."""

    input: str
    contribution: float


class JudgedOut(BaseModel):
    at: datetime
    score: float | None
    band: Band
    coverage: float
    reasons: list[ReasonOut]
    formula_version: int


class AlarmOut(BaseModel):
    raised_at: datetime
    cleared_at: datetime | None
    reasons: list[str]


class HealthOut(BaseModel):
    """`inputs` are 0 to 100, null where missing. `trend_28_days` and `trend_84_days` are points gained or lost."""

    customer_id: UUID
    score: float | None
    band: Band
    coverage: float
    reasons: list[ReasonOut]
    inputs: dict[str, float | None]
    profile: str | None
    formula_version: int
    judged_on: date | None
    trend_28_days: float | None
    trend_84_days: float | None
    risk: AlarmOut | None
    alarms: list[AlarmOut]
    history: list[JudgedOut]
