"""What is coming to customer success: the deals that are likely to be won in the next days, each an onboarding."""

from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from services.kpi.domain.decisions import ONBOARDING_CAPACITY
from services.kpi.domain.periods import MONTH_DAYS, Period
from services.kpi.metrics.ahead import ahead
from services.kpi.metrics.draws import Floats, drawn, quantiles
from services.kpi.metrics.forecast import BY_AGE, BY_PHASE, is_due, open_deals, today_of
from services.kpi.metrics.question import ALL, View


class Coming(NamedTuple):
    """Deals won within so many days: `commit` are those promised, the others by chance; `method` says by which, None
    where nothing tells chances. `room` is how many can be onboarded in that time, None where nobody told."""

    days: int
    commit: int
    low: Decimal | None
    middle: Decimal | None
    high: Decimal | None
    method: str | None
    room: float | None

    @property
    def utilisation(self) -> float | None:
        """The likely number (P50; where that is not known the promised one) by what there is room for."""
        expected = float(self.middle) if self.middle is not None else float(self.commit)
        return expected / self.room if self.room else None


async def coming(view: View, days: int) -> Coming:
    """From as_of on."""
    today = today_of(view)
    rest = view.with_question(whole=Period(today, today + timedelta(days=days)), by=None, interval=None)
    pipeline = await open_deals(rest)
    due = [deal for deal in pipeline.deals if is_due(deal, rest)]
    sums, method = None, None
    if (known := (await ahead(rest)).get(ALL)) is not None:
        moment = view.question.as_of
        sums = _sums([known.chance(deal.age(moment)) for deal in pipeline.deals], known.new)
        method = BY_AGE
    elif pipeline.has_chances and pipeline.deals:
        sums, method = _sums([deal.chance or 0.0 for deal in due], 0.0), BY_PHASE
    low, middle, high = (None, None, None) if sums is None else quantiles(np.clip(np.round(sums), 0, None))
    commit = sum(1 for deal in due if deal.category == "commit")
    monthly = capacity(view)
    return Coming(days, commit, low, middle, high, method, None if monthly is None else monthly * days / MONTH_DAYS)


def capacity(view: View) -> float | None:
    """Customers that can be onboarded in a month, as decided."""
    found: float | None = view.decisions.setting(ONBOARDING_CAPACITY, view.question.whole.start)
    return found


def _sums(chances: list[float], new: float) -> Floats:
    return drawn(0.0, [(chance, 1.0) for chance in chances], (new, 1.0))
