"""What brought the deals: each of seven models gives away the whole of every deal."""

from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import Field

from services.kpi.api.questions import Asked, viewing
from services.kpi.metrics.attribution import HALF_LIFE_DAYS, exact
from services.kpi.metrics.credit import Credited, Touch, credited, summed
from services.kpi.metrics.exchange import money
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.question import View
from services.kpi.metrics.records import names_of
from services.kpi.schemas.attribution import AttributionOut, CreditedOut, SourceOut, TouchOut
from shared.errors import Invalid
from shared.http.door import Door
from shared.ids import told_id
from shared.money import Money, decimals

router = APIRouter(prefix="/v1", tags=["attribution"], route_class=Door)


class AttributionAsked(Asked):
    model: Literal["first", "last", "linear", "u_shaped", "w_shaped", "full_path", "time_decay"] = "w_shaped"
    half_life: float = Field(HALF_LIFE_DAYS, gt=0, le=3650, description="days, of time_decay")
    by_source: Literal["channel", "campaign", "content", "kind"] = "channel"
    opportunity_id: str | None = Field(None, max_length=200, description="one deal alone; ext:<external id> too")


@router.get("/attribution")
async def get_attribution(request: Request, asked: Annotated[AttributionAsked, Query()]) -> AttributionOut:
    """The deals won in the span by what touched their people before."""
    runtime = request.app.state.runtime
    async with viewing(runtime, asked.question(runtime)) as view:
        alone = _opportunity(asked.opportunity_id)
        found = await credited(view, asked.model, asked.half_life, alone)
        names = await names_of(view, "opportunity_id", [deal.opportunity_id for deal in found]) if alone else {}
        total = sum((deal.value for deal in found), Decimal(0))
        sources = sorted(summed(found, asked.by_source).items(), key=lambda pair: (-pair[1].value, pair[0]))
        return AttributionOut(
            **basis(view),
            model=asked.model,
            by_source=asked.by_source,
            currency=view.question.currency,
            deals=len(found),
            value=money(total, view),
            sources=[
                SourceOut(
                    source=name, deals=share.deals, value=money(share.value, view), retained=money(share.retained, view)
                )
                for name, share in sources
            ],
            credited=[_credited(deal, names.get(deal.opportunity_id), view) for deal in found] if alone else [],
        )


def _opportunity(given: str | None) -> UUID | None:
    """Raises Invalid for what is no id."""
    if given is None:
        return None
    if given.startswith("ext:"):
        return told_id("opportunity", given.removeprefix("ext:"))
    try:
        return UUID(given)
    except ValueError as error:
        raise Invalid("opportunity_id", "is a UUID, or ext: and the external id") from error


def _credited(deal: Credited, name: str | None, view: View) -> CreditedOut:
    return CreditedOut(
        opportunity_id=deal.opportunity_id,
        opportunity_external_id=name,
        lead_id=deal.lead_id,
        value=money(deal.value, view),
        retained=money(deal.retained, view),
        touches=[_touch(touch, deal, view) for touch in deal.touches],
    )


def _touch(touch: Touch, deal: Credited, view: View) -> TouchOut:
    currency = view.question.currency
    return TouchOut(
        touch_id=touch.id,
        at=touch.at,
        kind=touch.kind,
        content=touch.content,
        channel=touch.channel,
        campaign=touch.campaign,
        roles=sorted(touch.roles),
        weight=touch.weight,
        amount=Money(amount=touch.amount, currency=currency),
        exact=exact(touch.weight, deal.value / 10 ** decimals(currency)),
    )
