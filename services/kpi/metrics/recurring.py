"""Recurring revenue: start + new + expansion + reactivation - contraction - churn = end, and what is retained of it.

An account is in the slice it began in, so that each slice's figures add up too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from services.kpi.metrics.exchange import NO_PLAN_RATE, RATES, bound, money
from services.kpi.metrics.figures import HELD, STOCK, Figures, Metric, no_money, no_value, unpriced, zero
from services.kpi.metrics.question import WHOLE, WINDOWS, Cell, View, cell_of, held
from services.kpi.metrics.rates import NO_BASE
from services.kpi.metrics.records import Records, Source
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
    lost: int = 0  # customers of the start that are none at the end
    passing: int = 0  # who came and went in between
    fresh: int = 0  # who became a customer for the first time
    churns: int = 0  # how often anybody left
    expanded: int = 0  # customers of the end that expanded in between
    unpriced: bool = False

    @property
    def end(self) -> Decimal:
        return self.start + sum((self.parts or {}).values(), Decimal(0))


NO_COURSE = Course()


def is_sliced(view: View) -> bool:
    """Whether it matters in which slice an account began."""
    return bool(view.question.by or view.question.filters)


def beginnings(view: View) -> str:
    """A table `accounts` before a query: each with when it began and the slice it began in."""
    return f"""accounts AS (
        SELECT p.account_id, p.at AS since, {view.slice} AS slice
        FROM (SELECT DISTINCT ON (account_id) * FROM {{schema}}.movement
              WHERE basis = :basis ORDER BY account_id, at) AS p
        WHERE true {view.filters}
    )"""


def _each(view: View) -> str:
    """Tables before a query: `each` account in each window that paid at its start or moved in it, with what it paid at
    both ends and every movement."""
    kinds = ", ".join(f"coalesce(sum(worth) FILTER (WHERE kind = '{kind}'), 0) AS {kind}" for kind in KINDS)
    movement = "FROM windows w JOIN {schema}.movement m ON m.basis = :basis AND"
    return f"""
        WITH {RATES}, {WINDOWS}, {beginnings(view)}, told AS (
            SELECT w.period, m.account_id, NULL AS kind, m.paid AS amount, m.currency
            {movement} {held("w.starts", "m")} AND m.paid <> 0
            UNION ALL
            SELECT w.period, m.account_id, m.kind, m.delta, m.currency
            {movement} m.at >= w.starts AND m.at < w.ends
        ), each AS (
            SELECT period, account_id, coalesce(sum(worth) FILTER (WHERE kind IS NULL), 0) AS start,
                   count(*) FILTER (WHERE kind = 'churn') AS churns, bool_or(kind = 'new') IS TRUE AS fresh,
                   bool_or(kind = 'expansion') IS TRUE AS grew, bool_or(kind IS NOT NULL) AS moved,
                   coalesce(sum(worth), 0) AS ends, bool_or(worth IS NULL) AS unpriced, {kinds}
            FROM (SELECT t.*, t.amount * r.factor AS worth FROM told t LEFT JOIN rates r USING (currency)) AS p
            GROUP BY period, account_id
        )
    """


def _bound(view: View) -> dict[str, Any]:
    return {"basis": view.question.basis, **view.windows, **bound(view)}


async def courses(view: View) -> Mapping[Cell, Course]:
    """For each cell what its accounts paid at the start and at the end, and every movement between."""
    summed = ", ".join(f"sum({kind}) AS {kind}" for kind in KINDS)
    query = f"""
        {_each(view)}
        SELECT {view.window_shown}, sum(start) AS start, {summed}, bool_or(unpriced) AS unpriced,
               coalesce(sum(ends) FILTER (WHERE start > 0), 0) AS kept,
               coalesce(sum(least(start, ends)) FILTER (WHERE start > 0), 0) AS capped,
               count(*) FILTER (WHERE start > 0) AS before, count(*) FILTER (WHERE ends > 0) AS after,
               count(*) FILTER (WHERE start > 0 AND ends <= 0) AS lost, count(*) FILTER (WHERE fresh) AS fresh,
               count(*) FILTER (WHERE start <= 0 AND ends <= 0 AND moved) AS passing, sum(churns)::int AS churns,
               count(*) FILTER (WHERE grew AND ends > 0) AS expanded
        FROM each {"JOIN accounts USING (account_id)" if is_sliced(view) else ""} {view.window_cells()}
    """
    return {cell_of(row): _course(row) for row in await view.rows(query, _bound(view))}


def accounts(numerator: str, denominator: str = "NULL::boolean", where: str = "true") -> Records:
    """Each account with what it paid at both ends of the span and every movement between, in minor units."""
    figures = ", ".join(f"'{name}', {name}" for name in ("start", *KINDS))

    def source(view: View) -> Source:
        query = f"""
            {_each(view)}
            SELECT since AS at, account_id::text AS key, 'account' AS kind, {numerator} AS numerator,
                   {denominator} AS denominator, NULL::uuid AS lead_id, NULL::int AS cycle,
                   NULL::uuid AS opportunity_id, account_id, slice,
                   jsonb_build_object({figures}, 'end', ends) AS figures
            FROM each JOIN accounts USING (account_id) WHERE period = {WHOLE} AND ({where})
        """
        return Source(query, _bound(view))

    return source


OF_THE_START = accounts("start > 0 AND ends > 0", "start > 0", "start > 0")
OF_THE_END = accounts("ends > 0", where="ends > 0")
MOVED = accounts("moved", where="moved")


def _course(row: Any) -> Course:
    return Course(
        start=row.start,
        parts={kind: getattr(row, kind) for kind in KINDS},
        kept=row.kept,
        capped=row.capped,
        customers=(row.before, row.after),
        lost=row.lost,
        passing=row.passing,
        fresh=row.fresh,
        churns=row.churns,
        expanded=row.expanded,
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


async def new_mrr(view: View) -> Figures:
    """What customers began to pay that never paid before."""
    return {
        cell: unpriced() if course.unpriced else Figure(value=money((course.parts or {}).get("new"), view))
        for cell, course in (await courses(view)).items()
    }


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
    Metric(
        "mrr_mv",
        "MRRの増減",
        "MRR movements",
        "money",
        "end - start",
        mrr_movements,
        no_money,
        additive=True,
        records=MOVED,
    ),
    Metric(
        "new_mrr",
        "新規MRR",
        "New MRR",
        "money",
        "Σ new",
        new_mrr,
        no_money,
        additive=True,
        records=accounts("fresh", where="fresh"),
    ),
    Metric("arr", "ARR", "ARR", "money", f"12 × MRR {HELD}", arr, no_money, (STOCK,), records=OF_THE_END),
    Metric("nrr", "NRR(売上継続率)", "NRR", "ratio", _NRR, nrr, no_value, records=OF_THE_START),
    Metric("grr", "GRR(総売上継続率)", "GRR", "ratio", _GRR, grr, no_value, records=OF_THE_START),
    Metric(
        "customers",
        "契約中の顧客数",
        "Customers",
        "count",
        f"accounts paying {HELD}",
        customers,
        zero,
        (STOCK,),
        records=OF_THE_END,
    ),
)
