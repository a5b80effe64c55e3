"""What the company is to reach, at every level, and the trees of what drives it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from services.kpi.api.landing import in_sight
from services.kpi.api.questions import Asked, as_known, viewing
from services.kpi.commands.deciding import decide
from services.kpi.domain.periods import FORMS, named
from services.kpi.domain.trees import TREES, Node, landing, pace, status
from services.kpi.metrics.about import ABOUT
from services.kpi.metrics.catalogue import CATALOGUE, whole
from services.kpi.metrics.figures import Metric
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.landing import landing as arr_landing
from services.kpi.metrics.question import Question
from services.kpi.models import DecisionVersion
from services.kpi.queries.decisions import METRIC_TARGET, decisions, newest_decisions
from services.kpi.schemas.figures import Figure, Value
from services.kpi.schemas.kgi import (
    KgiOut,
    MetricTargetIn,
    MetricTargetOut,
    MetricTargetsOut,
    NodeOut,
    StandingOut,
    SumOut,
)
from shared.auth import Role
from shared.errors import Invalid
from shared.http.door import Door, Now, Reading, Tx, Who, allowed, resource
from shared.money import Money, decimals
from shared.service import Runtime

router = APIRouter(prefix="/v1", tags=["kgi"], route_class=Door)
LEVELS = ("department", "team", "person")
PeriodName = Annotated[str, Path(description=FORMS)]


class TargetsAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    period: str | None = None
    metric: str | None = None
    level: Literal["company", "department", "team", "person"] | None = None


@router.get("/metric-targets")
async def list_metric_targets(session: Reading, asked: Annotated[TargetsAsked, Query()]) -> MetricTargetsOut:
    """The targets that hold, and for each level whether it adds up to the company's."""
    given = asked.model_dump(exclude_none=True)
    rows = await newest_decisions(session, METRIC_TARGET)
    kept = [metric_target(row) for row in rows]
    wanted = [target for target in kept if all(getattr(target, name) == value for name, value in given.items())]
    own = {name: value for name, value in given.items() if name != "level"}
    summed = [target for target in kept if all(getattr(target, name) == value for name, value in own.items())]
    return MetricTargetsOut(items=wanted, sums=_sums(summed))


def _sums(targets: Sequence[MetricTargetOut]) -> list[SumOut]:
    company = {(one.period, one.metric): one.value for one in targets if one.level == "company"}
    totals: defaultdict[tuple[str, str, str], float] = defaultdict(float)
    for one in targets:
        if one.level != "company" and CATALOGUE[one.metric].additive:
            totals[one.period, one.metric, one.level] += one.value
    return [
        SumOut(
            period=period,
            metric=metric,
            level=level,
            sum=total,
            company=company[period, metric],
            difference=total - company[period, metric],
        )
        for (period, metric, level), total in sorted(totals.items())
        if (period, metric) in company
    ]


@router.put("/metric-targets/{period}/{metric}", dependencies=[allowed(Role.OPS_LEAD)], response_model=MetricTargetOut)
async def put_metric_target(
    period: PeriodName, metric: str, body: MetricTargetIn, tx: Tx, now: Now, who: Who
) -> Response:
    """What a metric is to reach in a period: of the company, a department, a team or a person."""
    if metric not in CATALOGUE:
        raise Invalid("metric", "is a metric of GET /v1/metrics")
    try:
        span = named(period, (await decisions(tx.session)).first_month)
    except ValueError as error:
        raise Invalid("period", str(error)) from error
    told = {"period": period, "from_date": str(span.start), "to_date": str(span.end), "metric": metric}
    key = "/".join((period, metric, body.level, body.name or ""))
    row = await decide(tx, METRIC_TARGET, key, {**told, **body.model_dump(mode="json")}, by=who.subject, now=now)
    await tx.session.flush()
    return resource(metric_target(row), version=row.version)


def metric_target(row: DecisionVersion) -> MetricTargetOut:
    return MetricTargetOut.model_validate(
        {**row.body, "version": row.version, "set_by": row.set_by, "set_at": row.set_at}
    )


class KgiAsked(Asked):
    period: str | None = Field(None, max_length=20, description=f"{FORMS}; its targets are held against it")
    tree: Literal["arr", "nrr", "new_mrr"] | None = None


@dataclass(frozen=True)
class _Told:
    """What the nodes are made of, read once."""

    figures: Mapping[str, Figure]
    targets: Mapping[str, MetricTargetOut]
    elapsed: float
    minor: int
    arr: float | None
    """Where ARR lands, worked out from what is signed, open and moving; None where that is not known."""


@router.get("/kgi")
async def get_kgi(request: Request, session: Reading, asked: Annotated[KgiAsked, Query()]) -> KgiOut:
    """ARR, NRR and new MRR as trees of their KPIs: whose, target, actual, pace, status and landing."""
    runtime = request.app.state.runtime
    question = asked.question(runtime)
    targets: dict[str, MetricTargetOut] = {}
    if asked.period is not None:
        try:
            span = named(asked.period, (await decisions(session)).first_month)
        except ValueError as error:
            raise Invalid("period", str(error)) from error
        question = replace(question, whole=span)
        kept = [metric_target(row) for row in await newest_decisions(session, METRIC_TARGET)]
        targets = {one.metric: one for one in kept if (one.period, one.level) == (asked.period, "company")}
    trees = [TREES[asked.tree]] if asked.tree else list(TREES.values())
    async with viewing(runtime, question) as view:
        names = {node.metric for tree in trees for node in tree.all()}
        told = _Told(
            {name: await whole(CATALOGUE[name], view) for name in sorted(names)},
            targets,
            view.elapsed(question.whole),
            10 ** decimals(view.question.currency),
            await _arr(runtime, question) if "arr" in names else None,
        )
        return KgiOut(
            **basis(view),
            period=asked.period,
            currency=view.question.currency,
            elapsed=told.elapsed,
            trees=[_node(tree, told) for tree in trees],
        )


async def _arr(runtime: Runtime, question: Question) -> float | None:
    """As `/v1/forecast/arr` says."""
    if not in_sight(question):
        return None
    question = as_known(replace(question, by=None, interval=None), question.as_of)
    async with viewing(runtime, question) as view:
        found = (await arr_landing(view)).landing
    return None if found is None else float(found) / 10 ** decimals(question.currency)


def _node(node: Node, told: _Told) -> NodeOut:
    target = told.targets.get(node.metric)
    wanted = target.value if target else None
    found = standing(CATALOGUE[node.metric], told.figures[node.metric], wanted, told.elapsed, told.minor)
    if node.metric == "arr" and told.arr is not None:
        found = found.model_copy(update={"landing": told.arr})
    drivers = [_node(driver, told) for driver in node.drivers]
    return NodeOut(**dict(found), owner=target.owner if target else None, drivers=drivers)


def standing(metric: Metric, figure: Figure, target: float | None, elapsed: float, minor: int) -> StandingOut:
    """A figure against what it is to reach; `minor` is how many minor units a major one has."""
    actual = number_of(figure.value, minor)
    wanted = None if target is None else pace(target, elapsed, additive=metric.additive)
    return StandingOut(
        metric=metric.id,
        ja=metric.ja,
        en=metric.en,
        unit=metric.unit,
        department=ABOUT[metric.id].department,
        actual=figure.value,
        reason=figure.reason,
        target=target,
        pace=wanted,
        status=status(metric.id, actual, wanted),
        landing=landing(actual, elapsed, additive=metric.additive),
    )


def number_of(value: Value, minor: int) -> float | None:
    """Major units of money."""
    if isinstance(value, Money):
        return value.amount / minor
    return None if value is None else float(value)
