"""GET /v1/my-numbers: what one person is to reach, how far they are, what is watched with it, and what to do for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from services.kpi.api.bottleneck import PLANNERS
from services.kpi.api.kgi import metric_target, number_of, standing
from services.kpi.api.questions import Asked, Instant, viewing
from services.kpi.domain.horizons import name_of
from services.kpi.domain.periods import FORMS, Period, cut, fiscal_year, named
from services.kpi.domain.trees import Status
from services.kpi.metrics.about import ABOUT
from services.kpi.metrics.bottleneck.remedies import REMEDIES
from services.kpi.metrics.catalogue import CATALOGUE, whole
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.question import Question, View
from services.kpi.metrics.response import calendar
from services.kpi.queries.decisions import METRIC_TARGET, decisions, newest_decisions
from services.kpi.schemas.kgi import MetricTargetOut
from services.kpi.schemas.mine import AdviceOut, BesideOut, MyNumberOut, MyNumbersOut
from shared.auth import Role, User
from shared.clock import day_of
from shared.errors import Forbidden, Invalid
from shared.http.door import Door, Reading, Who
from shared.money import decimals

router = APIRouter(prefix="/v1", tags=["kgi"], route_class=Door)
WEEKEND = 5
OWN: Mapping[Role, Sequence[str]] = {
    Role.MARKETING: ("lead_new", "mql", "l2m", "mql_acc"),
    Role.INSIDE_SALES: ("sql", "sql_rate", "sla60", "appointments"),
    Role.FIELD_SALES: ("won", "won_value", "win_closed", "pipeline"),
    Role.CUSTOMER_SUCCESS: ("nrr", "grr", "onb", "renew"),
}
"""What a role works for, shown also where no target was set."""
ADVICE = {remedy.metric: remedy for remedy in reversed(list(REMEDIES.values())) if remedy.metric}
"""Of two for one metric, that of the rate before that of the queue."""


class MineAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    period: str | None = Field(None, max_length=20, description=f"{FORMS}; default the running fiscal quarter")
    person: str | None = Field(
        None, min_length=1, max_length=200, description="default oneself; others for planners only"
    )
    as_of: Instant | None = None


@router.get("/my-numbers")
async def get_my_numbers(
    request: Request, session: Reading, asked: Annotated[MineAsked, Query()], who: Who
) -> MyNumbersOut:
    """The numbers of the person who asks, by what they own; of somebody else only for who plans."""
    runtime = request.app.state.runtime
    person = asked.person or who.subject
    if person != who.subject and not PLANNERS & who.roles:
        raise Forbidden("The numbers of somebody else are for ops_lead, executive and admin")
    question = Asked(as_of=asked.as_of).question(runtime)
    name, span = await _period(session, asked.period, question)
    question = replace(question, whole=span, filters={"owner": person})
    kept = [metric_target(row) for row in await newest_decisions(session, METRIC_TARGET)]
    targets = {one.metric: one for one in kept if (one.period, one.level, one.name) == (name, "person", person)}
    async with viewing(runtime, question) as view:
        left = working_days_left(view)
        mine = _Mine(view, targets, left)
        return MyNumbersOut(
            **basis(view),
            person=person,
            may_see_others=bool(PLANNERS & who.roles),
            period=name,
            currency=view.question.currency,
            elapsed=view.elapsed(span),
            working_days_left=left,
            items=[await mine.number(metric) for metric in _metrics(who, person, targets)],
        )


async def _period(session: AsyncSession, asked: str | None, question: Question) -> tuple[str, Period]:
    """Raises Invalid."""
    first_month = (await decisions(session)).first_month
    if asked is None:
        today = day_of(question.as_of - timedelta(microseconds=1), question.zone)
        year = fiscal_year(today, first_month)
        span = next(one for one in cut(year, "quarter", first_month) if one.start <= today < one.end)
        return name_of(span, first_month), span
    try:
        return asked, named(asked, first_month)
    except ValueError as error:
        raise Invalid("period", str(error)) from error


def _metrics(who: User, person: str, targets: Mapping[str, MetricTargetOut]) -> list[str]:
    """Those with a target first; then those of one's roles."""
    own = [metric for role, metrics in OWN.items() if role in who.roles for metric in metrics]
    return list(dict.fromkeys([*sorted(targets), *(own if person == who.subject else ())]))


def working_days_left(view: View) -> int:
    """From the day of as_of to the end of the span, by the company's calendar; without one, Monday to Friday."""
    hours, whole_span = calendar(view), view.question.whole
    first = max(whole_span.start, day_of(view.question.as_of, view.question.zone))
    days = (first + timedelta(days=number) for number in range(max(0, (whole_span.end - first).days)))
    return sum(1 for day in days if (hours.works(day) if hours else day.weekday() < WEEKEND))


@dataclass(frozen=True)
class _Mine:
    view: View
    targets: Mapping[str, MetricTargetOut]
    days_left: int

    async def number(self, name: str) -> MyNumberOut:
        metric, figure, counter = CATALOGUE[name], await whole(CATALOGUE[name], self.view), ABOUT[name].counter
        target = self.targets[name].value if name in self.targets else None
        elapsed, minor = self.view.elapsed(self.view.question.whole), 10 ** decimals(self.view.question.currency)
        stands, actual = standing(metric, figure, target, elapsed, minor), number_of(figure.value, minor)
        missing = max(0.0, target - actual) if metric.additive and target is not None and actual is not None else None
        advice = ADVICE.get(name) if stands.status in (Status.BEHIND, Status.AT_RISK) else None
        return MyNumberOut(
            **dict(stands),
            numerator=figure.numerator,
            denominator=figure.denominator,
            missing=missing,
            per_day=missing / self.days_left if missing is not None and self.days_left else None,
            beside=await self._beside(counter) if counter else None,
            to_do=AdviceOut(ja=advice.ja, en=advice.en) if advice else None,
            records=f"/v1/metrics/{name}/records?{self._asked()}",
        )

    async def _beside(self, name: str) -> BesideOut:
        metric, figure = CATALOGUE[name], await whole(CATALOGUE[name], self.view)
        told = {"metric": name, "ja": metric.ja, "en": metric.en, "unit": metric.unit}
        return BesideOut(**told, value=figure.value, reason=figure.reason)

    def _asked(self) -> str:
        asked = self.view.question
        given = {"from": asked.whole.start, "to": asked.whole.end, "as_of": asked.as_of.isoformat()}
        return urlencode({**given, "owner": asked.filters["owner"]})
