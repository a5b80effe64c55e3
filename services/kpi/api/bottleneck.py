"""What holds the chain back, by rate and by flow, and what to do about it."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from services.kpi.api.questions import Asked, viewing
from services.kpi.metrics.about import ABOUT
from services.kpi.metrics.bottleneck.drill import Worst
from services.kpi.metrics.bottleneck.queues import Queue
from services.kpi.metrics.bottleneck.rates import Chain, Suspect
from services.kpi.metrics.bottleneck.references import NO_REFERENCE, smallest
from services.kpi.metrics.bottleneck.remedies import FACTORS, QUEUES, REMEDIES
from services.kpi.metrics.bottleneck.verdict import Findings, Verdict, department_of, findings
from services.kpi.metrics.catalogue import CATALOGUE
from services.kpi.metrics.exchange import money
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.question import View
from services.kpi.metrics.rates import NO_BASE
from services.kpi.schemas.bottleneck import (
    BottleneckOut,
    CounterOut,
    GroupGapOut,
    JudgedOut,
    LinkedOut,
    MixOut,
    PeriodGapOut,
    QueueOut,
    ReasonOut,
    SliceOut,
    SuggestionOut,
    SuspectOut,
    VerdictOut,
    WeekOut,
)
from services.kpi.schemas.measures import ExpectedIn, MeasureIn
from shared import clock
from shared.auth import Role
from shared.errors import Invalid
from shared.http.door import Door, Who
from shared.money import Money

router = APIRouter(prefix="/v1", tags=["planning"], route_class=Door)
PLANNERS = frozenset({Role.OPS_LEAD, Role.EXECUTIVE, Role.ADMIN})
"""Who is told of owners as slices of the work."""
MOST_PERIODS = 120
DUE, REVIEWED = timedelta(days=14), timedelta(days=42)
STEP = ExpectedIn(kind="relative", change=0.1)
"""What a suggestion begins with where there is no reference to come up to."""


@router.get("/bottleneck")
async def get_bottleneck(request: Request, asked: Annotated[Asked, Query()], who: Who) -> BottleneckOut:
    """The gap of deals won to what was to be won, taken apart by factor, and the work that piles up; what costs most of
    all there is evidence for, where, why, and what may be done."""
    runtime = request.app.state.runtime
    async with viewing(runtime, asked.question(runtime)) as view:
        if len(view.periods) > MOST_PERIODS:
            raise Invalid("interval", f"at most {MOST_PERIODS} periods")
        found = await findings(view, people=bool(PLANNERS & who.roles))
        return _Shown(found, view, who.subject).answer()


def _gap(chain: Chain) -> dict[str, Any]:
    gap = chain.gap
    return {
        "actual_won": float(chain.won) if gap.blocked else gap.actual,
        "planned_won": gap.planned,
        "gap": gap.total,
        "blocked": gap.blocked,
        "rank": chain.rank,
    }


class _Shown:
    """The findings as they are answered; `asker` is put down as who sees to what is suggested."""

    def __init__(self, found: Findings, view: View, asker: str) -> None:
        self._found, self._view, self._asker = found, view, asker

    def answer(self) -> BottleneckOut:
        found, view = self._found, self._view
        sources = Counter(each.reference.source for each in found.chain.suspects)
        del sources[NO_REFERENCE]
        return BottleneckOut(
            **basis(view),
            **_gap(found.chain),
            reference=sources.most_common(1)[0][0] if sources else NO_REFERENCE,
            factors=[self._suspect(each) for each in found.chain.suspects],
            queues=[_queue(each) for each in found.queues],
            verdict=self._verdict(),
            smallest_sample=smallest(view),
            groups=[
                GroupGapOut(
                    by=view.question.by or "", value=value, **_gap(part.chain), verdict=self._judged(part.verdict)
                )
                for value, part in found.groups.items()
            ],
            periods=[
                PeriodGapOut(
                    begin=period.start,
                    stop=period.end,
                    is_partial=view.is_partial(period),
                    **_gap(part.chain),
                    verdict=self._judged(part.verdict),
                )
                for period, part in zip(view.periods, found.periods, strict=True)
            ],
            reason=NO_BASE if found.empty else None,
        )

    def _worth(self, deals: float | None) -> Money | None:
        average = self._found.average
        return None if average is None or deals is None else money(Decimal(str(deals)) * average, self._view)

    def _suspect(self, each: Suspect) -> SuspectOut:
        ja, en = FACTORS[each.factor]
        over, under = each.reference.sample or (None, None)
        mix = self._found.mixes.get(each.factor)
        reached, known = each.matured or (None, None)
        return SuspectOut(
            factor=each.factor,
            ja=ja,
            en=en,
            department=department_of(each.factor),
            contribution=each.contribution,
            worth=self._worth(each.contribution),
            actual=each.actual,
            reference=each.reference.rate,
            reference_source=each.reference.source,
            reference_numerator=over,
            reference_denominator=under,
            numerator=each.counts[0],
            denominator=each.counts[1],
            ci95=each.ci95,
            difference_ci95=each.difference_ci95,
            probability_below=each.probability,
            evidence=each.evidence,
            matured_numerator=reached,
            matured_denominator=known,
            more_cases=each.more,
            small_sample=each.few,
            mix=mix
            and MixOut(
                pooled=mix.pooled,
                within=mix.within,
                mix=mix.mix,
                slices=mix.slices,
                shifted=each.factor in self._found.shifted,
            ),
        )

    def _judged(self, verdict: Verdict) -> JudgedOut:
        return JudgedOut(
            factor=verdict.name if verdict.name in FACTORS else None,
            queue=verdict.name if verdict.name in QUEUES else None,
            department=verdict.department,
            detector=verdict.detector,
            evidence=verdict.evidence,
            text=verdict.text,
            deals=verdict.deals,
            worth=self._worth(verdict.deals),
        )

    def _verdict(self) -> VerdictOut:
        verdict, drill = self._found.verdict, self._found.drill
        ja, en = {**FACTORS, **QUEUES}.get(verdict.name or "", (None, None))
        metric = REMEDIES[verdict.name].metric if verdict.name else None
        counter = ABOUT[metric].counter if metric else None
        return VerdictOut(
            **self._judged(verdict).model_dump(),
            ja=ja,
            en=en,
            slices=[self._slice(each) for each in drill.slices],
            reasons=[ReasonOut(**each._asdict()) for each in drill.reasons],
            feedback=[LinkedOut(**each._asdict()) for each in drill.feedback],
            suggestion=self._suggestion(verdict.name) if verdict.name else None,
            counter_metric=CounterOut(metric=counter, ja=CATALOGUE[counter].ja, en=CATALOGUE[counter].en)
            if counter
            else None,
        )

    def _slice(self, each: Worst) -> SliceOut:
        return SliceOut(**each._asdict(), worth=self._worth(each.deals))

    def _suggestion(self, name: str) -> SuggestionOut:
        """A rate below its reference is to come up to it; a queue's rate is to rise by a tenth."""
        metric, ja, en = REMEDIES[name]
        if metric is None:
            return SuggestionOut(ja=ja, en=en, form=None)
        suspect = next((each for each in self._found.chain.suspects if each.factor == name), None)
        short = suspect.reference.rate - suspect.actual if suspect else 0.0
        today = clock.day_of(self._view.question.as_of, self._view.question.zone)
        form = MeasureIn(
            title=ja,
            detail=en,
            metric=metric,
            segment=self._view.question.filters.get("segment"),
            department=department_of(name),
            owner=self._asker,
            started_on=today,
            due_on=today + DUE,
            review_on=today + REVIEWED,
            expected=ExpectedIn(kind="points", change=round(short, 4)) if short > 0 else STEP,
            feedback_ids=[each.feedback_id for each in self._found.drill.feedback],
        )
        return SuggestionOut(ja=ja, en=en, form=form)


def _queue(each: Queue) -> QueueOut:
    ja, en = QUEUES[each.name]
    load = each.load
    return QueueOut(
        queue=each.name,
        ja=ja,
        en=en,
        department=each.department,
        weeks=[
            WeekOut(begin=week.starts, stop=week.ends, arrivals=week.arrivals, departures=week.departures, wip=week.wip)
            for week in each.weeks
        ],
        wip=each.wip,
        grew_weeks=each.grew_weeks,
        age_p90_days=each.age_p90_days,
        little_days=each.little_days,
        utilisation=load.utilisation if load else None,
        utilisation_source=load.source if load else None,
        speaks=each.speaks,
    )
