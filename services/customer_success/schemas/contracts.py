"""Contracts over HTTP."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from services.customer_success.schemas.customers import Slices
from services.customer_success.schemas.fields import Day
from shared.http.bodies import Answer, Body, Dated, Key, Priced, Text
from shared.http.paging import ListQuery
from shared.money import Money

ContractStatus = Literal["scheduled", "active", "ended", "void"]
Frequency = Literal["monthly", "quarterly", "semiannual", "annual", "multi_year", "once"]
ReasonKind = Literal["cancellation", "non_renewal"]
Months = Field(None, ge=1, le=120)


class ContractQuery(ListQuery):
    """`lead_id` also finds those of leads merged into it."""

    lead_id: UUID | None = None
    customer_id: UUID | None = None
    account_id: UUID | None = None
    opportunity_id: UUID | None = None
    owner: Key | None = None
    status: ContractStatus | None = None
    channel: Key | None = None
    campaign: Key | None = None
    segment: Key | None = None
    industry: Key | None = None
    product: Key | None = None
    price_band: Key | None = None
    region: Key | None = None
    plan: Key | None = None
    trial: bool | None = None
    starts_on_from: date | None = None
    starts_on_to: date | None = None
    renewal_on_from: date | None = None
    renewal_on_to: date | None = None


class ContractOut(Slices):
    """`mrr` is what holds now: null where nobody told it yet, 0 where the contract ended. `opening_mrr` is what it
    began with. `renewal_on` = `starts_on` + `term_months`, moved on by each renewal."""

    id: UUID
    customer_id: UUID
    account_id: UUID
    external_id: str | None
    opportunity_id: UUID | None
    opening_key: str
    status: ContractStatus
    mrr: Money | None
    one_off: Money | None
    starts_on: date
    ends_on: date | None
    billing_starts_on: date | None
    term_months: int | None
    renewal_on: date | None
    auto_renew: bool
    billing_frequency: str | None
    plan: str | None
    seats: int | None
    trial: bool
    end_reason: str | None
    end_reason_kind: str | None
    revisit_on: date | None
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    version: int


class ContractIn(Priced):
    """A contract no deal preceded: of the existing book, of a partner, a trial. It opens on `starts_on`.

    With an `external_id` it can be told again: the same changes nothing, something else corrects it.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "external_id": "S-1001",
                    "account_external_id": "A-77",
                    "account_name": "株式会社サンプル",
                    "starts_on": "2026-04-01",
                    "term_months": 12,
                    "mrr": {"amount": 120000, "currency": "JPY"},
                }
            ]
        }
    )
    money = ("mrr",)

    external_id: Key | None = None
    account_id: UUID | None = None
    account_external_id: Key | None = None
    account_name: Text | None = None
    starts_on: Day
    ends_on: Day | None = None
    mrr: Money
    term_months: int | None = Months
    renewal_on: Day | None = None
    billing_starts_on: Day | None = None
    billing_frequency: Frequency | None = None
    auto_renew: bool | None = None
    plan: Key | None = None
    seats: int | None = Field(None, ge=0, le=10_000_000)
    trial: bool | None = None
    segment: Key | None = None
    industry: Key | None = None
    product: Key | None = None
    price_band: Key | None = None
    region: Key | None = None
    channel: Key | None = None
    campaign: Key | None = None
    owner: Key | None = None
    reason: Key | None = Field(None, description="why it ended, where it did")

    @model_validator(mode="after")
    def _sound(self) -> "ContractIn":
        if self.account_id is None and self.account_external_id is None:
            raise ValueError("account_id or account_external_id says whose it is")
        if self.mrr.amount < 0:
            raise ValueError("mrr is not negative")
        if self.ends_on and self.ends_on < self.starts_on:
            raise ValueError("ends_on is not before starts_on")
        return self


class ContractPatch(Body):
    """A merge patch of what is no event: MRR, renewal and end have calls of their own."""

    external_id: Key | None = None
    owner: Key | None = None
    plan: Key | None = None
    seats: int | None = Field(None, ge=0, le=10_000_000)
    auto_renew: bool = False
    billing_frequency: Frequency | None = None
    billing_starts_on: Day | None = None
    renewal_on: Day | None = None
    term_months: int | None = Months
    archived: bool = False


class _Mrr(Priced, Dated):
    money = ("mrr",)


class ChangeIn(_Mrr):
    """The whole MRR from now on, not the difference; the same MRR again changes nothing."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"mrr": {"amount": 150000, "currency": "JPY"}, "reason": "upsell"}]}
    )

    mrr: Money
    reason: Key = Field(description="GET /v1/reasons?for=change")

    @model_validator(mode="after")
    def _paid(self) -> "ChangeIn":
        if self.mrr.amount < 0:
            raise ValueError("mrr is not negative")
        return self


class RenewIn(_Mrr):
    """Another term. Without `term_months` as long as the last one; `mrr` where it changes with it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"term_months": 12}]})

    term_months: int | None = Months
    mrr: Money | None = None

    @model_validator(mode="after")
    def _paid(self) -> "RenewIn":
        if self.mrr is not None and self.mrr.amount < 0:
            raise ValueError("mrr is not negative")
        return self


class ChurnIn(Dated):
    """The contract ends. `churned_on` is the first day without it; a day to come is a notice.

    `recyclable`: may marketing approach them anew? By default as the reason says.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "price", "reason_kind": "non_renewal", "churned_on": "2026-09-30"}]}
    )

    reason: Key = Field(description="GET /v1/reasons?for=churn")
    reason_kind: ReasonKind | None = Field(None, description="解約 or 非更新; by default the renewal date decides")
    churned_on: Day | None = None
    recyclable: bool | None = None
    revisit_on: Day | None = None


class StepOut(Answer):
    """A step of the contract's life; `superseded_at`: it was told otherwise since."""

    kind: Literal["opened", "changed", "renewed", "ended"]
    at: datetime
    mrr: Money | None
    reason: str | None
    renewal_on: date | None
    term_months: int | None
    external_id: str | None
    by: str
    recorded_at: datetime
    superseded_at: datetime | None


class MovementOut(Answer):
    """What was announced: the opening MRR, or the difference."""

    opening: bool
    at: datetime
    amount: Money
    reason: str | None
    recorded_at: datetime
    closed: bool


class RevisionOut(Answer):
    at: datetime
    by: str
    changes: dict[str, list[Any]]


class HistoryOut(Answer):
    contract_id: UUID
    steps: list[StepOut]
    movements: list[MovementOut]
    revisions: list[RevisionOut]


class RenewalOut(Answer):
    contract_id: UUID
    external_id: str | None
    customer_id: UUID
    customer_name: str | None
    owner: str | None
    segment: str | None
    renewal_on: date
    days_left: int = Field(description="negative: it is overdue")
    term_months: int | None
    auto_renew: bool
    mrr: Money | None
    ends_on: date | None = Field(description="a notice was given")
    band: str
    at_risk: bool


class RenewalsOut(Answer):
    """Contracts that fall due, overdue ones first. Those from month to month never do: `monthly` counts them."""

    items: list[RenewalOut]
    due: int
    overdue: int
    monthly: int
    mrr: list[Money]
