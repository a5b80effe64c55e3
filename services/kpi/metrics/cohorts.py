"""Customers by the month they began, and what is left of them each month after (metrics.md 1d).

A cell is the state at the end of a month; age 0 is the month they began in. Months that are not over are no cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from services.kpi.metrics.exchange import RATES, bound
from services.kpi.metrics.question import View

LONGEST_AGES = 120


@dataclass(frozen=True)
class Row:
    """One month's beginners. `mrr` and `logos` by age; `began` is their first MRR, `size` how many they were."""

    month: date
    size: int
    began: Decimal
    mrr: Sequence[Decimal]
    logos: Sequence[int]


@dataclass(frozen=True)
class Grid:
    rows: Sequence[Row]
    unpriced: bool


async def cohorts(view: View) -> Grid:
    """Of those that became customers in the span, up to as_of."""
    months = "(extract(year FROM {at} AT TIME ZONE :zone) * 12 + extract(month FROM {at} AT TIME ZONE :zone) - 1)::int"
    firsts = f"""
        firsts AS (
            SELECT p.account_id, {months.format(at="p.at")} AS cohort FROM {{schema}}.movement p
            JOIN (SELECT account_id, min(at) AS at FROM {{schema}}.movement WHERE basis = :basis GROUP BY 1) AS f
              USING (account_id, at)
            WHERE p.basis = :basis AND p.at >= :from AND p.at < :to AND p.at <= :as_of {view.filters}
            GROUP BY 1, 2
        )
    """
    moved = f"""
        WITH {RATES}, {firsts}
        SELECT f.cohort, {months.format(at="m.at")} AS month, sum(m.delta * r.factor) AS worth,
               sum(m.delta * r.factor) FILTER (WHERE m.kind = 'new') AS new,
               count(DISTINCT m.account_id) FILTER (WHERE m.kind = 'new') AS size, bool_or(r.factor IS NULL) AS unpriced
        FROM firsts f JOIN {{schema}}.movement m USING (account_id) LEFT JOIN rates r USING (currency)
        WHERE m.basis = :basis AND m.at <= :as_of GROUP BY 1, 2
    """
    spans = f"""
        WITH {firsts}
        SELECT f.cohort, x.month, sum(x.step)::int AS step
        FROM firsts f JOIN {{schema}}.customer_span s USING (account_id)
        CROSS JOIN LATERAL (
            VALUES ({months.format(at="s.at")}, 1), ({months.format(at="s.until")}, -1)
        ) AS x(month, step)
        WHERE s.at <= :as_of AND x.month IS NOT NULL AND (x.step = 1 OR s.until <= :as_of) GROUP BY 1, 2
    """
    given = {"basis": view.question.basis, "zone": view.question.zone.key}
    amounts = await view.rows(moved, {**given, **bound(view)})
    steps = await view.rows(spans, given)
    last = _last_full(view)
    rows = [_row(cohort, amounts, steps, last) for cohort in sorted({row.cohort for row in amounts})]
    return Grid(rows, any(row.unpriced for row in amounts))


def _last_full(view: View) -> int:
    """The last month that is over by as_of."""
    local = view.question.as_of.astimezone(view.question.zone)
    return local.year * 12 + local.month - 2


def _row(cohort: int, amounts: Sequence[Any], steps: Sequence[Any], last: int) -> Row:
    mine = [row for row in amounts if row.cohort == cohort]
    ages = range(max(0, min(last - cohort + 1, LONGEST_AGES)))
    paid, alive = Decimal(0), 0
    mrr, logos = [], []
    for age in ages:
        paid += sum((row.worth for row in mine if row.month == cohort + age and row.worth is not None), Decimal(0))
        alive += sum(row.step for row in steps if (row.cohort, row.month) == (cohort, cohort + age))
        mrr.append(paid)
        logos.append(alive)
    return Row(
        month=date(cohort // 12, cohort % 12 + 1, 1),
        size=sum(row.size or 0 for row in mine),
        began=sum((row.new for row in mine if row.new is not None), Decimal(0)),
        mrr=mrr,
        logos=logos,
    )
