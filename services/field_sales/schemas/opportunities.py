"""What can be said of an opportunity over HTTP."""

from collections.abc import Collection
from datetime import date, timedelta
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, StringConstraints

from services.field_sales.domain.lifecycle import Status
from services.field_sales.schemas.reasons import REASONS
from shared import clock
from shared.http.bodies import Dated, Key, LongText, Priced, Text
from shared.http.paging import ListQuery
from shared.money import Money

Outside = Literal["self_sourced", "partner", "referral", "expansion", "renewal"]
Origin = Literal["sql", Outside]


def _not_negative(money: Money) -> Money:
    if money.amount < 0:
        raise ValueError("a price is not negative")
    return money


def _not_ahead(day: date) -> date:
    if day > clock.utc_now().date() + timedelta(days=1):  # somewhere it is tomorrow already
        raise ValueError("lies in the future")
    return day


def _category(code: str) -> str:
    codes = REASONS.codes("forecast_category")
    if code not in codes:
        raise ValueError(f"one of {', '.join(codes)}")
    return code


Price = Annotated[Money, AfterValidator(_not_negative)]
Category = Annotated[Key, AfterValidator(_category)]
Cycle = Annotated[int, Field(ge=1, le=10_000)]
Promise = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class Fields(Priced, Dated):
    """A body whose fields are those of the record: what was given is written, what was left out stays."""

    money: ClassVar[tuple[str, ...]] = ("mrr", "amount")

    def given(self, *, without: Collection[str] = ()) -> dict[str, Any]:
        left_out = {"currency", "occurred_at", *without}
        return {name: getattr(self, name) for name in self.model_fields_set if name not in left_out}


class Terms(Fields):
    """What every body about a running opportunity may set."""

    mrr: Price | None = Field(None, description="monthly recurring revenue")
    amount: Price | None = Field(None, description="the deal's whole value where it is not recurring")
    expected_close_date: date | None = None
    forecast_category: Category | None = None
    next_step: LongText | None = None
    next_step_on: date | None = None
    owner: Key | None = Field(None, description="the id or the name of a rep")
    team: Text | None = None
    channel: Text | None = None
    campaign: Text | None = None
    segment: Text | None = None
    industry: Text | None = None
    product: Text | None = None
    price_band: Text | None = None
    region: Text | None = None


class OpenIn(Terms):
    """An opportunity that no SQL preceded; it is open at once."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"origin": "partner", "account_name": "株式会社青葉", "mrr": 80000, "currency": "JPY"}]
        }
    )
    origin: Outside
    external_id: Key | None = None
    lead_id: UUID | None = None
    lead_external_id: Key | None = Field(None, description="joins as soon as the lead is known")
    cycle: Cycle | None = None
    account_id: UUID | None = None
    account_name: Text | None = None
    phase: Key | None = Field(None, description="default the first one")


class AcceptIn(Terms):
    """Takes the SQL as an opportunity (有効商談)."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"mrr": 100000, "currency": "JPY", "expected_close_date": "2026-06-30"}]}
    )
    external_id: Key | None = Field(None, description="your own id of it from now on")
    phase: Key | None = Field(None, description="default the first one")


class ChangeIn(Terms):
    """A merge patch: absent is unchanged, null clears."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"forecast_category": "commit"}]})
    account_id: UUID | None = None
    account_name: Text | None = None
    archived: bool = Field(False, description="true hides it from lists")


class PhaseIn(Dated):
    model_config = ConfigDict(json_schema_extra={"examples": [{"phase": "proposal"}]})
    phase: Key


class ReturnIn(Dated):
    """Sends the SQL back to inside sales (差し戻し)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "no_budget", "note": "来期予算で再検討"}]})
    reason: Key
    note: LongText | None = None
    recyclable: bool | None = Field(None, description="default by the reason; never for not_icp")
    revisit_on: date | None = None


class LoseIn(ReturnIn):
    """Loses the deal (失注)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "timing", "revisit_on": "2026-10-01"}]})


class WinIn(Fields):
    """Wins the deal (受注); what is left out stays as the opportunity has it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"promises": ["4月末までに初期設定"], "starts_on": "2026-07-01", "term_months": 12}]
        }
    )
    money: ClassVar[tuple[str, ...]] = ("mrr", "amount", "one_off")

    promises: list[Promise] = Field([], max_length=50, description="what the customer was promised; numbered from 1")
    won_on: Annotated[date, AfterValidator(_not_ahead)] | None = Field(None, description="default the day of the act")
    starts_on: date | None = None
    billing_starts_on: date | None = None
    term_months: Annotated[int, Field(ge=1, le=1200)] | None = None
    mrr: Price | None = None
    amount: Price | None = None
    one_off: Price | None = None


class FirstVisitIn(Dated):
    """What the first visit found, in the codes of inside sales' note, and the verdict."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"budget": "planned", "authority": "decision_maker", "valid": True}]}
    )
    budget: Key | None = None
    authority: Key | None = None
    need: Key | None = None
    timing: Key | None = None
    product: Text | None = None
    size: Key | None = None
    note: LongText | None = None
    valid: bool = True
    reason: Key | None = Field(None, description="why it is not valid")


class LinkIn(Dated):
    """The lead behind an opportunity that began without one."""

    lead_id: UUID
    cycle: Cycle | None = Field(None, description="default the lead's newest")


class RescheduleIn(Dated):
    model_config = ConfigDict(json_schema_extra={"examples": [{"start_at": "2026-06-12T05:00:00Z"}]})
    start_at: AwareDatetime
    minutes: Annotated[int, Field(ge=1, le=1440)] | None = None


class CancelIn(Dated):
    reason: Key | None = None


class OpportunityQuery(ListQuery):
    """The filters of the list and of the pipeline."""

    status: Status | None = None
    phase: Key | None = None
    origin: Origin | None = None
    forecast_category: Category | None = None
    owner: Key | None = None
    team: Text | None = None
    lead_id: UUID | None = None
    lead_external_id: Key | None = None
    waiting_for_lead: bool | None = Field(None, description="the lead it names is not known here yet")
    cycle: Cycle | None = None
    account_id: UUID | None = None
    channel: Text | None = None
    campaign: Text | None = None
    segment: Text | None = None
    industry: Text | None = None
    product: Text | None = None
    price_band: Text | None = None
    region: Text | None = None
    expected_close_date_from: date | None = None
    expected_close_date_to: date | None = None
    next_step_on_from: date | None = None
    next_step_on_to: date | None = None
    offered_at_from: AwareDatetime | None = None
    offered_at_to: AwareDatetime | None = None
    opened_at_from: AwareDatetime | None = None
    opened_at_to: AwareDatetime | None = None
    closed_at_from: AwareDatetime | None = None
    closed_at_to: AwareDatetime | None = None
