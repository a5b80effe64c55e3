"""Where a lead's cycle stands, as marketing sees it: a fold over what all departments told, in whatever order."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from shared.errors import Refused


class Stage(StrEnum):
    NURTURING = "nurturing"
    MQL_WAITING = "mql_waiting"
    MQL_WORKING = "mql_working"
    SQL = "sql"
    OPPORTUNITY = "opportunity"
    WON = "won"
    REJECTED = "rejected"
    DROPPED = "dropped"
    RETURNED = "returned"
    LOST = "lost"
    DISQUALIFIED = "disqualified"
    DORMANT = "dormant"
    CHURNED = "churned"


class Milestone(StrEnum):
    """What can be told of a cycle."""

    MQL = "mql"
    CONTACTED = "contacted"
    ACCEPTED = "accepted"
    SQL = "sql"
    OPPORTUNITY = "opportunity"
    REOPENED = "reopened"
    REJECTED = "rejected"
    DROPPED = "dropped"
    RETURNED = "returned"
    LOST = "lost"
    WON = "won"
    DORMANT = "dormant"
    CHURNED = "churned"


IN_WORK = frozenset({Stage.MQL_WAITING, Stage.MQL_WORKING, Stage.SQL, Stage.OPPORTUNITY})
"""Another department has the lead."""

_PROGRESS = (
    (Milestone.REOPENED, Stage.OPPORTUNITY),
    (Milestone.OPPORTUNITY, Stage.OPPORTUNITY),
    (Milestone.SQL, Stage.SQL),
    (Milestone.ACCEPTED, Stage.MQL_WORKING),
    (Milestone.MQL, Stage.MQL_WAITING),
)
_FURTHER = (Milestone.SQL, Milestone.OPPORTUNITY)
_ENDS = {
    Milestone.REJECTED: (Stage.REJECTED, (Milestone.ACCEPTED, *_FURTHER)),
    Milestone.DROPPED: (Stage.DROPPED, (Milestone.ACCEPTED, *_FURTHER)),
    Milestone.RETURNED: (Stage.RETURNED, _FURTHER),
    Milestone.LOST: (Stage.LOST, (Milestone.REOPENED, Milestone.WON)),
    Milestone.WON: (Stage.WON, (Milestone.REOPENED, Milestone.LOST)),
    Milestone.DORMANT: (Stage.DORMANT, (Milestone.REOPENED,)),
    Milestone.CHURNED: (Stage.CHURNED, (Milestone.REOPENED,)),
}
"""What ends a cycle, and what, told of a later time, undoes it."""
_ORDER = {milestone: place for place, milestone in enumerate(_ENDS)}


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing told of a cycle; the last three belong to ends."""

    kind: Milestone
    at: datetime
    owner: str | None = None
    opportunity: str | None = None
    reason: str | None = None
    recyclable: bool = False
    revisit_on: date | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """`end` is what ended the cycle, while it is ended; `owner` the last one told."""

    stage: Stage
    end: Fact | None = None
    owner: str | None = None
    opportunity: str | None = None


def stand(facts: Iterable[Fact], never: Collection[str]) -> Standing:
    """`never` are the reasons with which a lead does not come back (対象外)."""
    told = sorted(facts, key=lambda fact: fact.at)
    latest = {fact.kind: fact for fact in told}
    owner = next((fact.owner for fact in reversed(told) if fact.owner), None)
    opportunity = next((fact.opportunity for fact in reversed(told) if fact.opportunity), None)
    ends = [
        latest[kind]
        for kind, (_, undone_by) in _ENDS.items()
        if kind in latest and not any(o in latest and latest[o].at > latest[kind].at for o in undone_by)
    ]
    if ends:
        end = max(ends, key=lambda fact: (fact.at, _ORDER[fact.kind]))
        stage = _ENDS[end.kind][0]
        if end.reason in never and stage is not Stage.CHURNED:
            stage = Stage.DISQUALIFIED
        return Standing(stage, end, owner, opportunity)
    stage = next((stage for kind, stage in _PROGRESS if kind in latest), Stage.NURTURING)
    return Standing(stage, None, owner, opportunity)


class Act(StrEnum):
    """What marketing itself does to a cycle."""

    QUALIFY = "qualify"
    RECYCLE = "recycle"


ALLOWED = {
    Act.QUALIFY: frozenset({Stage.NURTURING}),
    Act.RECYCLE: frozenset(
        {
            *(Stage.REJECTED, Stage.DROPPED, Stage.RETURNED, Stage.LOST),
            *(Stage.WON, Stage.DORMANT, Stage.CHURNED),  # a customer may be approached anew
        }
    ),
}


class IllegalMove(Refused):
    """The cycle is not where the act needs it to be."""

    rule = "illegal_move"


def check(act: Act, stage: Stage) -> None:
    """Raises IllegalMove with the rule that says no."""
    if stage in ALLOWED[act]:
        return
    if stage is Stage.DISQUALIFIED:
        raise IllegalMove("A disqualified lead does not come back", rule="disqualified", stage=stage)
    if act is Act.RECYCLE:
        raise IllegalMove(f"Its cycle is still open: {stage}", rule="cycle_open", stage=stage)
    if stage in IN_WORK:
        raise IllegalMove(f"It is an MQL of this cycle already: {stage}", rule="already_mql", stage=stage)
    raise IllegalMove(f"Its cycle is over: {stage}; recycle it first", rule="cycle_ended", stage=stage)
