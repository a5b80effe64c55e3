"""Counter-measures: written down, measured before and after, and closed only with their effect."""

from dataclasses import replace
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from services.kpi.api.questions import Asked, viewing
from services.kpi.commands.deciding import decide
from services.kpi.domain.measures import Sides, State, may_close, sides, verdict
from services.kpi.domain.periods import Period
from services.kpi.metrics.catalogue import CATALOGUE
from services.kpi.metrics.question import ALL, View
from services.kpi.metrics.rates import rate
from services.kpi.metrics.statistics import newcombe
from services.kpi.models import DecisionVersion
from services.kpi.queries.decisions import newest_decision, newest_decisions
from services.kpi.schemas.decisions import Stage
from services.kpi.schemas.figures import RateOut
from services.kpi.schemas.measures import CloseIn, EffectOut, MeasureIn, MeasureOut, MeasuresOut
from shared import clock
from shared.auth import Role
from shared.errors import Invalid, NotFound, Refused
from shared.http.door import Door, Now, Reading, Tx, Who, allowed, resource
from shared.ids import new_id
from shared.service import Runtime

router = APIRouter(prefix="/v1", tags=["counter-measures"], route_class=Door)
MEASURE = "counter_measure"
OPERATIONS = allowed(Role.OPS_LEAD)


class MeasuresAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    state: Literal["open", "closed"] | None = None
    department: Stage | None = None
    metric: str | None = None
    limit: int = Field(50, ge=1, le=200)
    cursor: UUID | None = Field(None, description="the `next_cursor` of the page before")


@router.get("/counter-measures")
async def list_measures(request: Request, session: Reading, asked: Annotated[MeasuresAsked, Query()]) -> MeasuresOut:
    """All of them with their effect so far, the newest first."""
    wanted = asked.model_dump(exclude_none=True, exclude={"limit", "cursor"})
    rows = [row for row in await newest_decisions(session, MEASURE) if wanted.items() <= row.body.items()]
    rows.sort(key=lambda row: (row.body["started_on"], row.decision_id), reverse=True)
    ids, begin = [row.decision_id for row in rows], 0
    if asked.cursor is not None:
        if str(asked.cursor) not in ids:
            raise Invalid("cursor", "is not one of this list")
        begin = ids.index(str(asked.cursor)) + 1
    shown, runtime = rows[begin : begin + asked.limit], request.app.state.runtime
    return MeasuresOut(
        items=[await _shown(runtime, row) for row in shown],
        next_cursor=UUID(shown[-1].decision_id) if begin + asked.limit < len(rows) else None,
    )


@router.get("/counter-measures/{measure_id}")
async def get_measure(request: Request, measure_id: UUID, session: Reading) -> Response:
    row = await _found(session, measure_id)
    return resource(await _shown(request.app.state.runtime, row), version=row.version)


@router.post("/counter-measures", dependencies=[OPERATIONS], response_model=MeasureOut, status_code=201)
async def create_measure(request: Request, body: MeasureIn, tx: Tx, now: Now, who: Who) -> Response:
    """Write down what is done about a rate."""
    _must_be_a_rate(body.metric)
    given = {**body.model_dump(mode="json"), "state": State.OPEN}
    row = await decide(tx, MEASURE, str(new_id()), given, by=who.subject, now=now)
    await tx.session.flush()
    return resource(await _shown(request.app.state.runtime, row), version=row.version, status=201)


@router.put("/counter-measures/{measure_id}", dependencies=[OPERATIONS], response_model=MeasureOut)
async def change_measure(request: Request, measure_id: UUID, body: MeasureIn, tx: Tx, now: Now, who: Who) -> Response:
    """Change what is written down, while it is open."""
    _must_be_a_rate(body.metric)
    row = await _open(tx.session, measure_id)
    given = {**row.body, **body.model_dump(mode="json")}
    changed = await decide(tx, MEASURE, str(measure_id), given, by=who.subject, now=now)
    await tx.session.flush()
    return resource(await _shown(request.app.state.runtime, changed), version=changed.version)


@router.post("/counter-measures/{measure_id}/close", dependencies=[OPERATIONS], response_model=MeasureOut)
async def close_measure(request: Request, measure_id: UUID, body: CloseIn, tx: Tx, now: Now, who: Who) -> Response:
    """Close it with its effect, or with the reason why that cannot be measured."""
    row, runtime = await _open(tx.session, measure_id), request.app.state.runtime
    told = MeasureIn.model_validate({name: row.body[name] for name in row.body if name in _FIELDS})
    effect = await _effect(runtime, told)
    may_close(
        told.review_on,
        clock.day_of(now, runtime.settings.zone),
        measured=effect.ci95 is not None,
        not_measurable_because=body.not_measurable_because,
    )
    given = {
        **row.body,
        "state": State.CLOSED,
        "not_measurable_because": body.not_measurable_because,
        "closed_at": now.isoformat(),
        "effect": effect.model_dump(mode="json"),
    }
    closed = await decide(tx, MEASURE, str(measure_id), given, by=who.subject, now=now)
    await tx.session.flush()
    return resource(await _shown(runtime, closed), version=closed.version)


_FIELDS = frozenset(MeasureIn.model_fields)


def _must_be_a_rate(metric: str) -> None:
    """Raises Invalid."""
    if metric not in CATALOGUE or CATALOGUE[metric].unit != "ratio":
        raise Invalid("metric", "is a rate of GET /v1/metrics: one whose unit is ratio")


async def _found(session: Any, measure_id: UUID) -> DecisionVersion:
    """Raises NotFound."""
    row = await newest_decision(session, MEASURE, str(measure_id))
    if row is None:
        raise NotFound(f"There is no counter-measure {measure_id}")
    return row


async def _open(session: Any, measure_id: UUID) -> DecisionVersion:
    """Raises NotFound, or Refused where it is closed."""
    row = await _found(session, measure_id)
    if row.body["state"] == State.CLOSED:
        raise Refused("It is closed", rule="measure_closed")
    return row


async def _shown(runtime: Runtime, row: DecisionVersion) -> MeasureOut:
    """With its effect: as it was when it was closed, else as of now."""
    told = MeasureIn.model_validate({name: row.body[name] for name in row.body if name in _FIELDS})
    kept = row.body.get("effect")
    effect = EffectOut.model_validate(kept) if kept else await _effect(runtime, told)
    return MeasureOut.model_validate(
        {
            **row.body,
            "id": row.decision_id,
            "not_measurable_because": row.body.get("not_measurable_because"),
            "closed_at": row.body.get("closed_at"),
            "effect": effect,
            "version": row.version,
            "set_by": row.set_by,
            "set_at": row.set_at,
        }
    )


async def _effect(runtime: Runtime, told: MeasureIn) -> EffectOut:
    today = clock.day_of(clock.utc_now(), runtime.settings.zone)
    found = sides(told.started_on, told.review_on, today)
    if found is None:
        return EffectOut(before=None, after=None, difference=None, ci95=None, wanted=None, verdict="not_yet")
    before, after = await _both(runtime, told, found)
    ci95 = newcombe(_counts(before), _counts(after))
    wanted = None
    if before.value is not None:
        change = told.expected.change
        wanted = before.value * (1 + change) if told.expected.kind == "relative" else before.value + change
    difference = after.value - before.value if after.value is not None and before.value is not None else None
    return EffectOut(
        before=before,
        after=after,
        difference=difference,
        ci95=ci95,
        wanted=wanted,
        verdict=verdict(ci95, lower_is_better=told.lower_is_better),
    )


def _counts(one: RateOut) -> tuple[float, int]:
    """k and n; where there is none of either, of nothing, which has no interval."""
    return (0, 0) if one.numerator is None or one.denominator is None else (one.numerator, one.denominator)


async def _both(runtime: Runtime, told: MeasureIn, found: Sides) -> tuple[RateOut, RateOut]:
    metric = CATALOGUE[told.metric]
    filters = {"segment": told.segment} if told.segment else {}
    question = Asked.model_validate(filters).question(runtime, mode=metric.modes[0])
    async with viewing(runtime, replace(question, whole=found.after)) as view:
        return await _rate(view, told.metric, found.before), await _rate(view, told.metric, found.after)


async def _rate(view: View, metric_id: str, whole: Period) -> RateOut:
    """A rate of counts with its interval; of money and durations only the value."""
    own = view.with_question(whole=whole)
    metric = CATALOGUE[metric_id]
    figure = (await metric.compute(own)).get(ALL, metric.empty(own))
    if isinstance(figure.numerator, int) and isinstance(figure.denominator, int):
        return rate(figure.numerator, figure.denominator)
    value = figure.value if isinstance(figure.value, float | int) else None
    return RateOut(value=value, numerator=None, denominator=None, reason=figure.reason)
