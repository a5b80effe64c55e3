"""What a plan and a scenario start from: the chain of the baseline, and what was said instead of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from services.kpi.domain.aims import Ground
from services.kpi.domain.capacity import Team
from services.kpi.domain.periods import Period, months
from services.kpi.metrics.chain import DEPARTMENTS, MQL, OUTSIDE, SQL, UPLIFT, VISITORS, WEB, WON, Factors, factors
from services.kpi.metrics.forecasting import won_worth
from services.kpi.metrics.question import ALL, View
from services.kpi.metrics.recurring import NO_COURSE, courses
from services.kpi.metrics.worth import worths
from services.kpi.schemas.plans import Assumptions
from shared.errors import Invalid
from shared.money import decimals

NOTHING = Factors(dict.fromkeys(DEPARTMENTS, (0, 0)))
SELLING = ("marketing", "inside_sales", "field_sales")
COUNTS = {"visitors": VISITORS, "web_leads": WEB, "lead_cycles": UPLIFT, "mql": MQL, "sql": SQL}
COUNTS |= {"opportunities": OUTSIDE, "deals": WON}
"""Each step and the factor whose numerator counts it."""


@dataclass(frozen=True)
class Baseline:
    """`ratio`: how often the baseline goes into the period planned for. `opening`: customers at its end."""

    found: Factors
    ground: Ground
    opening: int
    ratio: float


async def baseline(
    view: View, span: Period, told: Assumptions, nrr: float | None = None, *, instead: bool = True
) -> Baseline:
    """`view` is of the baseline, `span` what is planned for. What was said counts `instead` of what is known, or else
    only where nothing is. Raises Invalid where a rate is neither known nor said."""
    minor = 10 ** decimals(view.question.currency)
    found = (await factors(view)).get(ALL) or NOTHING
    said = {str(name): rate for name, rate in told.rates.items() if instead or not found.rates[name]}
    rates = {**found.rates, **said}
    worth = (await won_worth(view)).get(ALL)
    known = float(worth.mean / minor) if worth and worth.mean else None
    average = told.average_won if instead and told.average_won else known or told.average_won
    missing = next((name for name, value in rates.items() if not value), None)
    if average is None or missing is not None:
        name = "average_won" if average is None else missing
        raise Invalid(f"rates.{name}", "is not known of the baseline; say it")
    ratio = months(span) / months(view.question.whole)
    total = float(((worth.total if worth else None) or Decimal(0)) / minor)
    course = (await courses(view)).get(ALL, NO_COURSE)
    teams = [one.team() for one in told.capacity]
    productivity, head_months = _by_head(teams, total, view.question.whole, span)
    before = float(course.kept / course.start) if course.start and not course.unpriced else None
    start, lost = course.customers[0], course.lost
    ltv = (await worths(view)).get(ALL)
    counts = {step: found.counts[name][0] * ratio for step, name in COUNTS.items()}
    ground = Ground(
        rates=rates,
        counts={**counts, "visitors": rates[VISITORS] * ratio},
        average=average,
        new_mrr=total * ratio,
        retention=told.retention if instead and told.retention else (1 - lost / start if start else 1.0) ** ratio,
        arr=None,
        nrr=nrr or (before**ratio if before is not None else None),
        ltv=float(ltv.ltv / minor) if ltv and ltv.ltv is not None else None,
        productivity=productivity,
        head_months=head_months,
    )
    return Baseline(found, ground, course.customers[1], ratio)


async def with_arr(view: View, span: Period, ground: Ground) -> Ground:
    """With the ARR of the start of the period, as known now. Raises Invalid where it has no plan rate."""
    course = (await courses(view.with_question(whole=span, interval=None))).get(ALL, NO_COURSE)
    if course.unpriced:
        raise Invalid("period", "its fiscal year has no plan rate for a currency customers pay in")
    return replace(ground, arr=float(course.start * 12 / 10 ** decimals(view.question.currency)))


def _by_head(teams: Sequence[Team], total: float, before: Period, span: Period) -> tuple[float | None, float]:
    """New MRR by head-month of those who market and sell, None where some did not tell; their head-months planned."""
    selling = [team for team in teams if team.department in SELLING]
    if len(selling) < len(SELLING):
        return None, 0.0
    was, will_be = (sum(team.head_months(each) for team in selling) for each in (before, span))
    return (total / was if was else None), will_be
