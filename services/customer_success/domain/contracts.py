"""The life of a contract: which act is allowed in which state."""

from enum import StrEnum

from shared.errors import Refused


class Status(StrEnum):
    SCHEDULED = "scheduled"  # known, and begins on a day to come
    ACTIVE = "active"
    ENDED = "ended"
    VOID = "void"  # its deal was reopened: it never counted


class Act(StrEnum):
    CHANGE = "change"
    RENEW = "renew"
    CHURN = "churn"
    VOID = "void"
    WIN = "win"  # the deal behind a void contract was won after all


MOVES: dict[tuple[Status, Act], Status] = {
    (Status.ACTIVE, Act.CHANGE): Status.ACTIVE,
    (Status.ACTIVE, Act.RENEW): Status.ACTIVE,
    (Status.ACTIVE, Act.CHURN): Status.ENDED,
    (Status.SCHEDULED, Act.CHURN): Status.VOID,
    (Status.SCHEDULED, Act.VOID): Status.VOID,
    (Status.ACTIVE, Act.VOID): Status.VOID,
    (Status.ENDED, Act.VOID): Status.VOID,
    (Status.VOID, Act.WIN): Status.ACTIVE,
}
"""Everything else is refused."""


class IllegalMove(Refused):
    """The rule names the state that refuses: contract_ended, contract_void, contract_scheduled, contract_active."""

    def __init__(self, status: Status, act: Act) -> None:
        super().__init__(
            f"A contract that is {status} cannot take the act {act}", rule=f"contract_{status}", status_now=status
        )


class OtherCurrency(Refused):
    """A contract keeps its currency: a rate of exchange is no change of MRR."""

    rule = "other_currency"


class TermUnknown(Refused):
    rule = "term_unknown"


class TooFar(Refused):
    """A renewal so far ahead is a typing error."""

    rule = "too_far"


def move(status: Status, act: Act) -> Status:
    """The state after the act. Raises IllegalMove."""
    if (status, act) not in MOVES:
        raise IllegalMove(status, act)
    return MOVES[status, act]
