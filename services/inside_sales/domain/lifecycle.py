"""The life of a prospect: one table says which act is possible in which status."""

from datetime import datetime
from enum import StrEnum

from shared.errors import Refused


class Status(StrEnum):
    """Where a lead stands in its current cycle, as inside sales sees it."""

    NURTURING = "nurturing"  # a recycled cycle; marketing has not handed it over as an MQL
    WAITING = "waiting"  # an MQL nobody has taken
    CLAIMED = "claimed"  # somebody is about to judge it
    ACCEPTED = "accepted"  # inside sales' work
    HANDED_OVER = "handed_over"  # an SQL that field sales has not decided on
    OPENED = "opened"  # an opportunity: field sales took it
    WON = "won"
    LOST = "lost"
    RETURNED = "returned"  # field sales sent the SQL back
    REJECTED = "rejected"  # inside sales sent the MQL back
    DROPPED = "dropped"  # ended without an opportunity
    MERGED = "merged"  # the same person as another lead, where the work goes on
    ERASED = "erased"  # the person asked to be forgotten


class Act(StrEnum):
    CLAIM = "claim"
    RELEASE = "release"
    CONTACT = "contact"
    DISCOVER = "discover"  # note what was found out, before the hand-over
    ACCEPT = "accept"
    REJECT = "reject"
    HAND_OVER = "hand_over"
    BOOK = "book"  # an appointment after the hand-over
    DROP = "drop"


OPEN = (Status.WAITING, Status.CLAIMED, Status.ACCEPTED)
"""Inside sales' own work, not yet decided."""
WITH_FIELD_SALES = (Status.HANDED_OVER, Status.OPENED)
ENDED = (Status.WON, Status.LOST, Status.RETURNED, Status.REJECTED, Status.DROPPED)

MOVES: dict[tuple[Status, Act], Status] = {
    (Status.WAITING, Act.CLAIM): Status.CLAIMED,
    (Status.CLAIMED, Act.CLAIM): Status.CLAIMED,
    (Status.ACCEPTED, Act.CLAIM): Status.ACCEPTED,
    (Status.CLAIMED, Act.RELEASE): Status.WAITING,
    (Status.ACCEPTED, Act.RELEASE): Status.ACCEPTED,
    (Status.WAITING, Act.ACCEPT): Status.ACCEPTED,
    (Status.CLAIMED, Act.ACCEPT): Status.ACCEPTED,
    (Status.WAITING, Act.REJECT): Status.REJECTED,
    (Status.CLAIMED, Act.REJECT): Status.REJECTED,
    (Status.ACCEPTED, Act.HAND_OVER): Status.HANDED_OVER,
    **{(status, Act.DROP): Status.DROPPED for status in OPEN},
    **{(status, Act.DISCOVER): status for status in OPEN},
    **{(status, Act.CONTACT): status for status in (*OPEN, *WITH_FIELD_SALES)},
    **{(status, Act.BOOK): status for status in WITH_FIELD_SALES},
}

_RULES: dict[Status, str] = {
    Status.NURTURING: "not_handed_over",
    Status.WAITING: "not_accepted",
    Status.CLAIMED: "not_accepted",
    Status.ACCEPTED: "already_accepted",
    Status.HANDED_OVER: "already_handed_over",
    Status.OPENED: "already_handed_over",
    Status.MERGED: "merged",
    Status.ERASED: "erased",
    **dict.fromkeys(ENDED, "cycle_ended"),
}
_SPECIAL: dict[tuple[Status, Act], str] = {
    (Status.WAITING, Act.RELEASE): "not_claimed",
    **{(status, Act.BOOK): "not_an_sql" for status in OPEN},
}
_MISSING = {"not_accepted": ("accept",), "not_an_sql": ("hand_over",), "not_claimed": ("claim",)}


class IllegalMove(Refused):
    title = "Not possible in this status"


class NotHandedOver(IllegalMove):
    """Known, but no MQL in this cycle; marketing's word may be on its way."""

    retry_after = 1


class HeldByOther(Refused):
    rule, title = "held_by_other", "Somebody else works on this prospect"


class BeforePreviousStep(Refused):
    rule, title = "before_previous_step", "Earlier than the step before it"


def move(status: Status, act: Act, *, owner: str | None = None) -> Status:
    """The status after `act`. Raises IllegalMove: its rule says what stands against it, `owner` who has the work."""
    try:
        return MOVES[status, act]
    except KeyError:
        rule = _SPECIAL.get((status, act), _RULES[status])
        detail = f"{act.value} is not possible while the prospect is {status.value}"
        possible = [found.value for known, found in MOVES if known == status]
        missing = _MISSING.get(rule, ())
        kind = NotHandedOver if status is Status.NURTURING else IllegalMove
        raise kind(detail, rule=rule, missing=missing, current=status, possible=possible, owner=owner) from None


def held(holder: str | None, by: str) -> None:
    """Raises HeldByOther, naming the owner, where not `by` but somebody else has the work."""
    if holder is not None and holder != by:
        raise HeldByOther(f"{holder} works on it", owner=holder)


def step_at(told: datetime | None, now: datetime, previous: datetime | None) -> datetime:
    """When a step happened: as told, else now, which a clock running slightly behind never puts before the last step.

    Raises BeforePreviousStep.
    """
    if told is None:
        return max(now, previous) if previous else now
    if previous and told < previous:
        raise BeforePreviousStep(f"The step before it was at {previous.isoformat()}", previous=previous)
    return told
