"""What a plan is to reach, as people say it: twice the leads, 30 % more of a rate, 15 % more a head.

Each form becomes a goal in new MRR, with the rates, the value of a deal and the retention it is to be reached with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

from shared.errors import Invalid

STEPS = {"visitors": "visitors", "lead_cycles": "lead_cycles", "mql": "mql", "sql": "sql"}
STEPS |= {"opportunity": "opportunities", "won": "deals"}
"""Counts, each with the step of a requirement that it is."""
RATES = {"v2l": "visitor_to_lead", "l2m": "lead_to_mql", "sql_rate": "mql_to_sql"}
RATES |= {"sql_acc": "sql_accept", "opp_to_won": "opp_to_won"}
"""Rates, each with its factor of the chain."""
NEW_MRR, ARR, WORTH, LTV, CHURN, PRODUCTIVITY = "new_mrr", "arr", "won_average", "ltv", "logo_churn", "productivity"
METRICS = (*STEPS, *RATES, NEW_MRR, ARR, WORTH, LTV, CHURN, PRODUCTIVITY)
RELATIVE, POINTS = "relative", "points"
UP, DOWN = "up", "down"


@dataclass(frozen=True, slots=True)
class Aim:
    """`change` without a sign: of `relative` 0.3 is 30 % of the baseline, of `points` 0.3 is 0.3 of its own unit."""

    metric: str
    kind: str | None
    change: float
    direction: str

    def wanted(self, baseline: float) -> float:
        """Raises Invalid where nobody said 30 % of what, or nothing would be left."""
        if self.kind is None:
            example = f"relative ({baseline:.4g} becomes {baseline * (1 + self.change):.4g}) or in points"
            text = f"{example} (it becomes {baseline + self.change:.4g}): say which"
            raise Invalid("aim.kind", text, rule="relative_or_points")
        step = baseline * self.change if self.kind == RELATIVE else self.change
        found = baseline + (step if self.direction == UP else -step)
        if found <= 0:
            raise Invalid("aim.change", f"leaves nothing of the baseline, {baseline:.4g}")
        return found


@dataclass(frozen=True, slots=True)
class Ground:
    """What a plan starts from. Money in major units; counts and money of a span as long as the period planned for.

    `arr` holds at the start of the period, `nrr` and `retention` over its length, `productivity` is new MRR by
    head-month of the baseline, `head_months` are those of the period. What is not known is None.
    """

    rates: Mapping[str, float]
    counts: Mapping[str, float]
    average: float
    new_mrr: float
    retention: float
    arr: float | None
    nrr: float | None
    ltv: float | None
    productivity: float | None
    head_months: float

    def earned(self, rates: Mapping[str, float], average: float) -> float:
        """New MRR at these rates, were as many visitors to come as did."""
        return self.counts["visitors"] * prod(rate for name, rate in rates.items() if name != "visitors") * average

    def end_arr(self, wanted: float) -> float:
        """New MRR for an ARR at the end: wanted / 12 - what the MRR of the start becomes. Raises Invalid."""
        if self.arr is None or self.nrr is None:
            raise Invalid("nrr", "what the MRR of the start becomes is not known of the baseline; say it")
        found = (wanted - self.arr * self.nrr) / 12
        if found <= 0:
            raise Invalid("goal", "is reached without new customers: the MRR of the start is enough")
        return found


@dataclass(frozen=True, slots=True)
class Course:
    """How a goal is to be reached. Where it was said as a count, `step` is to be `wanted` and `goal` follows from it.
    `baseline` and `wanted` are the values of the metric it was said in."""

    goal: float | None
    rates: Mapping[str, float]
    average: float
    retention: float
    step: str | None = None
    baseline: float | None = None
    wanted: float | None = None


def aimed(aim: Aim, ground: Ground) -> Course:
    """Raises Invalid."""
    before = _baseline(aim.metric, ground)
    if before is None or before <= 0:
        raise Invalid("aim.metric", "has no value in the baseline")
    wanted = aim.wanted(before)
    told = Course(None, ground.rates, ground.average, ground.retention, None, before, wanted)
    if aim.metric in STEPS:
        return replace(told, step=STEPS[aim.metric])
    if aim.metric in (NEW_MRR, ARR, PRODUCTIVITY):
        goals = {NEW_MRR: wanted, PRODUCTIVITY: wanted * ground.head_months}
        return replace(told, goal=ground.end_arr(wanted) if aim.metric == ARR else goals[aim.metric])
    if aim.metric in RATES:
        told = replace(told, rates={**ground.rates, RATES[aim.metric]: _share(wanted)})
    elif aim.metric == WORTH:
        told = replace(told, average=wanted)
    else:  # churn falls; for LTV as much as would reach it alone
        told = replace(
            told, retention=1 - _share(wanted) if aim.metric == CHURN else told.retention ** (before / wanted)
        )
    return replace(told, goal=ground.earned(told.rates, told.average))


def _share(wanted: float) -> float:
    """Raises Invalid."""
    if wanted >= 1:
        raise Invalid("aim.change", f"makes {wanted:.4g} of it: a rate lies below 1")
    return wanted


def _baseline(metric: str, ground: Ground) -> float | None:
    """Raises Invalid."""
    if metric in STEPS:
        return ground.counts[STEPS[metric]]
    if metric in RATES:
        return ground.rates[RATES[metric]]
    if metric == PRODUCTIVITY and not (ground.productivity and ground.head_months):
        raise Invalid("capacity", "people of marketing, inside_sales and field_sales: productivity is by head")
    known = {NEW_MRR: ground.new_mrr, ARR: ground.arr, WORTH: ground.average, LTV: ground.ltv}
    known |= {PRODUCTIVITY: ground.productivity, CHURN: 1 - ground.retention}
    if metric not in known:
        raise Invalid("aim.metric", f"is one of {', '.join(METRICS)}")
    return known[metric]
