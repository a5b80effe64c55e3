"""ARR landing (着地見込み): what recurs a year at the end of a period (metrics.md A3).

Opening + movements so far + signed + expected = landing. New revenue is expected as the forecast by age says (M3; else
M1, else as much a month as in the last twelve), of which only the share counts that was new then: what was sold to
customers is expansion. All else is expected at the rates of the last twelve months, each weighing as much as was paid
in it. Deals still to be won count when they are won, on the live basis too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from services.kpi.domain.landing import NEW, RATED, course, months_left
from services.kpi.domain.periods import Period, months_after
from services.kpi.metrics.ahead import ahead
from services.kpi.metrics.deals import PRICED
from services.kpi.metrics.draws import DRAWS, SEED, Floats, drawn, quantiles
from services.kpi.metrics.entries import HOLDS
from services.kpi.metrics.exchange import NO_PLAN_RATE, RATES, bound
from services.kpi.metrics.forecast import BY_AGE, BY_PHASE, is_due, open_deals, today_of
from services.kpi.metrics.forecasting import INSUFFICIENT
from services.kpi.metrics.question import ALL, Cell, View
from services.kpi.metrics.rates import NO_BASE
from services.kpi.metrics.recurring import NO_COURSE, Course, courses
from shared.money import LARGEST

RUN_RATE = "run_rate"
KINDS = (NEW, *RATED)
YEAR_MONTHS, LEAST_MONTHS = 12, 3
ZERO = Decimal(0)


@dataclass(frozen=True)
class Landing:
    """A year's worth, in minor units; what goes down is negative. `so_far` are the movements of the period by the
    moment, `expected` those until its end, `signed` those that are agreed and begin before it. `landing` is None with
    the reason why. `months` is how many the rates are of."""

    opening: Decimal = ZERO
    so_far: Mapping[str, Decimal] = field(default_factory=lambda: dict.fromkeys(KINDS, ZERO))
    signed: Decimal = ZERO
    expected: Mapping[str, Decimal] | None = None
    landing: Decimal | None = None
    reason: str | None = None
    low: Decimal | None = None
    middle: Decimal | None = None
    high: Decimal | None = None
    method: str | None = None
    open_deals: Decimal = ZERO
    months: int = 0

    @property
    def now(self) -> Decimal:
        """What recurs at the moment."""
        return self.opening + sum(self.so_far.values(), ZERO)

    def total(self, kind: str) -> Decimal:
        return self.so_far[kind] + (self.expected[kind] if self.expected else ZERO)


class _Fresh(NamedTuple):
    """New MRR until the end: of what is open by now, of what is not, and draws of both."""

    method: str
    opened: float
    later: float
    sums: Floats


class _Month(NamedTuple):
    """What was paid when it began, and what moved in it."""

    paid: float
    moved: Mapping[str, float]


async def landing(view: View) -> Landing:
    """`view` is as known at the moment, its span is the period whose end is asked for."""
    now = (await courses(view)).get(ALL, NO_COURSE)
    if now.unpriced:
        return Landing(reason=NO_PLAN_RATE)
    parts = now.parts or dict.fromkeys(KINDS, ZERO)
    told = Landing(now.start * YEAR_MONTHS, {kind: parts[kind] * YEAR_MONTHS for kind in KINDS})
    months = months_left(view.question.as_of, view.end, view.question.zone)
    if not months:
        return _over(told, now)
    earlier = await _earlier(view)
    fresh = await _fresh(view, earlier, sum(months))
    if fresh is None or (now.end > 0 and len(earlier) < LEAST_MONTHS):
        return _with(told, reason=INSUFFICIENT if now.end or earlier else NO_BASE)
    signed = await _signed(view)
    paid = float(now.end)
    whole = sum(month.paid for month in earlier)
    rates = {kind: sum(month.moved[kind] for month in earlier) / whole if whole else 0.0 for kind in RATED}
    found = course(paid, fresh.opened + fresh.later, rates, months)
    expected = {kind: Decimal(str(found.movements[kind])) * YEAR_MONTHS for kind in KINDS}
    sums = _ends(paid, fresh.sums, earlier, months) + float(signed)
    if not np.abs(np.append(sums, found.end)).max() * YEAR_MONTHS <= LARGEST:  # nor is what is no number
        return _with(told, reason=INSUFFICIENT)
    low, middle, high = (point * YEAR_MONTHS for point in quantiles(sums))
    end = told.now + signed * YEAR_MONTHS + sum(expected.values(), ZERO)
    return Landing(
        told.opening,
        told.so_far,
        signed * YEAR_MONTHS,
        expected,
        end,
        None,
        *(low, middle, high),
        fresh.method,
        Decimal(str(fresh.opened)) * YEAR_MONTHS,
        len(earlier),
    )


def _with(told: Landing, *, reason: str) -> Landing:
    return Landing(told.opening, told.so_far, reason=reason)


def _over(told: Landing, now: Course) -> Landing:
    end = now.end * YEAR_MONTHS
    return Landing(told.opening, told.so_far, ZERO, dict.fromkeys(KINDS, ZERO), end, None, end, end, end)


async def _earlier(view: View) -> list[_Month]:
    """The last twelve whole months in which anything was paid at the start."""
    month = months_after(today_of(view), 0)
    past = view.with_question(whole=Period(months_after(month, -YEAR_MONTHS), month), interval="month", by=None)
    found = await courses(past)
    each = [found.get(Cell(place), NO_COURSE) for place in range(len(past.periods))]
    return [
        _Month(float(one.start), {kind: float((one.parts or {})[kind]) for kind in KINDS})
        for one in each
        if one.start > 0
    ]


async def _fresh(view: View, earlier: Sequence[_Month], months: float) -> _Fresh | None:
    """None where neither deals nor months say anything."""
    rest = view.with_question(whole=Period(today_of(view), view.question.whole.end), by=None, interval=None)
    pipeline = await open_deals(rest)
    share = await _share_new(rest, earlier)
    if (known := (await ahead(rest)).get(ALL)) is not None:
        moment = view.question.as_of
        deals = [(known.chance(deal.age(moment)), float(deal.mrr) * share) for deal in pipeline.deals]
        new = known.new, known.worth.mrr * share
        return _Fresh(BY_AGE, _mean(deals), new[0] * new[1], drawn(0.0, deals, new))
    if pipeline.has_chances and pipeline.deals:
        due = [(deal.chance or 0.0, float(deal.mrr) * share) for deal in pipeline.deals if is_due(deal, rest)]
        return _Fresh(BY_PHASE, _mean(due), 0.0, drawn(0.0, due, (0.0, 0.0)))
    if len(earlier) < LEAST_MONTHS:
        return None
    each = np.array([month.moved[NEW] for month in earlier])
    chance = np.random.default_rng(SEED)
    sums = chance.choice(each, (DRAWS, max(1, round(months)))).mean(axis=1) * months
    return _Fresh(RUN_RATE, 0.0, float(each.mean()) * months, sums)


def _mean(deals: Sequence[tuple[float, float]]) -> float:
    return sum(chance * worth for chance, worth in deals)


async def _share_new(view: View, earlier: Sequence[_Month]) -> float:
    """Of the MRR won in the last twelve months, the share that new customers pay; all of it where none was won."""
    month = months_after(today_of(view), 0)
    past = view.with_question(whole=Period(months_after(month, -YEAR_MONTHS), month))
    query = f"""
        WITH {RATES}
        SELECT coalesce(sum(worth), 0)::float8 AS won
        FROM (SELECT p.mrr_amount {PRICED} FROM {{schema}}.passage p
              WHERE p.milestone = 'won' AND p.at >= :from AND p.at < :to AND {HOLDS} {past.filters}) AS w
        WHERE mrr_amount IS NOT NULL
    """
    won = float((await past.rows(query, bound(past)))[0].won)
    return min(1.0, sum(month.moved[NEW] for month in earlier) / won) if won and earlier else 1.0


async def _signed(view: View) -> Decimal:
    """MRR that is agreed and begins only after the moment, by the end of the span."""
    query = f"""
        WITH {RATES}
        SELECT coalesce(sum(p.delta * r.factor), 0) AS signed
        FROM {{schema}}.movement p LEFT JOIN rates r USING (currency)
        WHERE p.basis = :basis AND p.at > :as_of AND p.at < :to {view.filters}
    """
    found: Decimal = (await view.rows(query, {"basis": view.question.basis, **bound(view)}))[0].signed
    return found


def _ends(paid: float, new: Floats, earlier: Sequence[_Month], months: Sequence[float]) -> Floats:
    """What is paid at the end, drawn: each month left goes like one of the earlier ones, drawn by what was paid in it,
    so that their mean is the rate that is expected."""
    left, ends = sum(months), np.full(DRAWS, paid)
    starts = np.array([month.paid for month in earlier])
    growth = np.array([sum(month.moved[kind] for kind in RATED) / month.paid for month in earlier])
    chance = np.random.default_rng([SEED, 1])
    with np.errstate(over="ignore", invalid="ignore"):  # what grows beyond all bounds is refused by who asks
        for share in months:
            moved = chance.choice(growth, DRAWS, p=starts / starts.sum()) if earlier else np.zeros(DRAWS)
            ends = ends + ends * moved * share + new * share / left
    return ends
