"""A plan worked out: from a goal in any form to what each step and department needs, by when, how surely, and whether
they can (metrics.md 2b).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from services.kpi.domain.aims import ARR, Aim, Course, Ground, aimed
from services.kpi.domain.periods import Period
from services.kpi.domain.planning import StagePlan, stage_plans
from services.kpi.domain.stages import VISITOR, Chain
from services.kpi.metrics.chain import lead_to_won
from services.kpi.metrics.deals import PRICED
from services.kpi.metrics.decomposition import shown
from services.kpi.metrics.entries import HOLDS
from services.kpi.metrics.exchange import RATES, bound
from services.kpi.metrics.forecast import OMITTED
from services.kpi.metrics.forecasting import INSUFFICIENT, chances
from services.kpi.metrics.grounds import Baseline, baseline, with_arr
from services.kpi.metrics.lines import Line, added, differing, everyone, of_segments, uncertain
from services.kpi.metrics.loads import cases_of, feasible, loads
from services.kpi.metrics.phasing import Phasing, phasing
from services.kpi.metrics.question import View
from services.kpi.metrics.supply import DRAWS, Supply, first_cycles, supply, without_recycled
from services.kpi.schemas.plans import PipelineOut, PlanIn
from shared.errors import Invalid
from shared.money import decimals

FROM_LEADS = {"visitors": "lead_cycles", "web_leads": "lead_cycles"}
"""Steps that have the dates of another: a visit and its lead are of one day."""


@dataclass(frozen=True)
class _Reckoned:
    """What everything else of a plan follows from. `to_win`: the goal less what open deals bring."""

    course: Course
    lines: Sequence[Line]
    whole: Line
    goal: float
    to_win: float
    pipeline: PipelineOut
    supply: Supply | None

    @property
    def left(self) -> float:
        """What is to be won of new leads."""
        return max(0.0, self.to_win - (self.supply.worth if self.supply else 0.0))

    @property
    def needs(self) -> dict[str, float]:
        """Of new leads, and with them of recycled cycles what comes to each step."""
        found = added(self.lines, self.left)
        passes = self.supply.passes() if self.supply else {}
        return {step: needed + passes.get(step, 0.0) for step, needed in found.items()}


async def plan(view: View, span: Period, told: PlanIn) -> dict[str, Any]:
    """The body of a plan for `span`, at the rates of the view's span or other ones. Raises Invalid."""
    found = await baseline(view, span, told, told.nrr)
    ground = found.ground
    if told.goal_is == "end_arr" or (told.aim and told.aim.metric == ARR):
        ground = await with_arr(view, span, ground)
    course = _course(told, ground)
    raised = {name: rate / before for name, rate in course.rates.items() if rate != (before := ground.rates[name])}
    minor = 10 ** decimals(view.question.currency)
    counts, rates, source, recycled = found.found.counts, course.rates, view, None
    if told.recycled is not None:
        recycled = await supply(view, told.recycled, found, raised)
        counts, source = await without_recycled(view, found), first_cycles(view)
        rates = _of_first(counts, course.rates, told, raised)
    whole = everyone(counts, rates, course.average, {*told.rates, *raised})
    segments = await of_segments(source, whole, frozenset(told.rates), raised)
    parts = [line for line in segments if line.share] if told.per_segment else []
    lines = parts or [whole]
    goal = course.goal
    if goal is None:  # so many of a step: whatever they bring
        step, brought = course.step or "", recycled.passes() if recycled else {}
        missing = max(0.0, (course.wanted or 0.0) - brought.get(step, 0.0))
        goal = missing / added(lines, 1.0)[step] + (recycled.worth if recycled else 0.0)
    pipeline = await _pipeline(view, span, minor, subtracted=told.less_pipeline)
    less = (pipeline.expected_mrr or 0.0) if pipeline.subtracted else 0.0
    reckoned = _Reckoned(course, lines, whole, goal, max(0.0, goal - less), pipeline, recycled)
    mixed = differing(segments)
    return {
        "name": told.name,
        "period": told.period,
        "from_date": str(span.start),
        "to_date": str(span.end),
        "goal": goal,
        "currency": view.question.currency,
        "average_won": course.average,
        "rates": dict(whole.rates),
        "recycled": _recycled(recycled),
        "aim": _aim(told, course),
        "pipeline": pipeline.model_dump(),
        "segments": [_segment(line, reckoned, view) for line in parts],
        "differing": mixed,
        "blended_misleads": bool(mixed) and not parts,
        **await _asked_of(view, span, told, reckoned, found),
        "told": told.model_dump(mode="json"),
    }


def _course(told: PlanIn, known: Ground) -> Course:
    """Raises Invalid."""
    if told.aim is not None:
        aim = told.aim
        return aimed(Aim(aim.metric, aim.kind, aim.change, aim.direction), known)
    goal = told.goal or 0.0
    if told.goal_is == "relative":
        goal *= known.new_mrr
        if not goal:
            raise Invalid("goal", "the baseline won nothing to be taken in times of")
    elif told.goal_is == "end_arr":
        goal = known.end_arr(goal)
    return Course(goal, known.rates, known.average, known.retention)


def _of_first(
    counts: Mapping[str, tuple[int, int]], rates: Mapping[str, float], told: PlanIn, raised: Mapping[str, float]
) -> dict[str, float]:
    """The rates of first cycles, those raised that are; as said where they were said, as everyone's where there is
    nothing to take one from."""
    own = {name: over / under * raised.get(name, 1.0) for name, (over, under) in counts.items() if over and under}
    return {name: rate if name in told.rates else own.get(name, rate) for name, rate in rates.items()}


def _recycled(found: Supply | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "cycles": found.cycles,
        "rates": dict(found.rates),
        "average_won": found.average,
        "passes": found.passes(),
        "new_mrr": found.worth,
    }


def _aim(told: PlanIn, course: Course) -> dict[str, Any] | None:
    if told.aim is None:
        return None
    return {**told.aim.model_dump(), "baseline": course.baseline, "wanted": course.wanted}


async def _pipeline(view: View, span: Period, minor: int, *, subtracted: bool) -> PipelineOut:
    """What open deals due by the end are expected to bring: Σ chance of the phase x value; those without a phase
    nothing."""
    known = await chances(view)
    query = f"""
        WITH {RATES},
        chances AS (SELECT * FROM unnest(CAST(:phases AS text[]), CAST(:chances AS numeric[])) AS c(phase, chance))
        SELECT count(*) AS deals, sum(chance) AS expected, sum(worth * chance) AS value
        FROM (SELECT c.chance {PRICED} FROM {{schema}}.opportunity_state p LEFT JOIN chances c ON c.phase = p.phase
              WHERE p.status = 'open' AND {HOLDS} AND p.expected_close_date < :due
                AND p.forecast_category IS DISTINCT FROM '{OMITTED}') AS o
    """
    given = {"phases": list(known or ()), "chances": [Decimal(str(chance)) for chance in (known or {}).values()]}
    (row,) = await view.rows(query, {**bound(view), **given, "due": span.end})
    deals = float(row.expected or 0)
    return PipelineOut(
        open_deals=row.deals,
        expected_deals=None if known is None else deals,
        expected_mrr=None if known is None else float((row.value or Decimal(0)) / minor),
        subtracted=subtracted and known is not None,
        reason=INSUFFICIENT if known is None else None,
    )


def _stages(
    chain: Chain, reckoned: _Reckoned, needs: dict[str, float], opening: float, pipeline: float
) -> list[dict[str, Any]]:
    """Deals that the pipeline brings are field sales' to win as well."""
    deals = needs["deals"] + pipeline
    plans = stage_plans(chain, {**needs, "deals": deals}, opening, reckoned.course.retention)
    return [_told(one) for one in plans]


def _told(one: StagePlan) -> dict[str, Any]:
    return {"stage": one.stage, "base": one.base, "rate": one.rate, "goal": one.goal}


def _segment(line: Line, reckoned: _Reckoned, view: View) -> dict[str, Any]:
    """Its stages without customer success, whose customers are not planned by segment, and without visitors, who are
    of none."""
    needs = line.needs(reckoned.left)
    chain = view.chain(line.segment)
    stages = _stages(chain, reckoned, needs, 0.0, 0.0)[:-1]
    unknown = {cut.stage for cut in chain if cut.base == VISITOR}
    return {
        "segment": line.segment,
        "goal": reckoned.goal * line.share,
        "average_won": line.average,
        "rates": dict(line.rates),
        "needs": [_need(step, exact) for step, exact in needs.items()],
        "stages": [{**one, "base": None, "rate": None} if one["stage"] in unknown else one for one in stages],
    }


def _need(step: str, exact: float) -> dict[str, Any]:
    return {"step": step, "exact": exact, "shown": shown(exact)}


async def _asked_of(view: View, span: Period, told: PlanIn, reckoned: _Reckoned, ground: Baseline) -> dict[str, Any]:
    """Needs, stages, months and loads."""
    needs = reckoned.needs
    phases = await phasing(view, span, needs)
    brought = (reckoned.pipeline.expected_deals or 0.0) if reckoned.pipeline.subtracted else 0.0
    stages = _stages(view.chain(), reckoned, needs, ground.opening, brought)
    cases = cases_of([(one["stage"], one["base"], one["goal"]) for one in stages], span)
    asked = loads([one.team() for one in told.capacity], cases, span)
    known = uncertain(
        reckoned.whole,
        reckoned.lines,
        reckoned.to_win,
        shown(needs["visitors"]),
        ground.ground.counts["visitors"],
        reckoned.supply,
    )
    return {
        "needs": [
            {**_need(step, exact), "p50": known.p50[step], "p80": known.p80[step], **_dates(step, phases, span)}
            for step, exact in needs.items()
        ],
        "stages": stages,
        "months": [
            {
                "from_date": str(month.start),
                "to_date": str(month.end),
                "won": won,
                "expected": {step: phase.expected[place] for step, phase in phases.phases.items()},
            }
            for place, (month, won) in enumerate(zip(phases.months, phases.won, strict=True))
        ],
        "uncertainty": {
            "draws": DRAWS,
            "p_goal": known.p_goal,
            "p_goal_as_before": known.p_goal_as_before,
            "lead_to_won_ci95": lead_to_won(ground.found),
        },
        "capacity": [one.model_dump(mode="json") for one in asked],
        "feasible": feasible(asked),
    }


def _dates(step: str, found: Phasing, span: Period) -> dict[str, Any]:
    if step == "deals":
        last = str(span.end - timedelta(days=1))
        return {"need_by": last, "safe_by": last}
    phase = found.phases.get(FROM_LEADS.get(step, step))
    if phase is None:
        return {}
    dates = {"need_by": str(phase.need_by), "safe_by": str(phase.safe_by)}
    return dates if step in FROM_LEADS else {**dates, "entered": phase.entered, "missing": phase.missing}
