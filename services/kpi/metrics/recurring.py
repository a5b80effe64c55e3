"""Recurring revenue: start + new + expansion + reactivation - contraction - churn = end, and what is retained of it.

An account is in the slice it began in, so that each slice's figures add up too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from services.kpi.metrics.exchange import NO_PLAN_RATE, RATES, bound, money
from services.kpi.metrics.figures import HELD, STOCK, Figures, Metric, no_money, no_value, unpriced, zero
from services.kpi.metrics.question import WINDOWS, Cell, View, cell_of
from services.kpi.metrics.rates import NO_BASE
from services.kpi.metrics.statistics import apportion, half_even
from services.kpi.projections.accounts import KINDS
from services.kpi.schemas.figures import Customers, Figure, Movements, MrrFigures, RetentionOut
from shared.money import Money

DOWN = frozenset({"contraction", "churn"})


@dataclass(frozen=True)
class Course:
    """The exact amounts of one cell, in minor units not yet rounded. `parts` keep their sign."""

    start: Decimal = Decimal(0)
    parts: Mapping[str, Decimal] | None = None
    kept: Decimal = Decimal(0)
    capped: Decimal = Decimal(0)
    customers: tuple[int, int] = (0, 0)
    unpriced: bool = False

    @property
    def end(self) -> Decimal:
        return self.start + sum((self.parts or {}).values(), Decimal(0))


NO_COURSE = Course()


async def courses(view: View) -> Mapping[Cell, Course]:
    """For each cell what its accounts paid at the start and at the end, and every movement between."""
    kinds = ", ".join(
        f"coalesce(sum(worth) FILTER (WHERE at >= starts AND kind = '{kind}'), 0) AS {kind}" for kind in KINDS
    )
    summed = ", ".join(f"sum({kind}) AS {kind}" for kind in KINDS)
    query = f"""
        WITH {RATES}, {WINDOWS}, accounts AS (
            SELECT DISTINCT ON (p.account_id) p.account_id, {view.slice} AS slice
            FROM {{schema}}.movement p WHERE p.basis = :basis {view.filters} ORDER BY p.account_id, p.at
        ), priced AS (
            SELECT m.account_id, m.at, m.kind, a.slice, m.delta * r.factor AS worth
            FROM {{schema}}.movement m JOIN accounts a USING (account_id) LEFT JOIN rates r USING (currency)
            WHERE m.basis = :basis AND m.at <= :as_of
        ), each AS (
            SELECT w.period, p.slice, p.account_id, coalesce(sum(worth) FILTER (WHERE at < w.starts), 0) AS start,
                   coalesce(sum(worth), 0) AS ends, bool_or(worth IS NULL) AS unpriced, {kinds}
            FROM windows w JOIN priced p ON p.at < w.ends GROUP BY w.period, p.slice, p.account_id
        )
        SELECT {view.window_shown}, sum(start) AS start, {summed}, bool_or(unpriced) AS unpriced,
               coalesce(sum(ends) FILTER (WHERE start > 0), 0) AS kept,
               coalesce(sum(least(start, ends)) FILTER (WHERE start > 0), 0) AS capped,
               count(*) FILTER (WHERE start > 0) AS before, count(*) FILTER (WHERE ends > 0) AS after
        FROM each {view.window_cells()}
    """
    rows = await view.rows(query, {"basis": view.question.basis, **view.windows, **bound(view)})
    return {cell_of(row): _course(row) for row in rows}


def _course(row: Any) -> Course:
    return Course(
        start=row.start,
        parts={kind: getattr(row, kind) for kind in KINDS},
        kept=row.kept,
        capped=row.capped,
        customers=(row.before, row.after),
        unpriced=row.unpriced,
    )


def shown(course: Course, view: View) -> MrrFigures:
    """Rounded once, so that the parts still add up to the whole."""
    customers = Customers(start=course.customers[0], end=course.customers[1])
    if course.unpriced:
        lost = RetentionOut(value=None, numerator=None, denominator=None, reason=NO_PLAN_RATE)
        return MrrFigures(
            start=None,
            movements=None,
            net_new=None,
            end=None,
            nrr=lost,
            grr=lost,
            customers=customers,
            reason=NO_PLAN_RATE,
        )
    currency = view.question.currency
    start, end = half_even(course.start), half_even(course.end)
    parts = course.parts or dict.fromkeys(KINDS, Decimal(0))
    rounded = apportion([parts[kind] for kind in KINDS], end - start)
    movements = {
        kind: Money(amount=-amount if kind in DOWN else amount, currency=currency)
        for kind, amount in zip(KINDS, rounded, strict=True)
    }
    return MrrFigures(
        start=Money(amount=start, currency=currency),
        movements=Movements(**movements),
        net_new=Money(amount=end - start, currency=currency),
        end=Money(amount=end, currency=currency),
        nrr=_retention(course.kept, course.start, view),
        grr=_retention(course.capped, course.start, view),
        customers=customers,
    )


def _retention(kept: Decimal, start: Decimal, view: View) -> RetentionOut:
    return RetentionOut(
        value=float(kept / start) if start else None,
        numerator=money(kept, view),
        denominator=money(start, view),
        reason=None if start else NO_BASE,
    )


async def mrr_movements(view: View) -> Figures:
    found = {}
    for cell, course in (await courses(view)).items():
        figures = shown(course, view)
        more = figures.model_dump(mode="json", exclude={"nrr", "grr", "reason"})
        found[cell] = Figure(value=figures.net_new, reason=figures.reason, more=more)
    return found


async def arr(view: View) -> Figures:
    """Twelve times what is paid monthly at the end of the span."""
    return {
        cell: unpriced() if course.unpriced else Figure(value=money(course.end * 12, view))
        for cell, course in (await courses(view)).items()
    }


async def nrr(view: View) -> Figures:
    return {cell: _figure(shown(course, view).nrr) for cell, course in (await courses(view)).items()}


async def grr(view: View) -> Figures:
    return {cell: _figure(shown(course, view).grr) for cell, course in (await courses(view)).items()}


async def customers(view: View) -> Figures:
    return {cell: Figure(value=course.customers[1]) for cell, course in (await courses(view)).items()}


def _figure(retention: RetentionOut) -> Figure:
    return Figure(**retention.model_dump())


_NRR = "MRR at the end of the customers of the start ÷ their MRR at the start"
_GRR = "Σ min(end, start) by customer ÷ MRR at the start"
METRICS = (
    Metric("mrr_mv", "MRRの増減", "MRR movements", "money", "end - start", mrr_movements, no_money, additive=True),
    Metric("arr", "ARR", "ARR", "money", f"12 × MRR {HELD}", arr, no_money, (STOCK,)),
    Metric("nrr", "NRR(売上継続率)", "NRR", "ratio", _NRR, nrr, no_value),
    Metric("grr", "GRR(総売上継続率)", "GRR", "ratio", _GRR, grr, no_value),
    Metric("customers", "契約中の顧客数", "Customers", "count", f"accounts paying {HELD}", customers, zero, (STOCK,)),
)
