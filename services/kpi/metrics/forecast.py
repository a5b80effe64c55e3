"""What will be won in a period, by several methods side by side, as known at a moment; and what came of it
(metrics.md section 3).

M1 weighs each open deal that is due by the chance of its phase. M2 takes people's own categories at their word,
cumulative. M3 asks how many deals of that age were still won in the time left, and adds what is not open yet. M4 asks
how much of earlier periods was won by the same day. None of them sees a deal that was lost and comes back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np

from services.kpi.domain.periods import Period
from services.kpi.metrics.conversion import follow
from services.kpi.metrics.deals import PRICED
from services.kpi.metrics.entries import HOLDS
from services.kpi.metrics.exchange import RATES, bound
from services.kpi.metrics.forecasting import INSUFFICIENT, LEAST_CLOSED, chances
from services.kpi.metrics.question import ALL, View
from services.kpi.metrics.survival import OPEN, Incidence, incidence

OMITTED = "omitted"
CUMULATED = {
    "commit": ("commit",),
    "most_likely": ("commit", "most_likely"),
    "best_case": ("commit", "most_likely", "best_case"),
}
"""Each call of M2 with the categories it holds; what is closed comes on top."""
EARLIER_PERIODS = 4
DRAWS, SEED = 10_000, 20_260_401
QUANTILES = (0.1, 0.5, 0.9)
HISTORY_YEARS = 5


@dataclass(frozen=True)
class Deal:
    """Open at the moment. `chance` is None where its phase has none."""

    opportunity_id: UUID
    value: Decimal
    told: bool
    phase: str | None
    category: str | None
    due: date | None
    opened_at: datetime
    owner: str | None
    chance: float | None = None


@dataclass(frozen=True)
class Method:
    """What a method expects, in minor units; None with the reason why it cannot say."""

    value: Decimal | None
    reason: str | None = None
    low: Decimal | None = None
    middle: Decimal | None = None
    high: Decimal | None = None


@dataclass(frozen=True)
class Snapshot:
    """The pipeline as known at a moment: `due` in the period, `later` ones, and what was closed in it by then."""

    closed: Decimal
    due: Sequence[Deal]
    later: Sequence[Deal]
    methods: Mapping[str, Method]
    unpriced: bool


_OPEN = f"""
    SELECT p.opportunity_id, coalesce(worth, 0) AS value, told, phase, forecast_category AS category,
           expected_close_date AS due, opened_at, owner, told AND worth IS NULL AS unpriced
    FROM (SELECT p.* {PRICED} FROM {{schema}}.opportunity_state p
          WHERE p.status = 'open' AND {HOLDS} {{filters}}) AS p
    ORDER BY opened_at, opportunity_id
"""
_CLOSED = f"""
    SELECT p.opportunity_id, coalesce(worth, 0) AS value, p.at, told AND worth IS NULL AS unpriced
    FROM (SELECT p.* {PRICED} FROM {{schema}}.passage p
          WHERE p.milestone = 'won' AND p.at >= :from AND p.at < :to AND {HOLDS} {{filters}}) AS p
"""


async def snapshot(view: View) -> Snapshot:
    """`view` is as known at the moment, its span is the period that is forecast."""
    rows = await view.rows(f"WITH {RATES} {_OPEN.replace('{filters}', view.filters)}", bound(view))
    known = await chances(view) or {}
    deals = [
        Deal(
            row.opportunity_id,
            row.value,
            row.told,
            row.phase,
            row.category,
            row.due,
            row.opened_at,
            row.owner,
            known.get(row.phase),
        )
        for row in rows
    ]
    won = await closed(view)
    whole = view.question.whole
    due = [deal for deal in deals if deal.due is not None and deal.due < whole.end and deal.category != OMITTED]
    later = [deal for deal in deals if deal not in due]
    total = sum(won.values(), Decimal(0))
    return Snapshot(
        total,
        due,
        later,
        {
            "stage_weighted": _weighted(total, due, known),
            **{name: _called(total, due, held) for name, held in CUMULATED.items()},
            "age": await _by_age(view, total, deals),
            "historical": await _by_history(view, total),
        },
        unpriced=any(row.unpriced for row in rows),
    )


async def closed(view: View) -> Mapping[UUID, Decimal]:
    """The deals won in the span by as_of, with what they are worth."""
    rows = await view.rows(f"WITH {RATES} {_CLOSED.replace('{filters}', view.filters)}", bound(view))
    return {row.opportunity_id: row.value for row in rows}


def _weighted(total: Decimal, due: Sequence[Deal], known: Mapping[str, float]) -> Method:
    """M1. Deals whose phase has no chance count nothing, and are shown as such."""
    if not known:
        return Method(None, INSUFFICIENT)
    expected = sum((Decimal(str(deal.chance or 0.0)) * deal.value for deal in due), Decimal(0))
    return _drawn(total + expected, total, [(deal.chance or 0.0, deal.value) for deal in due])


def _called(total: Decimal, due: Sequence[Deal], held: Sequence[str]) -> Method:
    return Method(total + sum((deal.value for deal in due if deal.category in held), Decimal(0)))


def _drawn(
    value: Decimal, total: Decimal, deals: Sequence[tuple[float, Decimal]], more: tuple[float, float] = (0.0, 0.0)
) -> Method:
    """With P10, P50 and P90 of so many draws: each deal is won or not, `more` is how many come new and their value."""
    chance = np.random.default_rng(SEED)
    sums = np.full(DRAWS, float(total))
    for probability, worth in deals:
        sums += (chance.random(DRAWS) < probability) * float(worth)
    if more[0] > 0:
        sums += chance.poisson(more[0], DRAWS) * more[1]
    low, middle, high = (Decimal(str(value)) for value in np.quantile(sums, QUANTILES))
    return Method(value, None, low, middle, high)


async def _by_age(view: View, total: Decimal, deals: Sequence[Deal]) -> Method:
    """M3: P(won by the end | open at its age) = (CIF(age + left) - CIF(age)) / S(age), and what is opened and won in
    the time left: openings a day x Σ CIF of the days that remain to each x the mean value."""
    as_of, end = view.question.as_of, view.end
    left = (end - as_of).total_seconds() / 86_400
    history = Period(
        view.question.whole.start.replace(year=view.question.whole.start.year - HISTORY_YEARS, day=1),
        as_of.astimezone(view.question.zone).date() + timedelta(days=1),
    )
    past = view.with_question(whole=history, interval=None, by=None)
    found = (await follow(past, "opportunity", "won")).get(ALL)
    if found is None or int(np.sum(found.kinds != OPEN)) < LEAST_CLOSED:
        return Method(None, INSUFFICIENT)
    if left <= 0:
        return Method(total)
    curve = incidence(found.days, found.kinds)
    chances_ = [(_conditional(curve, _age(deal, as_of), left), deal.value) for deal in deals]
    recent = int(np.sum(found.ages <= 90))
    reached = [curve.at(left - day)[0] for day in np.arange(0.5, left, 1.0)]
    new = recent / 90 * float(np.sum(reached)) if reached else 0.0
    won = await closed(past)
    worth = float(sum(won.values(), Decimal(0))) / len(won) if won else 0.0
    expected = sum((Decimal(str(chance)) * value for chance, value in chances_), Decimal(0))
    return _drawn(total + expected + Decimal(str(new * worth)), total, chances_, (new, worth))


def _age(deal: Deal, as_of: datetime) -> float:
    return (as_of - deal.opened_at).total_seconds() / 86_400


def _conditional(curve: Incidence, age: float, left: float) -> float:
    """Of those still open at `age`, the share won within the days `left`."""
    now, (won, lost) = curve.at(age + left)[0], curve.at(age)
    alive = 1 - won - lost
    return max(0.0, (now - won) / alive) if alive > 1e-9 else 0.0


async def _by_history(view: View, total: Decimal) -> Method:
    """M4: what is closed now ÷ the share of earlier periods of the same length that was closed by the same day."""
    whole = view.question.whole
    length, elapsed = whole.end - whole.start, view.elapsed(whole)
    shares = []
    for number in range(1, EARLIER_PERIODS + 1):
        span = Period(whole.start - number * length, whole.end - number * length)
        before = view.with_question(whole=span, interval=None, by=None)
        rows = await before.rows(f"WITH {RATES} {_CLOSED.replace('{filters}', before.filters)}", bound(before))
        worth = sum((row.value for row in rows), Decimal(0))
        until = before.start + (before.end - before.start) * elapsed
        early = sum((row.value for row in rows if row.at < until), Decimal(0))
        if worth:
            shares.append(early / worth)
    ratio = sum(shares, Decimal(0)) / len(shares) if shares else Decimal(0)
    return Method(total / ratio) if ratio else Method(None, INSUFFICIENT)


@dataclass(frozen=True)
class Outcome:
    """What was won in the period in the end, by where it was at the moment, and what of the due deals slipped.

    The sources add up to the actual; the differences of each method add up to its error (see `explained`).
    """

    actual: Decimal
    sources: Mapping[str, Decimal]
    slipped: int
    slipped_value: Decimal
    fates: Mapping[str, Decimal]


async def outcome(view: View, then: View, found: Snapshot) -> Outcome:
    """`view` is of now, `then` of the moment of the snapshot."""
    won = await closed(view)
    before = set(await closed(then))
    openly = {deal.opportunity_id for deal in (*found.due, *found.later)}
    known = await _known(then)
    sources = dict.fromkeys(("closed_at_snapshot", "open_at_snapshot", "reopened", "created_after"), Decimal(0))
    for opportunity, value in won.items():
        if opportunity in before:
            sources["closed_at_snapshot"] += value
        elif opportunity in openly:
            sources["open_at_snapshot"] += value
        elif opportunity in known:
            sources["reopened"] += value
        else:
            sources["created_after"] += value
    states = await _states(view)
    moved = [
        deal
        for deal in found.due
        if (state := states.get(deal.opportunity_id))
        and state[0] == "open"
        and (state[1] or date.max) >= view.question.whole.end
    ]
    fates = dict.fromkeys(("won", "lost", "slipped", "open"), Decimal(0))
    for deal in found.due:
        fates[_fate(deal, won, states, view.question.whole.end)] += deal.value
    total = sum(won.values(), Decimal(0))
    return Outcome(total, sources, len(moved), sum((deal.value for deal in moved), Decimal(0)), fates)


State = tuple[str, date | None]


def _fate(deal: Deal, won: Mapping[UUID, Decimal], states: Mapping[UUID, State], end: date) -> str:
    if deal.opportunity_id in won:
        return "won"
    status, due = states.get(deal.opportunity_id, ("open", None))
    if status == "open":
        return "slipped" if (due or date.max) >= end else "open"
    return "lost" if status == "lost" else "slipped"


async def _known(view: View) -> set[UUID]:
    """Every opportunity that had ever been one by as_of."""
    query = "SELECT DISTINCT opportunity_id FROM {schema}.opportunity_state WHERE at <= :as_of AND status <> 'offered'"
    return {row.opportunity_id for row in await view.rows(query)}


async def _states(view: View) -> Mapping[UUID, State]:
    query = (
        f"SELECT opportunity_id, status, expected_close_date AS due FROM {{schema}}.opportunity_state p WHERE {HOLDS}"
    )
    return {row.opportunity_id: (row.status, row.due) for row in await view.rows(query)}
