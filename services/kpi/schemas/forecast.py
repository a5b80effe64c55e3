"""A forecast and what came of it."""

from datetime import date, datetime
from uuid import UUID

from pydantic import Field

from services.kpi.schemas.figures import Basis, Figure
from shared.http.bodies import Answer
from shared.money import Money


class MethodOut(Answer):
    """What one method expects; P10, P50 and P90 where it can draw them, `error` once there is something to compare."""

    id: str
    ja: str
    en: str
    value: Money | None
    reason: str | None
    p10: Money | None
    p50: Money | None
    p90: Money | None
    error: Money | None = Field(description="forecast minus actual")
    bias: float | None = Field(description="error ÷ actual")


class DealOut(Answer):
    """An open deal that is due in the period; `overdue` where its day had passed already."""

    opportunity_id: UUID
    opportunity_external_id: str | None
    value: Money
    phase: str | None
    chance: float | None
    forecast_category: str | None
    expected_close_date: date | None
    overdue: bool
    owner: str | None


class SourcesOut(Answer):
    """Where the deals won were at the moment of the forecast; they add up to the actual."""

    closed_at_snapshot: Money
    open_at_snapshot: Money
    reopened: Money
    created_after: Money


class ForecastOut(Basis):
    """`at` is the moment the forecast is as known at; `as_of` up to when the actual is counted."""

    at: datetime
    currency: str
    closed: Money
    open_pipeline: Money = Field(description="of the deals due in the period, omitted ones left out")
    later: Money = Field(description="of open deals that are not due in it")
    deals: list[DealOut]
    methods: list[MethodOut]
    coverage: Figure = Field(description="open and due ÷ (target - closed)")
    target: Money | None
    actual: Money
    actual_from: SourcesOut
    slipped: Figure = Field(description="deals still open whose day has moved out of the period ÷ deals due")
    slipped_value: Figure
    due_became: dict[str, Money] = Field(description="the value of the deals due, by what became of them")
    reason: str | None = None
