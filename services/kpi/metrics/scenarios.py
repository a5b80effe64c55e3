"""What if: the chain forwards at other rates, with other people and budgets; what moves it most; and what came of it
(metrics.md 2b).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from services.kpi.domain.capacity import Team
from services.kpi.domain.decisions import REFERENCE_RATES
from services.kpi.domain.periods import Period
from services.kpi.domain.planning import NEEDS
from services.kpi.domain.stages import RETAINED, Chain
from services.kpi.metrics.chain import (
    ACCEPT,
    DEPARTMENTS,
    MQL,
    OUTSIDE,
    SHARES,
    SQL,
    UPLIFT,
    VISITORS,
    WEB,
    WON,
    factors,
)
from services.kpi.metrics.forecasting import won_worth
from services.kpi.metrics.grounds import COUNTS, NOTHING, Baseline, baseline
from services.kpi.metrics.lines import Line, everyone, of_segments
from services.kpi.metrics.loads import cases_of, loads
from services.kpi.metrics.question import ALL, View
from services.kpi.metrics.statistics import wilson
from services.kpi.schemas.capacity import DepartmentLoadOut
from services.kpi.schemas.scenarios import HappenedOut, OutcomeOut, PaceOut, ScenarioIn
from shared.money import decimals

FORWARDS: Mapping[str, Sequence[str]] = {
    "web_leads": (WEB,),
    "lead_cycles": (UPLIFT,),
    "mql": (MQL,),
    "sql": (SQL,),
    "opportunities": (ACCEPT, OUTSIDE),
    "deals": (WON,),
}
"""Each step after the visitors, and the factors that lead to it."""
POINT = 0.01


@dataclass(frozen=True)
class Setup:
    """All that a period's outcome follows from; `rates` with the visitors of the period."""

    rates: Mapping[str, float]
    average: float
    retention: float
    opening: int
    teams: Sequence[Team]
    chain: Chain
    span: Period

    def outcome(self) -> OutcomeOut:
        """No step is more than its department can do; what is asked of it may be."""
        limits = {team.department: team.limit(self.span) for team in self.teams}
        ends = {NEEDS[cut.goal]: cut.stage for cut in self.chain if cut.goal != RETAINED}
        steps, asked, number = {"visitors": self.rates[VISITORS]}, dict[str, float](), self.rates[VISITORS]
        for step, names in FORWARDS.items():
            for name in names:
                number *= self.rates[name]
            if stage := ends.get(step):
                asked[stage] = number
                limit = limits.get(stage)
                number = number if limit is None else min(number, limit)
            steps[step] = number
        customers = self.opening + number
        stages = [(cut.stage, customers, asked.get(cut.stage)) for cut in self.chain]
        departments = loads(self.teams, cases_of(stages, self.span), self.span)
        return OutcomeOut(
            steps=steps,
            won=number,
            new_mrr=number * self.average,
            customers=customers * self.retention,
            rates=dict(self.rates),
            average_won=self.average,
            retention=self.retention,
            departments=departments,
            bottleneck=_bottleneck(departments),
        )


def _bottleneck(departments: Sequence[DepartmentLoadOut]) -> str | None:
    """The busiest; one that has nothing to do its work with before all others."""
    told = {
        one.department: one.utilisation if one.utilisation is not None else 0.0 if one.feasible else inf
        for one in departments
        if one.feasible is not None
    }
    return max(told, key=lambda name: told[name]) if told else None


async def scenario(view: View, span: Period, told: ScenarioIn) -> dict[str, Any]:
    """The body of a scenario for `span`; the view is of its baseline. Raises Invalid."""
    found = await baseline(view, span, told, instead=False)
    ground = found.ground
    teams = [one.team() for one in told.capacity]
    rates = {**ground.rates, VISITORS: ground.counts["visitors"]}
    chain = view.chain()
    as_is = Setup(rates, ground.average, ground.retention, found.opening, teams, chain, span)
    said = {str(name): rate * (found.ratio if name == VISITORS else 1.0) for name, rate in told.rates.items()}
    other = replace(
        as_is,
        rates={**rates, **said},
        average=told.average_won or ground.average,
        retention=told.retention or ground.retention,
        teams=teams if told.instead is None else [one.team() for one in told.instead],
    )
    before, after = as_is.outcome(), other.outcome()
    return {
        "name": told.name,
        "period": told.period,
        "from_date": str(span.start),
        "to_date": str(span.end),
        "currency": view.question.currency,
        "baseline": before.model_dump(mode="json"),
        "changed": after.model_dump(mode="json"),
        "difference": {name: getattr(after, name) - getattr(before, name) for name in ("won", "new_mrr", "customers")},
        "levers": await _levers(view, as_is, found),
        "told": told.model_dump(mode="json"),
    }


async def _levers(view: View, as_is: Setup, found: Baseline) -> list[dict[str, Any]]:
    """Every rate has the same elasticity, so levers are ranked by the step that is realistic; in new MRR."""
    whole = everyone(found.found.counts, found.ground.rates, found.ground.average, ())
    segments = await of_segments(view, whole, (), {})
    targets: Mapping[str, float] = view.decisions.setting(REFERENCE_RATES, as_is.span.start) or {}
    levers = []
    for name in SHARES:
        steps = [
            _step(kind, rate, name, as_is)
            for kind, rate in _realistic(name, found, segments, targets)
            if rate is not None and as_is.rates[name] < rate <= 1
        ]
        if steps:
            levers.append(
                {"lever": name, "department": DEPARTMENTS[name], "rate": as_is.rates[name], "steps": steps},
            )
    return sorted(levers, key=lambda lever: -lever["steps"][0]["new_mrr"])


def _realistic(
    name: str, found: Baseline, segments: Sequence[Line], targets: Mapping[str, float]
) -> list[tuple[str, float | None]]:
    interval = wilson(*found.found.counts[name])
    best = max((line.rates[name] for line in segments), default=None)
    return [
        ("target", targets.get(name)),
        ("best_segment", best),
        ("upper", interval[1] if interval else None),
        ("point", found.ground.rates[name] + POINT),
    ]


def _step(kind: str, rate: float, name: str, as_is: Setup) -> dict[str, Any]:
    now, then = as_is.outcome(), replace(as_is, rates={**as_is.rates, name: rate}).outcome()
    return {"kind": kind, "rate": rate, "deals": then.won - now.won, "new_mrr": then.new_mrr - now.new_mrr}


async def happened(view: View, before: OutcomeOut, after: OutcomeOut) -> HappenedOut | None:
    """What came of it; the view is of the period. None before it begins."""
    span = view.question.whole
    elapsed = view.elapsed(span)
    if not elapsed:
        return None
    found, worth = (await factors(view)).get(ALL, NOTHING), (await won_worth(view)).get(ALL)
    counts = {step: float(found.counts[name][0]) for step, name in COUNTS.items()}
    won = counts["deals"]
    new_mrr = float(worth.total or 0) / 10 ** decimals(view.question.currency) if worth else 0.0

    def less(other: OutcomeOut) -> PaceOut:
        return PaceOut(won=won - other.won * elapsed, new_mrr=new_mrr - other.new_mrr * elapsed)

    return HappenedOut(
        elapsed=elapsed,
        is_partial=not view.has_ended(span),
        steps=counts,
        rates={name: over / under if under else None for name, (over, under) in found.counts.items()},
        won=won,
        new_mrr=new_mrr,
        to_baseline=less(before),
        to_scenario=less(after),
    )
