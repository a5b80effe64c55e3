"""What a file tells of a prospect's past, and where that puts it."""

from dataclasses import dataclass
from datetime import datetime

from services.inside_sales.domain.lifecycle import OPEN, Status
from shared.errors import Refused

UNFOLLOWED = "unfollowed"
NOT_RECORDED = "not_recorded"


class Contradiction(Refused):
    rule, title = "rejected_and_handed_over", "It cannot have been rejected and handed over"


@dataclass(frozen=True, slots=True)
class Told:
    """A row of history: what is None was not told. Steps in between may be missing; they stay empty."""

    owner: str | None = None
    first_contact_at: datetime | None = None
    accepted_at: datetime | None = None
    rejected_at: datetime | None = None
    reason: str | None = None
    sql_at: datetime | None = None
    budget: str | None = None
    authority: str | None = None
    need: str | None = None
    timing: str | None = None
    size: str | None = None
    comment: str | None = None

    def __post_init__(self) -> None:
        if self.rejected_at and self.sql_at:
            raise Contradiction

    def leads_to(self, status: Status, reason: str | None) -> Status:
        """The status after it is told. What field sales made of the prospect stays; an end stays, too, unless the row
        tells another one, or that an unfollowed prospect was followed."""
        followed = status is Status.DROPPED and reason == UNFOLLOWED
        if status not in (*OPEN, Status.NURTURING, Status.REJECTED, Status.DROPPED):
            return status
        if self.sql_at:
            return Status.HANDED_OVER
        if self.rejected_at:
            return Status.REJECTED
        ended = status in (Status.REJECTED, Status.DROPPED) and not followed
        if self.accepted_at and not ended:
            return Status.ACCEPTED
        if self.first_contact_at and followed:
            return Status.WAITING
        return status
