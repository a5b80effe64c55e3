"""Forecasts that were kept, held against what came."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from services.kpi.api.forecast import NAMES
from services.kpi.api.questions import Asked, Day, Instant, viewing
from services.kpi.domain.horizons import HORIZONS, LENGTHS
from services.kpi.domain.periods import Period, months_after
from services.kpi.metrics.exchange import NO_PLAN_RATE, money
from services.kpi.metrics.forecasting import INSUFFICIENT, won_worth
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.judging import Came, Expected, Frozen, came
from services.kpi.metrics.question import Cell, View
from services.kpi.metrics.rates import rate
from services.kpi.metrics.statistics import apportion, half_even
from services.kpi.metrics.verdicts import LEAST_PERIODS, WEIGHING, Pair, Verdict, leanings, reliability, verdict
from services.kpi.queries.forecasts import DEALS, Kept, calls_of_reps, judged_snapshots, newest_calls
from services.kpi.schemas.accuracy import (
    AccuracyOut,
    BenchmarkOut,
    JudgedOut,
    JudgedPeriod,
    KeptOut,
    OwnerOut,
    ReliabilityOut,
    SaidOut,
)
from shared.clock import day_of
from shared.errors import Invalid
from shared.http.door import Door
from shared.money import Money, decimals

router = APIRouter(prefix="/v1", tags=["forecast"], route_class=Door)
LAST, MOST = 12, 36
CALLS: Mapping[str, tuple[str, str]] = {
    "submitted_commit": ("提出コミット", "Commit as submitted"),
    "submitted_most_likely": ("提出最有力", "Most likely as submitted"),
    "submitted_best_case": ("提出ベストケース", "Best case as submitted"),
}
JUDGED = {**NAMES, **CALLS}


class AccuracyAsked(BaseModel):
    """Periods that lie within `from` and `to`, as far as they are over; default the last twelve."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    begin: Day | None = Field(None, alias="from")
    end: Day | None = Field(None, alias="to")
    length: Literal["month", "quarter", "year"] = Field("month", description="quarters and years are fiscal")
    horizon: Literal["start", "d60", "d30", "d14", "d7"] | None = Field(None, description="default all of them")
    as_of: Instant | None = Field(None, description="as if nothing had occurred from then on")
    known_at: Instant | None = Field(None, description="the actuals as if nothing had been recorded later")


@router.get("/forecast/accuracy")
async def get_accuracy(request: Request, asked: Annotated[AccuracyAsked, Query()]) -> AccuracyOut:
    """How far each method was off at each horizon, and why; beside what the same period a year before says."""
    runtime = request.app.state.runtime
    question = Asked(as_of=asked.as_of, known_at=asked.known_at).question(runtime)
    question = replace(question, whole=_span(asked, day_of(question.as_of, question.zone)))
    async with viewing(runtime, question) as view:
        found = await judged_snapshots(
            view.session,
            asked.length,
            [asked.horizon] if asked.horizon else list(HORIZONS),
            (question.whole.start, question.whole.end),
            question.currency,
        )
        moments = [(kept.body["from_date"], kept.body["to_date"], _at(kept)) for kept in found]
        calls, reps = await newest_calls(view.session, moments), await calls_of_reps(view.session, moments)
        frozen = [_frozen(kept, call) for kept, call in zip(found, calls, strict=True)]
        pairs = await _pairs(view, frozen)
        return AccuracyOut(
            **basis(view),
            length=asked.length,
            currency=question.currency,
            floor=LEAST_PERIODS,
            items=_items(pairs, view),
            reliability=_reliability(pairs),
            owners=await _owners(view, frozen, reps),
            periods=_periods(pairs, view),
        )


def _span(asked: AccuracyAsked, today: date) -> Period:
    """Raises Invalid."""
    end = min(asked.end or today, today)
    begin = asked.begin or months_after(end, -LENGTHS[asked.length] * LAST)
    if begin >= end:
        raise Invalid("to", "lies after from; periods that are not over are not judged")
    if (end - begin).days > MOST * LENGTHS[asked.length] * 31:
        raise Invalid("from", f"at most {MOST} periods")
    return Period(begin, end)


def _at(kept: Kept) -> datetime:
    return datetime.fromisoformat(kept.body["at"])


def _frozen(kept: Kept, call: Mapping[str, Any] | None) -> Frozen:
    body = kept.body
    methods = {
        name: Expected(_number(told["value"]), _number(told["low"]), _number(told["high"]), Decimal(told["new"]))
        for name, told in body["methods"].items()
        if name in NAMES
    }
    if call is not None:
        for name in CALLS:
            said = call[name.removeprefix("submitted_")]
            methods[name] = Expected(Decimal(said["amount"]) if said["currency"] == body["currency"] else None)
    span = Period(date.fromisoformat(body["from_date"]), date.fromisoformat(body["to_date"]))
    return Frozen(kept.key, body["period"], span, body["horizon"], _at(kept), body["caught_up"], methods)


def _number(told: str | None) -> Decimal | None:
    return None if told is None else Decimal(told)


async def _pairs(view: View, frozen: Sequence[Frozen]) -> list[Pair]:
    """With what came of each, in the order of their periods: one look for each period."""
    periods: defaultdict[Period, list[Frozen]] = defaultdict(list)
    for one in frozen:
        periods[one.span].append(one)
    found: list[Pair] = []
    for span in sorted(periods, key=lambda span: span.start):
        result = await came(view.with_question(whole=span), periods[span], DEALS, WEIGHING)
        found += [(one, result) for one in sorted(periods[span], key=lambda one: HORIZONS.index(one.horizon))]
    return found


def _items(pairs: Sequence[Pair], view: View) -> list[JudgedOut]:
    return [
        _judged(horizon, verdict(name, own), view)
        for horizon in HORIZONS
        if (own := [pair for pair in pairs if pair[0].horizon == horizon])
        for name in JUDGED
        if any(name in frozen.methods for frozen, _ in own)
    ]


def _judged(horizon: str, found: Verdict, view: View) -> JudgedOut:
    ja, en = JUDGED[found.method]
    error = None if found.error is None else half_even(found.error)
    parts = apportion(list(found.parts.values()), error or 0)
    return JudgedOut(
        horizon=horizon,
        method=found.method,
        ja=ja,
        en=en,
        periods=found.periods,
        reason=found.reason,
        wape=found.wape,
        bias=found.bias,
        mape=found.mape,
        mape_excluded=found.excluded,
        coverage=rate(*found.covered).model_copy(update={"reason": found.reason} if found.reason else {}),
        benchmark=BenchmarkOut(
            periods=found.compared, wape=found.naive_wape, value_added=found.added, mase=found.scaled
        ),
        error=None if error is None else Money(amount=error, currency=view.question.currency),
        error_from={
            name: Money(amount=value, currency=view.question.currency)
            for name, value in zip(found.parts, parts, strict=True)
        },
        brier=found.brier,
        brier_skill=found.skill,
    )


def _reliability(pairs: Sequence[Pair]) -> list[ReliabilityOut]:
    return [
        ReliabilityOut(
            horizon=horizon,
            category=one.category,
            won=rate(*one.won),
            expected=one.expected,
            brier=one.brier,
        )
        for horizon in HORIZONS
        for one in reliability([pair for pair in pairs if pair[0].horizon == horizon])
    ]


async def _owners(
    view: View, frozen: Sequence[Frozen], reps: Sequence[Mapping[str, Mapping[str, Any]]]
) -> list[OwnerOut]:
    """What reps called as most likely, beside what was won of deals of theirs in the period."""
    minor, won = 10 ** decimals(view.question.currency), dict[Period, Mapping[Cell, Any]]()
    called: defaultdict[str, defaultdict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for one, calls in zip(frozen, reps, strict=True):
        for owner, said in calls.items():
            if said["most_likely"]["currency"] != view.question.currency:
                continue
            if one.span not in won:
                won[one.span] = await won_worth(view.with_question(whole=one.span, by="owner", interval=None))
            row = won[one.span].get(Cell(None, owner))
            if row is None or not row.unpriced:
                came_in = float((row.total or 0) if row else 0) / minor
                called[one.horizon][owner].append((said["most_likely"]["amount"] / minor, came_in))
    return [
        OwnerOut(horizon=horizon, **asdict(one))
        for horizon in HORIZONS
        if horizon in called
        for one in leanings(called[horizon])
    ]


def _periods(pairs: Sequence[Pair], view: View) -> list[JudgedPeriod]:
    together: dict[Period, list[Pair]] = {}
    for pair in pairs:
        together.setdefault(pair[0].span, []).append(pair)
    return [
        JudgedPeriod(
            period=own[0][0].period,
            from_date=span.start,
            to_date=span.end,
            actual=money(own[0][1].actual, view),
            reason=NO_PLAN_RATE if own[0][1].unpriced else None,
            kept=[_kept(frozen, result, view) for frozen, result in own],
        )
        for span, own in together.items()
    ]


def _kept(frozen: Frozen, result: Came, view: View) -> KeptOut:
    def shown(value: Decimal | None) -> Money | None:
        return None if value is None else money(value, view)

    return KeptOut(
        horizon=frozen.horizon,
        at=frozen.at,
        caught_up=frozen.caught_up,
        methods=[
            SaidOut(
                method=name,
                value=shown(said.value),
                reason=None if said.value is not None else INSUFFICIENT,
                p10=shown(said.low),
                p90=shown(said.high),
                error=shown(None if said.value is None else said.value - result.actual),
            )
            for name in JUDGED
            if (said := frozen.methods.get(name)) is not None
        ],
    )
