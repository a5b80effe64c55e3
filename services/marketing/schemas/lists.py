"""What lists can be asked for."""

import datetime as dt
from uuid import UUID

from pydantic import Field

from services.marketing.domain.campaigns import CampaignStatus
from services.marketing.domain.lifecycle import Stage
from services.marketing.schemas.recycling import RecyclingStatus
from shared.http.bodies import Key
from shared.http.paging import ListQuery


class LeadQuery(ListQuery):
    """`status` and `stage` are the same."""

    lead_id: UUID | None = None
    account_id: UUID | None = None
    owner: Key | None = None
    downstream_owner: Key | None = None
    status: Stage | None = None
    stage: Stage | None = None
    cycle: int | None = Field(None, ge=1)
    channel: Key | None = None
    campaign: Key | None = None
    content: Key | None = None
    segment: Key | None = None
    industry: Key | None = None
    product: Key | None = None
    price_band: Key | None = None
    region: Key | None = None


class AccountQuery(ListQuery):
    owner: Key | None = None
    industry: Key | None = None
    segment: Key | None = None
    prefecture: Key | None = None
    corporate_number: Key | None = None
    domain: Key | None = None
    parent_id: UUID | None = None


class TouchQuery(ListQuery):
    """Sorted by when they happened."""

    kind: Key | None = None
    cycle: int | None = Field(None, ge=1)
    channel: Key | None = None
    campaign: Key | None = None
    content: Key | None = None


class DayQuery(ListQuery):
    date_from: dt.date | None = Field(None, description="inclusive")
    date_to: dt.date | None = Field(None, description="exclusive")
    date: dt.date | None = None
    channel: Key | None = None
    campaign: Key | None = None
    external_id: None = Field(None, description="days have none")


class CampaignQuery(ListQuery):
    status: CampaignStatus | None = None
    type: Key | None = None
    channel: Key | None = None
    segment: Key | None = None
    owner: Key | None = None


class RecyclingQuery(ListQuery):
    """`due`: its day has come; `waiting`: it has not; `done`: the next cycle is open."""

    status: RecyclingStatus | None = None
    lead_id: UUID | None = None
    cycle_source: Key | None = None
    reason: Key | None = None
    owner: Key | None = None
    channel: Key | None = None
    segment: Key | None = None
    revisit_on_from: dt.date | None = Field(None, description="inclusive")
    revisit_on_to: dt.date | None = Field(None, description="exclusive")
    external_id: None = Field(None, description="recyclings have none")
