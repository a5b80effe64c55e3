"""GET /v1/forecast/arr: the ARR landing, its parts, and what moved it since."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field

from services.kpi.api.questions import Instant, MrrAsked, as_known, viewing
from services.kpi.domain.periods import FORMS, Period, fiscal_year, named
from services.kpi.metrics.exchange import money
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.landing import KINDS, Landing, landing
from services.kpi.metrics.question import Question, View
from services.kpi.metrics.recurring import courses
from services.kpi.metrics.statistics import apportion, half_even
from services.kpi.queries.decisions import decisions
from services.kpi.schemas.landing import LandingFigures, LandingGroup, LandingOut, LineOut, MovedOut, SinceOut
from shared.clock import day_of
from shared.errors import Invalid
from shared.http.door import Door, Reading
from shared.money import Money

router = APIRouter(prefix="/v1", tags=["forecast"], route_class=Door)
A_WEEK = timedelta(days=7)
MOST_GROUPS = 30
FURTHEST_DAYS = 3 * 366
NAMES: Mapping[str, tuple[str, str]] = {
    "opening": ("期首", "Opening"),
    "new": ("新規", "New"),
    "expansion": ("拡大", "Expansion"),
    "reactivation": ("復活", "Reactivation"),
    "contraction": ("縮小", "Contraction"),
    "churn": ("解約", "Churn"),
    "signed": ("契約済み・開始前", "Signed, not begun"),
}


class LandingAsked(MrrAsked):
    period: str | None = Field(None, max_length=20, description=f"{FORMS}; default the fiscal year as_of lies in")
    since: Instant | None = Field(None, description="what moved since then; default a week before as_of")


@router.get("/forecast/arr")
async def get_landing(request: Request, session: Reading, asked: Annotated[LandingAsked, Query()]) -> LandingOut:
    """ARR at the end of the fiscal year, or of another period, as known at as_of: P10, P50, P90, and what moved it."""
    runtime = request.app.state.runtime
    if asked.begin or asked.end or asked.interval:
        raise Invalid("period", f"says which end is asked for: {FORMS}")
    question = asked.question(runtime, basis=asked.basis)
    name, span = _period(asked.period, question, (await decisions(session)).first_month)
    question = as_known(replace(question, whole=span, by=None), question.as_of)
    if not in_sight(question):
        raise Invalid("period", "ends within three years of as_of: nobody knows what is further away")
    since = min(asked.since or question.as_of - A_WEEK, question.as_of)
    async with viewing(runtime, question) as view:
        found = await landing(view)
        groups = await _groups(view, asked.by) if asked.by else {}
    async with viewing(runtime, as_known(question, since)) as view:
        before = await landing(view)
    return LandingOut(
        **{**basis(view), "as_of": question.as_of, "known_at": question.known_at},
        **_figures(found, view).model_dump(),
        period=name,
        period_end=span.end,
        basis=asked.basis,
        currency=question.currency,
        since=_since(before, found, since, view),
        groups=[
            LandingGroup(by=asked.by or "", value=value, **_figures(one, view).model_dump())
            for value, one in groups.items()
        ],
        mix=_mix(found, list(groups.values()), view),
    )


def in_sight(question: Question) -> bool:
    """Whether the end of the span is not further away than anybody knows of."""
    return (question.whole.end - day_of(question.as_of, question.zone)).days <= FURTHEST_DAYS


def _period(name: str | None, question: Question, first_month: int) -> tuple[str, Period]:
    """Raises Invalid."""
    if name is None:
        span = fiscal_year(day_of(question.as_of, question.zone), first_month)
        return f"FY{span.start.year}", span
    try:
        return name, named(name, first_month)
    except ValueError as error:
        raise Invalid("period", str(error)) from error


async def _groups(view: View, by: str) -> dict[str, Landing]:
    """By the slices that pay, or paid. Raises Invalid where there are more than anybody reads."""
    slices = sorted({cell.value for cell in await courses(view.with_question(by=by)) if cell.value is not None})
    if len(slices) > MOST_GROUPS:
        raise Invalid("by", f"has more than {MOST_GROUPS} values; filter by one")
    return {value: await landing(view.with_question(filters={**view.question.filters, by: value})) for value in slices}


def _figures(found: Landing, view: View) -> LandingFigures:
    """Rounded once, so that the parts still add up to the whole."""
    now = half_even(found.now)
    opening, *so_far = apportion([found.opening, *(found.so_far[kind] for kind in KINDS)], now)
    expected: Sequence[int | None] = [None] * len(KINDS)
    signed = half_even(found.signed)
    if found.expected is not None and found.landing is not None:
        parts = [found.signed, *(found.expected[kind] for kind in KINDS)]
        signed, *expected = apportion(parts, half_even(found.landing) - now)

    def shown(value: int | None) -> Money | None:
        return None if value is None else Money(amount=value, currency=view.question.currency)

    def exact(value: Decimal | None) -> Money | None:
        return None if value is None else money(value, view)

    return LandingFigures(
        opening=money(Decimal(opening), view),
        now=money(found.now, view),
        lines=[
            LineOut(
                kind=kind,
                ja=NAMES[kind][0],
                en=NAMES[kind][1],
                so_far=money(Decimal(by_now), view),
                expected=shown(ahead),
                total=shown(None if ahead is None else by_now + ahead),
            )
            for kind, by_now, ahead in zip(KINDS, so_far, expected, strict=True)
        ],
        signed=money(Decimal(signed), view),
        landing=exact(found.landing),
        reason=found.reason,
        p10=exact(found.low),
        p50=exact(found.middle),
        p90=exact(found.high),
        method=found.method,
        new_from_open_deals=exact(found.open_deals if found.landing is not None else None),
        months=found.months,
    )


def _since(before: Landing, found: Landing, at: datetime, view: View) -> SinceOut:
    then, now = _parts(before), _parts(found)
    if before.landing is None or found.landing is None:
        return SinceOut(
            at=at,
            landing=None if before.landing is None else money(before.landing, view),
            reason=before.reason or found.reason,
            change=None,
            moved=[],
        )
    ends = half_even(before.landing), half_even(found.landing)
    sides = apportion(list(then.values()), ends[0]), apportion(list(now.values()), ends[1])
    return SinceOut(
        at=at,
        landing=money(before.landing, view),
        reason=None,
        change=money(Decimal(ends[1] - ends[0]), view),
        moved=[
            MovedOut(
                part=part,
                ja=NAMES[part][0],
                en=NAMES[part][1],
                then=money(Decimal(one), view),
                now=money(Decimal(other), view),
                change=money(Decimal(other - one), view),
            )
            for part, one, other in zip(then, *sides, strict=True)
        ],
    )


def _parts(found: Landing) -> dict[str, Decimal]:
    """They add up to the landing."""
    return {"opening": found.opening, **{kind: found.total(kind) for kind in KINDS}, "signed": found.signed}


def _mix(found: Landing, groups: Sequence[Landing], view: View) -> Money | None:
    ends = [one.landing for one in groups if one.landing is not None]
    if found.landing is None or not ends or len(ends) < len(groups):
        return None
    return money(Decimal(half_even(found.landing) - sum(half_even(end) for end in ends)), view)
