"""What will be won in a period, by several methods side by side, as known at a moment (metrics.md section 3).

M1 weighs each open deal that is due by the chance of its phase. M2 takes people's own categories at their word,
cumulative. M3 asks how many deals of that age were still won in the time left, and adds what is not open yet. M4 asks
how much of earlier periods was won by the same day. None of them sees a deal that was lost and comes back. Beside them
stands what was won in the same period a year before: a method that is no better than that is worth nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from services.kpi.metrics.ahead import Ahead, History, ahead, earlier, spread
from services.kpi.metrics.deals import PRICED
from services.kpi.metrics.draws import Floats, drawn, quantiles
from services.kpi.metrics.entries import HOLDS
from services.kpi.metrics.exchange import RATES, bound
from services.kpi.metrics.forecasting import INSUFFICIENT, chances
from services.kpi.metrics.question import ALL, Cell, View

OMITTED = "omitted"
CUMULATED = {
    "commit": ("commit",),
    "most_likely": ("commit", "most_likely"),
    "best_case": ("commit", "most_likely", "best_case"),
}
"""Each call of M2 with the categories it holds; what is closed comes on top."""
BY_PHASE, BY_AGE, BY_HISTORY, NAIVE = "stage_weighted", "age", "historical", "seasonal_naive"
METHODS = (BY_PHASE, *CUMULATED, BY_AGE, BY_HISTORY, NAIVE)
DRAWN_SLICES = 200  # draws of more slices than anybody looks at would only fill the memory


@dataclass(frozen=True)
class Deal:
    """Open at the moment. `chance` is that of its phase, None where that has none; `mrr` is what of `value` recurs.

    `overdue`: its day had passed. It is kept, as due in the period the moment lies in, at its full chance.
    """

    opportunity_id: UUID
    value: Decimal
    mrr: Decimal
    phase: str | None
    category: str | None
    due: date | None
    opened_at: datetime
    owner: str | None
    slice: str | None
    chance: float | None
    overdue: bool

    def age(self, moment: datetime) -> float:
        """In days."""
        return (moment - self.opened_at).total_seconds() / 86_400


@dataclass(frozen=True)
class Won:
    opportunity_id: UUID
    value: Decimal
    at: datetime
    slice: str | None


@dataclass(frozen=True)
class Method:
    """What a method expects, in minor units; None with the reason why it cannot say. `new` is what of it is not open
    yet, `odds` the chance it gives to each deal, `sums` its draws."""

    value: Decimal | None
    reason: str | None = None
    low: Decimal | None = None
    middle: Decimal | None = None
    high: Decimal | None = None
    new: Decimal = Decimal(0)
    odds: Mapping[UUID, float] = field(default_factory=dict)
    sums: Floats | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Snapshot:
    """The pipeline as known at a moment: `due` in the period, `later` ones, and what was closed in it by then."""

    closed: Decimal
    due: Sequence[Deal]
    later: Sequence[Deal]
    methods: Mapping[str, Method]

    @property
    def overdue(self) -> Sequence[Deal]:
        return [deal for deal in self.due if deal.overdue]


@dataclass(frozen=True)
class Forecast:
    """Of everything, and of each slice; `summed` adds the slices' methods up. Without a dimension there are none."""

    whole: Snapshot
    groups: Mapping[str, Snapshot]
    summed: Mapping[str, Method]
    won: Sequence[Won]
    unpriced: bool


_OPEN = f"""
    SELECT p.opportunity_id, coalesce(worth, 0) AS value, CASE WHEN mrr_amount IS NULL THEN 0 ELSE worth END AS mrr,
           phase, forecast_category AS category, expected_close_date AS due, opened_at, owner, slice,
           told AND worth IS NULL AS unpriced
    FROM (SELECT p.*, {{slice}} AS slice {PRICED} FROM {{schema}}.opportunity_state p
          WHERE p.status = 'open' AND {HOLDS} {{filters}}) AS p
    ORDER BY opened_at, opportunity_id
"""
_CLOSED = f"""
    SELECT p.opportunity_id, coalesce(worth, 0) AS value, p.at, slice, told AND worth IS NULL AS unpriced
    FROM (SELECT p.*, {{slice}} AS slice {PRICED} FROM {{schema}}.passage p
          WHERE p.milestone = 'won' AND p.at >= :from AND p.at < :to AND {HOLDS} {{filters}}) AS p
"""


def _asked(query: str, view: View) -> str:
    return f"WITH {RATES} {query}".replace("{slice}", view.slice).replace("{filters}", view.filters)


async def snapshot(view: View) -> Forecast:
    """`view` is as known at the moment, its span is the period that is forecast."""
    pipeline = await open_deals(view)
    deals, won = pipeline.deals, await closed(view)
    told = _Told(view, pipeline.has_chances, await ahead(view), await earlier(view))
    slices = sorted({deal.slice for deal in deals if deal.slice} | {one.slice for one in won if one.slice})
    slices = sorted({*slices, *(cell.value for cell in (*told.ahead, *told.history) if cell.value)})
    groups = {
        value: told.snapshot(
            Cell(None, value),
            [deal for deal in deals if deal.slice == value],
            [one for one in won if one.slice == value],
            place,
        )
        for place, value in enumerate(slices, 1)
    }
    return Forecast(
        told.snapshot(ALL, deals, won, 0),
        groups,
        {name: _sum([group.methods[name] for group in groups.values()]) for name in METHODS} if groups else {},
        won,
        pipeline.unpriced,
    )


class Pipeline(NamedTuple):
    """`has_chances`: phases have a chance, decided or learned."""

    deals: Sequence[Deal]
    has_chances: bool
    unpriced: bool


async def open_deals(view: View) -> Pipeline:
    """The first that was opened comes first."""
    rows = await view.rows(_asked(_OPEN, view), bound(view))
    known = await chances(view)
    today = today_of(view)
    deals = [_deal(row, today, known or {}) for row in rows]
    return Pipeline(deals, known is not None, any(row.unpriced for row in rows))


def today_of(view: View) -> date:
    """The day the moment lies in."""
    return view.question.as_of.astimezone(view.question.zone).date()


def is_due(deal: Deal, view: View) -> bool:
    """In the span; what is overdue can only be won from now on."""
    whole = view.question.whole
    return (
        deal.due is not None and deal.category != OMITTED and whole.start <= max(deal.due, today_of(view)) < whole.end
    )


def _deal(row: Any, today: date, known: Mapping[str, float]) -> Deal:
    return Deal(
        row.opportunity_id,
        row.value,
        row.mrr or Decimal(0),
        row.phase,
        row.category,
        row.due,
        row.opened_at,
        row.owner,
        row.slice,
        known.get(row.phase),
        overdue=row.due is not None and row.due < today,
    )


async def closed(view: View) -> Sequence[Won]:
    """The deals won in the span by as_of, with what they are worth."""
    rows = await view.rows(_asked(_CLOSED, view), bound(view))
    return [Won(row.opportunity_id, row.value, row.at, row.slice) for row in rows]


@dataclass(frozen=True)
class _Told:
    """What all slices are forecast by."""

    view: View
    has_chances: bool
    ahead: Mapping[Cell, Ahead]
    history: Mapping[Cell, History]

    def snapshot(self, cell: Cell, deals: Sequence[Deal], won: Sequence[Won], place: int) -> Snapshot:
        """`place` is the number of the slice, so that each has draws of its own."""
        total = sum((one.value for one in won), Decimal(0))
        due = [deal for deal in deals if is_due(deal, self.view)]
        expected = {deal.opportunity_id for deal in due}
        methods = {
            BY_PHASE: self._weighted(total, due, place),
            **{name: _called(total, due, held) for name, held in CUMULATED.items()},
            BY_AGE: self._by_age(total, deals, cell, place),
            BY_HISTORY: self._by_history(total, cell),
            NAIVE: self._naive(cell),
        }
        return Snapshot(total, due, [deal for deal in deals if deal.opportunity_id not in expected], methods)

    def _weighted(self, total: Decimal, due: Sequence[Deal], place: int) -> Method:
        """M1. Deals whose phase has no chance count nothing, and are shown as such."""
        if not self.has_chances:
            return Method(None, INSUFFICIENT)
        return _expected(total, due, {deal.opportunity_id: deal.chance or 0.0 for deal in due}, place)

    def _by_age(self, total: Decimal, deals: Sequence[Deal], cell: Cell, place: int) -> Method:
        """M3. A slice nothing was ever opened in expects nothing new."""
        known = self.ahead.get(cell) or self.ahead.get(ALL)
        if known is None:
            return Method(None, INSUFFICIENT)
        moment = self.view.question.as_of
        odds = {deal.opportunity_id: known.chance(deal.age(moment)) for deal in deals}
        new = (known.new, known.worth.value) if cell in self.ahead else (0.0, 0.0)
        return _expected(total, deals, odds, place, new)

    def _by_history(self, total: Decimal, cell: Cell) -> Method:
        """M4: what is closed now ÷ the share of earlier periods of the same length that was closed by the same day."""
        own, common = self.history.get(cell, History()), self.history.get(ALL, History())
        found = own if own.ratio else common
        if not found.ratio:
            return Method(None, INSUFFICIENT)
        return Method(total / found.ratio, None, *(spread(total, found.shares) or ()))

    def _naive(self, cell: Cell) -> Method:
        """Where anything was won a year before, a slice without a deal then expects none."""
        whole = self.history.get(ALL, History()).year_before
        if whole is None:
            return Method(None, INSUFFICIENT)
        return Method(self.history.get(cell, History()).year_before or Decimal(0))


def _called(total: Decimal, due: Sequence[Deal], held: Sequence[str]) -> Method:
    taken = [deal for deal in due if deal.category in held]
    odds = {deal.opportunity_id: 1.0 for deal in taken}
    return Method(total + sum((deal.value for deal in taken), Decimal(0)), odds=odds)


def _expected(
    total: Decimal,
    deals: Sequence[Deal],
    odds: Mapping[UUID, float],
    place: int,
    new: tuple[float, float] = (0.0, 0.0),
) -> Method:
    """Closed + Σ chance x value + how many come new x their worth, with P10, P50 and P90."""
    expected = sum((Decimal(str(odds[deal.opportunity_id])) * deal.value for deal in deals), Decimal(0))
    more = Decimal(str(new[0] * new[1]))
    if place > DRAWN_SLICES:
        return Method(total + expected + more, new=more, odds=odds)
    sums = drawn(float(total), [(odds[deal.opportunity_id], float(deal.value)) for deal in deals], new, place)
    return Method(total + expected + more, None, *quantiles(sums), new=more, odds=odds, sums=sums)


def _sum(parts: Sequence[Method]) -> Method:
    """What the slices expect together; None where one of them cannot say."""
    lacking = next((part for part in parts if part.value is None), None)
    if lacking is not None:
        return Method(None, lacking.reason)
    value = sum((part.value for part in parts if part.value is not None), Decimal(0))
    drawn_ones = [part.sums for part in parts if part.sums is not None]
    if not drawn_ones or len(drawn_ones) < len(parts):
        return Method(value)
    return Method(value, None, *quantiles(sum(drawn_ones[1:], drawn_ones[0])))
