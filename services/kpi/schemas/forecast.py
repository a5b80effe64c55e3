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


class OverdueOut(Answer):
    """Open deals whose day had passed: kept in the forecast, for nobody has lost them yet."""

    deals: int
    value: Money
    weighted: Money = Field(description="what M1 expects of them")


class ForecastGroup(Answer):
    """A slice; `closed`, `open_pipeline`, `actual` and the values of the methods add up to those `summed`."""

    by: str
    value: str
    closed: Money
    open_pipeline: Money
    deals: int
    overdue: OverdueOut
    methods: list[MethodOut]
    actual: Money


class SummedOut(Answer):
    """A method's slices added up beside the same method of all at once. They differ where slices differ in their
    chances and the mix of slices has changed; of M1 and M2 they never do."""

    id: str
    value: Money | None
    reason: str | None
    p10: Money | None
    p50: Money | None
    p90: Money | None
    difference: Money | None = Field(description="of all at once minus summed")


class ForecastOut(Basis):
    """`at` is the moment the forecast is as known at; `as_of` up to when the actual is counted."""

    at: datetime
    currency: str
    closed: Money
    open_pipeline: Money = Field(description="of the deals due in the period, omitted ones left out")
    later: Money = Field(description="of open deals that are not due in it")
    overdue: OverdueOut
    deals: list[DealOut] = Field(description="due in the period, at most a thousand")
    deal_count: int
    methods: list[MethodOut]
    coverage: Figure = Field(description="open and due ÷ (target - closed)")
    target: Money | None
    actual: Money
    actual_from: SourcesOut
    slipped: Figure = Field(description="deals still open whose day has moved out of the period ÷ deals due")
    slipped_value: Figure
    due_became: dict[str, Money] = Field(description="the value of the deals due, by what became of them")
    groups: list[ForecastGroup] = Field([], description="where a dimension was asked for")
    summed: list[SummedOut] = Field([], description="by method, over the groups")
    reason: str | None = None
