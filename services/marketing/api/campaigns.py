"""Campaigns."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.marketing.api.leads import MARKETERS
from services.marketing.commands.campaigns import keep_campaign, update_campaign
from services.marketing.models import CampaignRow
from services.marketing.queries import listed, one, resolve
from services.marketing.schemas.channels import CampaignIn, CampaignOut, CampaignPatch
from services.marketing.schemas.lists import CampaignQuery
from shared.http.door import Door, Reading, Tx, resource
from shared.http.paging import Page

router = APIRouter(prefix="/v1/campaigns", tags=["channels"], route_class=Door)


def _answer(row: CampaignRow, status: int = 200) -> Response:
    place = f"/v1/campaigns/{row.id}"
    return resource(CampaignOut.model_validate(row), version=row.version, status=status, location=place)


@router.post("", dependencies=[MARKETERS], response_model=CampaignOut, status_code=201)
async def create(body: CampaignIn, tx: Tx) -> Response:
    """A campaign. The same `external_id` again is the campaign as it is told now: 200."""
    row, new = await keep_campaign(tx, body.told())
    await tx.session.flush()
    return _answer(row, 201 if new else 200)


@router.get("", response_model=Page[CampaignOut])
async def list_campaigns(given: Annotated[CampaignQuery, Query()], session: Reading) -> Page[CampaignOut]:
    """Campaigns."""
    rows, cursor = await listed(session, CampaignRow, given)
    return Page(items=[CampaignOut.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/{campaign_id}", response_model=CampaignOut)
async def get_campaign(campaign_id: str, session: Reading) -> Response:
    """One campaign."""
    return _answer(await one(session, CampaignRow, campaign_id))


@router.patch("/{campaign_id}", dependencies=[MARKETERS], response_model=CampaignOut)
async def patch_campaign(campaign_id: str, body: CampaignPatch, tx: Tx) -> Response:
    """Change a campaign. Its status moves as its life allows."""
    row = await update_campaign(tx, await resolve(tx.session, CampaignRow, campaign_id), body.told())
    await tx.session.flush()
    return _answer(row)
