"""The life of a campaign."""

from enum import StrEnum

from shared.errors import Refused


class CampaignStatus(StrEnum):
    PLANNED = "planned"
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


MOVES = {
    CampaignStatus.PLANNED: {CampaignStatus.ACTIVE, CampaignStatus.CANCELLED},
    CampaignStatus.ACTIVE: {CampaignStatus.PAUSED, CampaignStatus.COMPLETED, CampaignStatus.CANCELLED},
    CampaignStatus.PAUSED: {CampaignStatus.ACTIVE, CampaignStatus.COMPLETED, CampaignStatus.CANCELLED},
    CampaignStatus.COMPLETED: {CampaignStatus.ACTIVE},  # a run that was ended too early
    CampaignStatus.CANCELLED: set[CampaignStatus](),
}


class IllegalStatus(Refused):
    rule = "illegal_status"


def move(now: CampaignStatus, to: CampaignStatus) -> CampaignStatus:
    """Raises IllegalStatus naming where it may go."""
    if to != now and to not in MOVES[now]:
        allowed = ", ".join(sorted(MOVES[now])) or "nowhere"
        raise IllegalStatus(f"From {now} a campaign goes to {allowed}", status_now=now)
    return to
