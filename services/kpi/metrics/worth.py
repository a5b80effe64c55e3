"""What a customer is worth and costs: hazard of leaving, LTV, CAC and payback (metrics.md 1d)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from services.kpi.domain.decisions import GROSS_MARGIN, PRIOR_CHURN
from services.kpi.metrics.acquisition import LAGGED, lag, spend_of
from services.kpi.metrics.exchange import major, money
from services.kpi.metrics.figures import Figures, Metric, no_value
from services.kpi.metrics.question import WINDOWS, Cell, View, cell_of
from services.kpi.metrics.rates import NO_BASE
from services.kpi.metrics.recurring import OF_THE_END, Course, accounts, beginnings, courses, is_sliced
from services.kpi.schemas.figures import Figure

SETTING_MISSING = "setting_missing"
MONTH_DAYS = 365.25 / 12
LONGEST_MONTHS = 60
DEFAULT_PRIOR = 0.01


async def exposure(view: View) -> Mapping[Cell, float]:
    """Customer-months under contract in each span (booked), a month being a twelfth of 365.25 days."""
    query = f"""
        WITH {WINDOWS} {f", {beginnings(view)}" if is_sliced(view) else ""}
        SELECT {view.window_shown}, sum(extract(epoch FROM least(coalesce(until, w.ends), w.ends)
                                                         - greatest(at, w.starts)))::float8 AS seconds
        FROM {{schema}}.customer_span s {"JOIN accounts USING (account_id)" if is_sliced(view) else ""}
        JOIN windows w ON s.at < w.ends AND (s.until IS NULL OR s.until > w.starts)
        {view.window_cells()}
    """
    rows = await view.rows(query, {**view.windows, "basis": view.question.basis})
    return {cell_of(row): row.seconds / 86_400 / MONTH_DAYS for row in rows}


class Hazard(NamedTuple):
    """Churns by customer-month. `assumed`: nobody churned yet, and a prior stands in (half a churn)."""

    churns: int
    months: float
    monthly: float | None
    assumed: bool


async def hazards(view: View, known: Mapping[Cell, Course]) -> Mapping[Cell, Hazard]:
    months, found = await exposure(view), {}
    prior = view.decisions.setting(PRIOR_CHURN, view.question.whole.start) or DEFAULT_PRIOR
    for cell, course in known.items():
        exposed = months.get(cell, 0.0)
        if not exposed:
            found[cell] = Hazard(course.churns, 0.0, None, assumed=False)
        elif course.churns:
            found[cell] = Hazard(course.churns, exposed, course.churns / exposed, assumed=False)
        else:
            found[cell] = Hazard(0, exposed, 0.5 / (exposed + 0.5 / prior), assumed=True)
    return found


async def churn_hazard(view: View) -> Figures:
    return {
        cell: Figure(
            value=found.monthly,
            numerator=found.churns,
            denominator=found.months,
            reason=None if found.monthly is not None else NO_BASE,
            more={"prior_based": found.assumed},
        )
        for cell, found in (await hazards(view, await courses(view))).items()
    }


class Worth(NamedTuple):
    """What a customer is worth and costs, in minor units; None with the reason where one part is missing."""

    ltv: Decimal | None
    cac: Decimal | None
    payback: float | None
    more: dict[str, Any]
    reasons: dict[str, str]


async def worths(view: View) -> Mapping[Cell, Worth]:
    """LTV = ARPA x gross margin x lifetime (1 / hazard, at most 60 months); CAC = spend / new customers;
    payback = CAC / (new ARPA x gross margin), in months."""
    margin = view.decisions.setting(GROSS_MARGIN, view.question.whole.start)
    known = await courses(view)
    risks, spent, found = await hazards(view, known), await spend_of(view, lag(view)), {}
    for cell, course in known.items():
        found[cell] = _worth(course, risks[cell], spent.get(cell), margin)
    return found


def _worth(course: Course, risk: Hazard, spent: Decimal | None, margin: float | None) -> Worth:
    reasons: dict[str, str] = {}
    more: dict[str, Any] = {"gross_margin": margin, "prior_based": risk.assumed, "capped": False}
    share = None if margin is None else Decimal(str(margin))
    if share is None:
        reasons["margin"] = SETTING_MISSING
    ltv = None
    if share is not None and risk.monthly and course.customers[1]:
        months = 1 / risk.monthly
        more["capped"], months = months > LONGEST_MONTHS, min(months, LONGEST_MONTHS)
        more["lifetime_months"] = months
        ltv = course.end / course.customers[1] * share * Decimal(months)
    cac = spent / course.fresh if spent is not None and course.fresh else None
    payback = None
    if cac is not None and share and (new := (course.parts or {}).get("new")):
        payback = float(cac / (new / course.fresh * share))
    return Worth(ltv, cac, payback, {**more, "new_customers": course.fresh}, reasons)


def _reason(found: Worth) -> str:
    return found.reasons.get("margin", NO_BASE)


async def ltv(view: View) -> Figures:
    return {
        cell: Figure(
            value=None if found.ltv is None else money(found.ltv, view),
            reason=None if found.ltv is not None else _reason(found),
            more={**found.more, "exact": major(found.ltv, view)},
        )
        for cell, found in (await worths(view)).items()
    }


async def cac(view: View) -> Figures:
    return {
        cell: Figure(
            value=None if found.cac is None else money(found.cac, view),
            denominator=found.more["new_customers"],
            reason=None if found.cac is not None else NO_BASE,
        )
        for cell, found in (await worths(view)).items()
    }


async def ltv_by_cac(view: View) -> Figures:
    found = {}
    for cell, worth in (await worths(view)).items():
        known = worth.ltv is not None and worth.cac
        value = float(worth.ltv / worth.cac) if worth.ltv is not None and worth.cac else None
        found[cell] = Figure(value=value, reason=None if known else _reason(worth), more=worth.more)
    return found


async def payback(view: View) -> Figures:
    return {
        cell: Figure(value=found.payback, reason=None if found.payback is not None else _reason(found), more=found.more)
        for cell, found in (await worths(view)).items()
    }


_NEW = accounts("fresh", where="fresh")
METRICS = (
    Metric(
        "churn_hazard",
        "月次解約ハザード",
        "Monthly churn hazard",
        "ratio",
        "churns ÷ customer-months; without a churn 0.5 ÷ (customer-months + 0.5 ÷ prior)",
        churn_hazard,
        no_value,
        records=accounts("churns > 0", "true"),
    ),
    Metric(
        "ltv",
        "LTV",
        "LTV",
        "money",
        "ARPA x gross margin ÷ hazard, at most 60 months of it",
        ltv,
        no_value,
        records=OF_THE_END,
    ),
    Metric("cac", "CAC", "CAC", "money", f"spend{LAGGED} ÷ new customers of the span", cac, no_value, records=_NEW),
    Metric("ltv_cac", "LTV/CAC", "LTV by CAC", "ratio", "ltv ÷ cac", ltv_by_cac, no_value, records=_NEW),
    Metric(
        "payback",
        "CAC回収期間",
        "CAC payback",
        "months",
        "cac ÷ (MRR of a new customer x margin)",
        payback,
        no_value,
        records=_NEW,
    ),
)
