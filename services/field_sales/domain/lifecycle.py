"""The life of an opportunity: which act moves it from where to where, and that its steps come in order."""

from datetime import datetime
from enum import StrEnum

from shared.errors import Refused


class Status(StrEnum):
    OFFERED = "offered"  # an SQL lies on the desk
    OPEN = "open"
    RETURNED = "returned"  # sent back to inside sales
    WON = "won"
    LOST = "lost"


class Act(StrEnum):
    ACCEPT = "accept"
    RETURN = "return"
    UPDATE = "update"
    MOVE_PHASE = "move_phase"
    REVIEW_FIRST_VISIT = "review_first_visit"
    WIN = "win"
    LOSE = "lose"
    REOPEN = "reopen"


TRANSITIONS: dict[tuple[Status, Act], Status] = {
    (Status.OFFERED, Act.ACCEPT): Status.OPEN,
    (Status.OFFERED, Act.RETURN): Status.RETURNED,
    (Status.OFFERED, Act.UPDATE): Status.OFFERED,
    (Status.OPEN, Act.UPDATE): Status.OPEN,
    (Status.OPEN, Act.MOVE_PHASE): Status.OPEN,
    (Status.OPEN, Act.REVIEW_FIRST_VISIT): Status.OPEN,
    (Status.OPEN, Act.WIN): Status.WON,
    (Status.OPEN, Act.LOSE): Status.LOST,
    (Status.WON, Act.REOPEN): Status.OPEN,
    (Status.LOST, Act.REOPEN): Status.OPEN,
}
"""Whatever does not stand here is refused."""

RULES: dict[Act, str] = {
    Act.ACCEPT: "not_offered",
    Act.RETURN: "not_offered",
    Act.UPDATE: "already_ended",
    Act.MOVE_PHASE: "not_open",
    Act.REVIEW_FIRST_VISIT: "not_open",
    Act.WIN: "not_open",
    Act.LOSE: "not_open",
    Act.REOPEN: "not_closed",
}
"""What a refusal of the act is called."""


class IllegalMove(Refused):
    """The act is not possible from where the opportunity is."""

    def __init__(self, status: Status, act: Act) -> None:
        needed = [found for found, moved in TRANSITIONS if moved is act]
        detail = f"This opportunity is {status}; {act.replace('_', ' ')} needs one that is {' or '.join(needed)}"
        super().__init__(detail, rule=RULES[act], current=status)


class BeforePreviousStep(Refused):
    """Something is told to have occurred before what it follows."""

    rule = "before_previous_step"

    def __init__(self, at: datetime, previous: datetime) -> None:
        super().__init__(f"{at.isoformat()} is before the previous step of {previous.isoformat()}", previous=previous)


def move(status: Status, act: Act) -> Status:
    """Where the act leads. Raises IllegalMove."""
    try:
        return TRANSITIONS[status, act]
    except KeyError:
        raise IllegalMove(status, act) from None


def in_order(at: datetime, now: datetime, *previous: datetime | None) -> datetime:
    """When an act occurred: `at`, or with the latest step known where that is later and the act is of now, for the
    clock of the department that told the step may be ahead of ours.

    Raises BeforePreviousStep where `at` was told as another time than now and a step is known that is later.
    """
    latest = max((step for step in previous if step is not None), default=at)
    if at < latest and at != now:
        raise BeforePreviousStep(at, latest)
    return max(at, latest)
