"""The funnel, the metrics and recurring revenue."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.kpi.api.questions import Asked, FunnelAsked, MetricAsked, MrrAsked, SpanAsked, viewing
from services.kpi.api.records import found_metric, question_of
from services.kpi.domain.stages import READY_MADE
from services.kpi.metrics.about import ABOUT
from services.kpi.metrics.catalogue import CATALOGUE, answer
from services.kpi.metrics.conservation import conservation
from services.kpi.metrics.funnel import funnel
from services.kpi.metrics.mrr import mrr
from services.kpi.schemas.figures import (
    CatalogueOut,
    CheckOut,
    ConservationOut,
    FunnelOut,
    MetricAbout,
    MetricOut,
    MrrOut,
)
from shared.http.door import Door

router = APIRouter(prefix="/v1", tags=["figures"], route_class=Door)


@router.get("/funnel", response_model=FunnelOut, response_model_by_alias=True)
async def get_funnel(request: Request, asked: Annotated[FunnelAsked, Query()]) -> FunnelOut | Response:
    """The chain of the four departments: base, rate and goal of each, with everything that makes up a base."""
    runtime = request.app.state.runtime
    if asked.as_of is None and asked.known_at is None:
        return Response(await request.app.state.watcher.newest(asked), media_type="application/json")
    async with viewing(runtime, asked.question(runtime, mode=asked.mode, window=asked.window)) as view:
        return await funnel(view, READY_MADE.get(asked.chain or ""))


@router.get("/metrics")
async def list_metrics() -> CatalogueOut:
    """Every metric: its names, its unit and what is divided by what."""
    items = [
        MetricAbout(
            id=metric.id,
            ja=metric.ja,
            en=metric.en,
            unit=metric.unit,
            formula=metric.formula,
            modes=list(metric.modes),
            additive=metric.additive,
            **ABOUT[metric.id]._asdict(),
        )
        for metric in CATALOGUE.values()
    ]
    return CatalogueOut(items=items)


@router.get("/metrics/{metric_id}")
async def get_metric(request: Request, metric_id: str, asked: Annotated[MetricAsked, Query()]) -> MetricOut:
    """One metric: whole, by period and by one dimension."""
    metric, runtime = found_metric(metric_id), request.app.state.runtime
    async with viewing(runtime, question_of(runtime, metric, asked)) as view:
        return await answer(metric, view, records=f"{request.url.path}/records?{request.url.query}".rstrip("?"))


@router.get("/mrr")
async def get_mrr(request: Request, asked: Annotated[MrrAsked, Query()]) -> MrrOut:
    """Monthly recurring revenue: start, every movement, end, and how much of it was retained."""
    runtime = request.app.state.runtime
    async with viewing(runtime, asked.question(runtime, basis=asked.basis)) as view:
        return await mrr(view)


@router.get("/conservation")
async def get_conservation(request: Request, asked: Annotated[SpanAsked, Query()]) -> ConservationOut:
    """Whether anything stands without what must come first, and whether the chain closes in every slice of the span:
    if not, an event was lost, or a fold is wrong."""
    runtime = request.app.state.runtime
    question = Asked(begin=asked.begin, end=asked.end).question(runtime)
    async with viewing(runtime, question) as view:
        found = await conservation(view)
    as_of = view.question.as_of
    return ConservationOut(
        holds=not any(kept.broken for kept in found.values()),
        checks=[CheckOut(id=check.id, ja=check.ja, en=check.en, **kept._asdict()) for check, kept in found.items()],
        as_of=as_of,
        fresh_to=view.fresh.fresh_to,
        late=view.fresh.late(as_of),
    )
