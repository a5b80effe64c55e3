"""Money in one currency: at the plan rate of the fiscal year the answer ends in, rounded half-even once at the end.

One rate for a whole answer, so that a rate which changes with the year is never a movement of its own.
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from services.kpi.domain.decisions import PLAN_RATES
from services.kpi.metrics.question import View
from services.kpi.metrics.statistics import half_even
from shared.money import Money, decimals

NO_PLAN_RATE = "no_plan_rate"


def factors(view: View) -> dict[str, Decimal]:
    """Minor units of the asked currency per minor unit of each currency that has a plan rate."""
    asked = view.question
    last_day = asked.whole.end - timedelta(days=1)
    planned = {code for version in view.decisions.settings.get(PLAN_RATES, ()) for code in version.value}
    found = {}
    for code in planned | {asked.currency, asked.company_currency}:
        rate = view.decisions.plan_rate(code, asked.currency, asked.company_currency, last_day)
        if rate is not None:
            found[code] = rate * Decimal(10) ** (decimals(asked.currency) - decimals(code))
    return found


RATES = (
    "rates AS (SELECT * FROM unnest(CAST(:currencies AS text[]), CAST(:factors AS numeric[])) AS r(currency, factor))"
)


def bound(view: View) -> Mapping[str, Any]:
    """The parameters of RATES."""
    found = sorted(factors(view).items())
    return {"currencies": [code for code, _ in found], "factors": [factor for _, factor in found]}


def major(value: Decimal | None, view: View) -> float | None:
    """Major units, not rounded: for what is no amount anybody pays."""
    return None if value is None else float(value / 10 ** decimals(view.question.currency))


def money(value: Decimal | None, view: View) -> Money:
    return Money(amount=half_even(value or Decimal(0)), currency=view.question.currency)
