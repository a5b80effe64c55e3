"""The forecast of a period as known at a moment, every method beside the others, and what came of it."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import Field

from services.kpi.api.questions import Asked, Instant, as_known, viewing
from services.kpi.metrics.exchange import NO_PLAN_RATE, money
from services.kpi.metrics.figures import ratio
from services.kpi.metrics.forecast import METHODS, Deal, Forecast, Method, Snapshot, snapshot
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.outcomes import Outcome, outcome
from services.kpi.metrics.question import View
from services.kpi.metrics.rates import NO_BASE
from services.kpi.metrics.records import names_of
from services.kpi.metrics.statistics import apportion, half_even
from services.kpi.schemas.figures import Figure
from services.kpi.schemas.forecast import (
    DealOut,
    ForecastGroup,
    ForecastOut,
    MethodOut,
    OverdueOut,
    SourcesOut,
    SummedOut,
)
from shared.http.door import Door
from shared.money import Money, decimals

router = APIRouter(prefix="/v1", tags=["forecast"], route_class=Door)
MET, NO_TARGET = "met", "no_target"
LISTED = 1000
NAMES: Mapping[str, tuple[str, str]] = {
    "stage_weighted": ("フェーズ加重(M1)", "Weighted by phase (M1)"),
    "commit": ("コミット(M2)", "Commit (M2)"),
    "most_likely": ("最有力(M2)", "Most likely (M2)"),
    "best_case": ("ベストケース(M2)", "Best case (M2)"),
    "age": ("経過日数(M3)", "By age (M3)"),
    "historical": ("過去比(M4)", "Historical (M4)"),
    "seasonal_naive": ("前年同期の実績", "Same period a year before"),
}


class ForecastAsked(Asked):
    at: Instant | None = Field(None, description="as known at that moment; default as of now")
    target: float | None = Field(None, gt=0, le=1e15, description="what is to be won, in major units of the currency")


@router.get("/forecast")
async def get_forecast(request: Request, asked: Annotated[ForecastAsked, Query()]) -> ForecastOut:
    """What is expected to be won in the period; every deal due in it; the actual beside it, split by where it came
    from."""
    runtime = request.app.state.runtime
    question = asked.question(runtime)
    at = min(asked.at or question.as_of, question.as_of)
    past = as_known(question, at)
    async with AsyncExitStack() as stack:
        now = await stack.enter_async_context(viewing(runtime, question))
        then = await stack.enter_async_context(viewing(runtime, past))
        found = await snapshot(then)
        return await _answer(now, then, found, await outcome(now, then, found), asked)


async def _answer(now: View, then: View, found: Forecast, came: Outcome, asked: ForecastAsked) -> ForecastOut:
    whole = found.whole
    minor = 10 ** decimals(now.question.currency)
    target = Decimal(str(asked.target)) * minor if asked.target is not None else None
    listed = whole.due[:LISTED]
    names = await names_of(then, "opportunity_id", [deal.opportunity_id for deal in listed])
    due_value = _value(whole.due)
    return ForecastOut(
        **basis(now),
        at=then.question.as_of,
        currency=now.question.currency,
        closed=money(whole.closed, now),
        open_pipeline=money(due_value, now),
        later=money(_value(whole.later), now),
        overdue=_overdue(whole, now),
        deals=[_deal(deal, then, names) for deal in listed],
        deal_count=len(whole.due),
        methods=[method_out(name, method, came.actual, now) for name, method in whole.methods.items()],
        coverage=_coverage(due_value, whole.closed, target, now),
        target=None if target is None else money(target, now),
        actual=money(came.actual, now),
        actual_from=SourcesOut(**{name: money(value, now) for name, value in came.sources.items()}),
        slipped=ratio(came.slipped, len(whole.due)),
        slipped_value=_share(came.slipped_value, due_value, now),
        due_became={name: money(value, now) for name, value in came.fates.items()},
        groups=_groups(found, came, now),
        summed=[_summed(name, found, now) for name in METHODS] if found.groups else [],
        reason=NO_PLAN_RATE if found.unpriced else None,
    )


def _value(deals: Sequence[Deal]) -> Decimal:
    return sum((deal.value for deal in deals), Decimal(0))


def _overdue(found: Snapshot, view: View) -> OverdueOut:
    late = found.overdue
    weighted = sum((deal.value * Decimal(str(deal.chance or 0.0)) for deal in late), Decimal(0))
    return OverdueOut(deals=len(late), value=money(_value(late), view), weighted=money(weighted, view))


def _groups(found: Forecast, came: Outcome, view: View) -> list[ForecastGroup]:
    """Rounded together, so that the parts add up to the rounded whole; also what was won of a value none had then."""
    values = sorted({*found.groups, *came.slices})
    none = Snapshot(Decimal(0), (), (), {})
    parts = [found.groups.get(value, none) for value in values]
    closed = _apportioned([part.closed for part in parts], view)
    pipeline = _apportioned([_value(part.due) for part in parts], view)
    actual = _apportioned([came.slices.get(value, Decimal(0)) for value in values], view)
    methods: list[list[MethodOut]] = [[] for _ in values]
    for name in METHODS if found.groups else ():
        told = [part.methods.get(name, Method(Decimal(0))) for part in parts]
        rounded = _apportioned([method.value or Decimal(0) for method in told], view)
        for place, (method, value) in enumerate(zip(told, rounded, strict=True)):
            shown = method_out(name, method, came.slices.get(values[place], Decimal(0)), view)
            methods[place].append(shown.model_copy(update={"value": value if shown.value else None}))
    return [
        ForecastGroup(
            by=view.question.by or "",
            value=value,
            closed=closed[place],
            open_pipeline=pipeline[place],
            deals=len(parts[place].due),
            overdue=_overdue(parts[place], view),
            methods=methods[place],
            actual=actual[place],
        )
        for place, value in enumerate(values)
    ]


def _apportioned(parts: Sequence[Decimal], view: View) -> list[Money]:
    total = half_even(sum(parts, Decimal(0)))
    return [Money(amount=amount, currency=view.question.currency) for amount in apportion(parts, total)]


def _summed(name: str, found: Forecast, view: View) -> SummedOut:
    pooled, summed = found.whole.methods[name], found.summed[name]
    lacks = pooled.value is None or summed.value is None
    low, middle, high = _interval(summed, view)
    return SummedOut(
        id=name,
        value=None if summed.value is None else money(summed.value, view),
        reason=summed.reason,
        p10=low,
        p50=middle,
        p90=high,
        difference=None if lacks else money((pooled.value or Decimal(0)) - (summed.value or Decimal(0)), view),
    )


def _interval(method: Method, view: View) -> list[Money | None]:
    """P10, P50 and P90."""
    return [None if value is None else money(value, view) for value in (method.low, method.middle, method.high)]


def _deal(deal: Deal, view: View, names: Mapping[UUID, str]) -> DealOut:
    return DealOut(
        opportunity_id=deal.opportunity_id,
        opportunity_external_id=names.get(deal.opportunity_id),
        value=money(deal.value, view),
        phase=deal.phase,
        chance=deal.chance,
        forecast_category=deal.category,
        expected_close_date=deal.due,
        overdue=deal.overdue,
        owner=deal.owner,
    )


def method_out(name: str, method: Method, actual: Decimal, view: View) -> MethodOut:
    ja, en = NAMES[name]
    error = None if method.value is None else method.value - actual
    drawn = _interval(method, view)
    return MethodOut(
        id=name,
        ja=ja,
        en=en,
        value=None if method.value is None else money(method.value, view),
        reason=method.reason,
        p10=drawn[0],
        p50=drawn[1],
        p90=drawn[2],
        error=None if error is None else money(error, view),
        bias=None if error is None or not actual else float(error / actual),
    )


def _coverage(due: Decimal, closed: Decimal, target: Decimal | None, view: View) -> Figure:
    """Null with `met` where nothing is left to reach."""
    if target is None:
        return Figure(value=None, numerator=money(due, view), reason=NO_TARGET)
    left = target - closed
    return _share(due, left, view) if left > 0 else Figure(value=None, numerator=money(due, view), reason=MET)


def _share(value: Decimal, whole: Decimal, view: View) -> Figure:
    return Figure(
        value=float(value / whole) if whole else None,
        numerator=money(value, view),
        denominator=money(whole, view),
        reason=None if whole else NO_BASE,
    )
