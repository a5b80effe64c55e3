"""What is read together: the metrics of a family in one answer, all of one moment."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request

from services.kpi.api.questions import Asked, MrrAsked, viewing
from services.kpi.metrics.catalogue import CATALOGUE, answer
from services.kpi.metrics.question import Question
from services.kpi.schemas.figures import FamilyOut
from shared.http.door import Door
from shared.service import Runtime

router = APIRouter(prefix="/v1", tags=["figures"], route_class=Door)
FAMILIES: Mapping[str, Sequence[str]] = {
    "response-times": ("frt", "sla60", "unfollowed"),
    "appointments": ("appointments", "show_rate", "no_show_rate", "reschedule_rate"),
    "retention": (
        *("mrr_mv", "arr", "nrr", "grr", "gross_churn", "net_churn", "quick", "logo_churn"),
        *("renew", "renew_value", "upsell", "onb"),
    ),
    "unit-economics": ("arpa", "churn_hazard", "ltv", "cac", "ltv_cac", "payback", "cpl", "cpmql"),
    "recycling": ("recycle_rate", "recycled_to_opp", "dormant_days", "recycled_won", "recycled_won_value", "loops"),
    "feedback": (
        *("reverse_flow", "obligations", "ack_72h", "acted", "closure", "two_way", "voice_used"),
        *("note_gap", "note_coverage", "expectation_fit", "handoff_complete", "rework", "disputes"),
    ),
}


async def _family(runtime: Runtime, name: str, question: Question, query: str) -> FamilyOut:
    found = {}
    async with viewing(runtime, question) as view:
        for metric_id in FAMILIES[name]:
            metric = CATALOGUE[metric_id]
            records = f"/v1/metrics/{metric_id}/records?{query}".rstrip("?")
            found[metric_id] = await answer(metric, view.with_question(mode=metric.modes[0]), records=records)
    return FamilyOut(family=name, metrics=found)


@router.get("/response-times")
async def get_response_times(request: Request, asked: Annotated[Asked, Query()]) -> FamilyOut:
    """How fast MQLs are contacted, and who still waits."""
    runtime = request.app.state.runtime
    return await _family(runtime, "response-times", asked.question(runtime), request.url.query)


@router.get("/appointments")
async def get_appointments(request: Request, asked: Annotated[Asked, Query()]) -> FamilyOut:
    """First meetings: held, missed, moved."""
    runtime = request.app.state.runtime
    return await _family(runtime, "appointments", asked.question(runtime), request.url.query)


@router.get("/retention")
async def get_retention(request: Request, asked: Annotated[MrrAsked, Query()]) -> FamilyOut:
    """What became of revenue and customers."""
    runtime = request.app.state.runtime
    return await _family(runtime, "retention", asked.question(runtime, basis=asked.basis), request.url.query)


@router.get("/unit-economics")
async def get_unit_economics(request: Request, asked: Annotated[MrrAsked, Query()]) -> FamilyOut:
    """What a customer is worth, costs, and when it has paid."""
    runtime = request.app.state.runtime
    return await _family(runtime, "unit-economics", asked.question(runtime, basis=asked.basis), request.url.query)


@router.get("/recycling")
async def get_recycling(request: Request, asked: Annotated[Asked, Query()]) -> FamilyOut:
    """What ended, came back, and became of it."""
    runtime = request.app.state.runtime
    return await _family(runtime, "recycling", asked.question(runtime), request.url.query)


@router.get("/feedback-flow")
async def get_feedback_flow(request: Request, asked: Annotated[Asked, Query()]) -> FamilyOut:
    """What flows back between departments."""
    runtime = request.app.state.runtime
    return await _family(runtime, "feedback", asked.question(runtime), request.url.query)
