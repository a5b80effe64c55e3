"""The life of a feedback item, as one transition table and one way to join two copies of it.

Sender and receiver each keep a copy and tell each other their steps. A copy is a set of tellings, one a step, of which
the earliest holds: joining is commutative, associative and idempotent, so copies meet in any order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from shared.errors import Refused


class State(StrEnum):
    """In this order; a copy is in the furthest one it was told."""

    GIVEN = "given"
    ACKNOWLEDGED = "acknowledged"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    ACTED = "acted"
    CLOSED = "closed"


class Act(StrEnum):
    ACKNOWLEDGE = "acknowledge"
    ACCEPT = "accept"
    DECLINE = "decline"
    ACT = "act"
    CLOSE = "close"


class Side(StrEnum):
    SENDER = "sender"
    RECEIVER = "receiver"


WHO: Mapping[Act, Side] = {
    Act.ACKNOWLEDGE: Side.RECEIVER,
    Act.ACCEPT: Side.RECEIVER,
    Act.DECLINE: Side.RECEIVER,
    Act.ACT: Side.RECEIVER,
    Act.CLOSE: Side.SENDER,
}
MOVES: Mapping[tuple[State, Act], tuple[State, ...]] = {
    (State.GIVEN, Act.ACKNOWLEDGE): (State.ACKNOWLEDGED,),
    (State.GIVEN, Act.ACCEPT): (State.ACKNOWLEDGED, State.ACCEPTED),
    (State.GIVEN, Act.DECLINE): (State.ACKNOWLEDGED, State.DECLINED),
    (State.ACKNOWLEDGED, Act.ACCEPT): (State.ACCEPTED,),
    (State.ACKNOWLEDGED, Act.DECLINE): (State.DECLINED,),
    (State.ACCEPTED, Act.ACT): (State.ACTED,),
    (State.ACTED, Act.CLOSE): (State.CLOSED,),
    (State.DECLINED, Act.CLOSE): (State.CLOSED,),
}
"""The steps an act takes: deciding on what nobody acknowledged acknowledges it too."""


class IllegalMove(Refused):
    rule, title = "feedback_state", "The item is not in a state that allows this"


class BeforePreviousStep(Refused):
    rule, title = "before_previous_step", "Earlier than the step before it"


@dataclass(frozen=True, slots=True)
class Telling:
    """One step as told. `reason` goes with a decision, `change` with an act, `useful` with closing."""

    state: State
    at: datetime
    reason: str | None = None
    change: str | None = None
    useful: bool | None = None

    @property
    def _order(self) -> tuple[datetime, str, str, str, str]:
        """Earliest first; equal instants are ordered by what they say, so that both copies choose the same."""
        return self.at, self.state, self.reason or "", self.change or "", str(self.useful)

    def earlier(self, other: "Telling | None") -> "Telling":
        return self if other is None or self._order <= other._order else other


@dataclass(frozen=True, slots=True)
class Progress:
    """What became of an item, as far as this copy was told."""

    acknowledged: Telling | None = None
    decided: Telling | None = None
    acted: Telling | None = None
    closed: Telling | None = None

    def told(self, telling: Telling) -> "Progress":
        match telling.state:
            case State.GIVEN:
                return self
            case State.ACKNOWLEDGED:
                return replace(self, acknowledged=Telling(telling.state, telling.at).earlier(self.acknowledged))
            case State.ACCEPTED | State.DECLINED:
                return replace(
                    self, decided=Telling(telling.state, telling.at, reason=telling.reason).earlier(self.decided)
                )
            case State.ACTED:
                return replace(
                    self, acted=Telling(telling.state, telling.at, change=telling.change).earlier(self.acted)
                )
            case State.CLOSED:
                return replace(
                    self, closed=Telling(telling.state, telling.at, useful=telling.useful).earlier(self.closed)
                )

    @property
    def state(self) -> State:
        """The furthest step told."""
        last = self.closed or self.acted or self.decided or self.acknowledged
        return last.state if last else State.GIVEN

    def latest(self, given_at: datetime) -> datetime:
        steps = (self.acknowledged, self.decided, self.acted, self.closed)
        return max([given_at, *(step.at for step in steps if step)])


def acts_open(state: State, sides: frozenset[Side]) -> tuple[Act, ...]:
    """What those who stand on `sides` of an item may do with it now."""
    return tuple(act for act in Act if (state, act) in MOVES and WHO[act] in sides)


def steps(progress: Progress, act: Act, final: Telling, given_at: datetime) -> tuple[Telling, ...]:
    """The steps `act` takes now; the last of them carries what `final` says (its state is the act's, not final's).

    Raises IllegalMove, and BeforePreviousStep where `final` lies before a step that was told.
    """
    taken = MOVES.get((progress.state, act))
    if taken is None:
        raise IllegalMove(f"The item is {progress.state}; it cannot {act} now", state=progress.state)
    if final.at < progress.latest(given_at):
        raise BeforePreviousStep(f"The step before it was at {progress.latest(given_at).isoformat()}")
    return (*(Telling(state, final.at) for state in taken[:-1]), replace(final, state=taken[-1]))
