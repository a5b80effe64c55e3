"""What became of revenue and customers: churn, renewals, expansion (metrics.md 1d).

`net_churn` counts every movement, NRR only customers of the start: one minus the one is not the other.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from services.kpi.metrics.exchange import money
from services.kpi.metrics.figures import HELD, STOCK, Figures, Metric, no_value, nothing, ratio, unpriced
from services.kpi.metrics.question import View
from services.kpi.metrics.rates import NO_BASE
from services.kpi.metrics.recurring import Course, accounts, courses
from services.kpi.schemas.figures import Figure

INFINITE = "infinite"


def _quotient(value: Decimal, base: Decimal, view: View) -> Figure:
    """One amount by another; null where there is nothing to divide by."""
    return Figure(
        value=float(value / base) if base else None,
        numerator=money(value, view),
        denominator=money(base, view),
        reason=None if base else NO_BASE,
    )


Of = Callable[[Course, View], Figure]


def of_courses(figure: Of) -> Any:
    """A metric that needs nothing but an account's course; null where a plan rate is missing."""

    async def compute(view: View) -> Figures:
        return {
            cell: unpriced() if course.unpriced else figure(course, view)
            for cell, course in (await courses(view)).items()
        }

    return compute


def _part(course: Course, *kinds: str) -> Decimal:
    """What these movements add up to, as an amount without a sign."""
    return sum((abs((course.parts or {}).get(kind, Decimal(0))) for kind in kinds), Decimal(0))


def gross_churn(course: Course, view: View) -> Figure:
    return _quotient(_part(course, "churn", "contraction"), course.start, view)


def net_churn(course: Course, view: View) -> Figure:
    lost = _part(course, "churn", "contraction") - _part(course, "expansion", "reactivation")
    return _quotient(lost, course.start, view)


def quick_ratio(course: Course, view: View) -> Figure:
    won, lost = _part(course, "new", "expansion", "reactivation"), _part(course, "churn", "contraction")
    found = _quotient(won, lost, view)
    return found if lost else found.model_copy(update={"reason": INFINITE if won else NO_BASE})


def logo_churn(course: Course, _: View) -> Figure:
    found = ratio(course.lost, course.customers[0])
    return found.model_copy(update={"more": {"in_period_churn": course.passing}})


def arpa(course: Course, view: View) -> Figure:
    number = course.customers[1]
    return Figure(
        value=money(course.end / number, view) if number else None,
        numerator=money(course.end, view),
        denominator=number,
        reason=None if number else NO_BASE,
    )


def upsell(course: Course, _: View) -> Figure:
    return ratio(course.expanded, course.customers[1])


_GROSS = "(churn + contraction) ÷ MRR at the start, over all movements of the span"
_NET = "(churn + contraction - expansion - reactivation) ÷ MRR at the start, over all movements; not 1 - NRR"
_LOST = accounts("churn + contraction < 0", "start > 0", "start > 0 OR churn + contraction < 0")
_MOVED = accounts("moved", "start > 0", "moved OR start > 0")
METRICS = (
    Metric(
        "gross_churn",
        "グロスMRR解約率",
        "Gross MRR churn",
        "ratio",
        _GROSS,
        of_courses(gross_churn),
        no_value,
        records=_LOST,
    ),
    Metric(
        "net_churn", "ネットMRR解約率", "Net MRR churn", "ratio", _NET, of_courses(net_churn), no_value, records=_MOVED
    ),
    Metric(
        "quick",
        "クイックレシオ",
        "Quick ratio",
        "ratio",
        "(new + expansion + reactivation) ÷ (churn + contraction)",
        of_courses(quick_ratio),
        no_value,
        records=_MOVED,
    ),
    Metric(
        "logo_churn",
        "チャーンレート(社数)",
        "Logo churn",
        "ratio",
        "customers of the start that are none at the end ÷ customers at the start",
        of_courses(logo_churn),
        nothing,
        records=accounts("start > 0 AND ends <= 0", "start > 0", "start > 0"),
    ),
    Metric(
        "arpa",
        "ARPA",
        "ARPA",
        "money",
        f"MRR ÷ customers, both {HELD}",
        of_courses(arpa),
        no_value,
        (STOCK,),
        records=accounts("ends > 0", "ends > 0", "ends > 0"),
    ),
    Metric(
        "upsell",
        "アップセル率",
        "Upsell rate",
        "ratio",
        "customers of the end that expanded in the span ÷ customers at the end",
        of_courses(upsell),
        nothing,
        records=accounts("grew AND ends > 0", "ends > 0", "ends > 0"),
    ),
)
