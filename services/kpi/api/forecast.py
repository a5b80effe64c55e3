"""The forecast of a period as known at a moment, every method beside the others, and what came of it."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import Field

from services.kpi.api.questions import Asked, Instant, viewing
from services.kpi.metrics.exchange import NO_PLAN_RATE, money
from services.kpi.metrics.figures import ratio
from services.kpi.metrics.forecast import Deal, Method, Outcome, Snapshot, outcome, snapshot
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.question import View
from services.kpi.metrics.rates import NO_BASE
from services.kpi.metrics.records import names_of
from services.kpi.schemas.figures import Figure
from services.kpi.schemas.forecast import DealOut, ForecastOut, MethodOut, SourcesOut
from shared import clock
from shared.http.door import Door
from shared.money import decimals

router = APIRouter(prefix="/v1", tags=["forecast"], route_class=Door)
MET, NO_TARGET = "met", "no_target"
NAMES: Mapping[str, tuple[str, str]] = {
    "stage_weighted": ("フェーズ加重(M1)", "Weighted by phase (M1)"),
    "commit": ("コミット(M2)", "Commit (M2)"),
    "most_likely": ("最有力(M2)", "Most likely (M2)"),
    "best_case": ("ベストケース(M2)", "Best case (M2)"),
    "age": ("経過日数(M3)", "By age (M3)"),
    "historical": ("過去比(M4)", "Historical (M4)"),
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
    past = replace(question, as_of=at, known_at=at if at < clock.utc_now() else question.known_at)
    async with AsyncExitStack() as stack:
        now = await stack.enter_async_context(viewing(runtime, question))
        then = await stack.enter_async_context(viewing(runtime, past))
        found = await snapshot(then)
        return await _answer(now, then, found, await outcome(now, then, found), asked)


async def _answer(now: View, then: View, found: Snapshot, came: Outcome, asked: ForecastAsked) -> ForecastOut:
    minor = 10 ** decimals(now.question.currency)
    target = Decimal(str(asked.target)) * minor if asked.target is not None else None
    names = await names_of(then, "opportunity_id", [deal.opportunity_id for deal in found.due])
    due_value = sum((deal.value for deal in found.due), Decimal(0))
    return ForecastOut(
        **basis(now),
        at=then.question.as_of,
        currency=now.question.currency,
        closed=money(found.closed, now),
        open_pipeline=money(due_value, now),
        later=money(sum((deal.value for deal in found.later), Decimal(0)), now),
        deals=[_deal(deal, then, names) for deal in found.due],
        methods=[_method(name, method, came.actual, now) for name, method in found.methods.items()],
        coverage=_coverage(due_value, found.closed, target, now),
        target=None if target is None else money(target, now),
        actual=money(came.actual, now),
        actual_from=SourcesOut(**{name: money(value, now) for name, value in came.sources.items()}),
        slipped=ratio(came.slipped, len(found.due)),
        slipped_value=_share(came.slipped_value, due_value, now),
        due_became={name: money(value, now) for name, value in came.fates.items()},
        reason=NO_PLAN_RATE if found.unpriced else None,
    )


def _deal(deal: Deal, view: View, names: Mapping[UUID, str]) -> DealOut:
    today = view.question.as_of.astimezone(view.question.zone).date()
    return DealOut(
        opportunity_id=deal.opportunity_id,
        opportunity_external_id=names.get(deal.opportunity_id),
        value=money(deal.value, view),
        phase=deal.phase,
        chance=deal.chance,
        forecast_category=deal.category,
        expected_close_date=deal.due,
        overdue=deal.due is not None and deal.due < today,
        owner=deal.owner,
    )


def _method(name: str, method: Method, actual: Decimal, view: View) -> MethodOut:
    ja, en = NAMES[name]
    error = None if method.value is None else method.value - actual
    drawn: Sequence[Any] = [
        None if value is None else money(value, view) for value in (method.low, method.middle, method.high)
    ]
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
