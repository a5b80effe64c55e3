"""GET /v1/onboarding-load: what customer success will have to take over."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict

from services.kpi.api.questions import Asked, Instant, viewing
from services.kpi.metrics.bottleneck.queues import FULL, ONBOARDING, queues
from services.kpi.metrics.coming import Coming, capacity, coming
from services.kpi.metrics.funnel import basis
from services.kpi.schemas.coming import ComingOut, OnboardingLoadOut
from shared.http.door import Door

router = APIRouter(prefix="/v1", tags=["forecast"], route_class=Door)
DAYS = (30, 60)


class LoadAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    as_of: Instant | None = None
    known_at: Instant | None = None


@router.get("/onboarding-load")
async def get_onboarding_load(request: Request, asked: Annotated[LoadAsked, Query()]) -> OnboardingLoadOut:
    """Who is being onboarded, and how many more are likely to be won in the next 30 and 60 days, against how many can
    be onboarded in that time: so that customer success hears of it before the deals are won."""
    runtime = request.app.state.runtime
    question = Asked(as_of=asked.as_of, known_at=asked.known_at).question(runtime)
    async with viewing(runtime, question) as view:
        now = next(one for one in await queues(view) if one.name == ONBOARDING)
        return OnboardingLoadOut(
            **basis(view),
            waiting=now.wip,
            capacity=capacity(view),
            ahead=[_shown(await coming(view, days)) for days in DAYS],
        )


def _shown(found: Coming) -> ComingOut:
    return ComingOut(
        days=found.days,
        commit=found.commit,
        p10=_whole(found.low),
        p50=_whole(found.middle),
        p90=_whole(found.high),
        method=found.method,
        room=found.room,
        utilisation=found.utilisation,
        overloaded=None if found.utilisation is None else found.utilisation > FULL,
    )


def _whole(number: Decimal | None) -> int | None:
    return None if number is None else round(number)
