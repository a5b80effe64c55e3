"""What a contract's MRR was from when to when, and what must still be told so that the world knows the same.

Facts come late and in any order: an end before its start, an amendment before the one it follows. So nothing is told
by habit: the steps known give a timeline, the timeline is compared with what was told, the difference is told.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar


class Kind(StrEnum):
    OPENED = "opened"
    CHANGED = "changed"
    RENEWED = "renewed"
    ENDED = "ended"


_ORDER = {Kind.OPENED: 0, Kind.ENDED: 1, Kind.CHANGED: 2, Kind.RENEWED: 3}
"""Within one instant: what ends the moment its amendment begins goes on."""


@dataclass(frozen=True, slots=True)
class Step:
    """`mrr` in minor units holds from `at` on; None where the step says nothing of it."""

    at: datetime
    kind: Kind
    mrr: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    at: datetime
    mrr: int


@dataclass(frozen=True, slots=True)
class Move:
    """The MRR went up or down by `delta` minor units."""

    at: datetime
    delta: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A time under contract; `until` is None while it lasts."""

    since: datetime
    until: datetime | None
    reason: str | None = None  # why it ended


@dataclass(frozen=True, slots=True)
class Timeline:
    """`mrr` is what holds at the end, None where no step tells one; `due_at` is the first step still to come."""

    opening: Opening | None
    moves: tuple[Move, ...]
    spans: tuple[Span, ...]
    mrr: int | None
    due_at: datetime | None

    @property
    def active(self) -> bool:
        return bool(self.spans) and self.spans[-1].until is None

    @property
    def last_at(self) -> datetime | None:
        return max((span.until or span.since for span in self.spans), default=None)


class Timed(Protocol):
    @property
    def at(self) -> datetime: ...
    @property
    def kind(self) -> str: ...


T = TypeVar("T", bound=Timed)


def in_time(steps: Iterable[T]) -> list[T]:
    """Ordered as they took effect; nothing is earlier than the opening."""
    steps = list(steps)
    opened = min((step.at for step in steps if step.kind == Kind.OPENED), default=None)

    def place(step: T) -> tuple[datetime, int]:
        return (max(step.at, opened) if opened else step.at), _ORDER[Kind(step.kind)]

    return sorted(steps, key=place)


def timeline(steps: Iterable[Step], until: datetime) -> Timeline:
    """The steps at or before `until`, played. Without an opening nothing has begun."""
    ordered = in_time(steps)
    past = [step for step in ordered if step.at <= until]
    due_at = next((step.at for step in ordered if step.at > until), None)
    if not past or past[0].kind is not Kind.OPENED:
        return Timeline(None, (), (), None, due_at)
    begun = past[0].at
    opening: Opening | None = None
    spans = [Span(begun, None)]
    moves: dict[datetime, Move] = {}
    mrr: int | None = None
    for step in past:
        at = max(step.at, begun)
        level = step.mrr if step.kind is not Kind.ENDED else None if mrr is None else 0
        if level is not None and mrr is None:
            opening = Opening(at, level)
        elif level is not None and mrr is not None and level != mrr:
            before = moves.get(at, Move(at, 0))
            moves[at] = Move(at, before.delta + level - mrr, step.reason or before.reason)
        mrr = mrr if level is None else level
        _count_span(spans, step.kind, at, step.reason)
    told = tuple(found for _, found in sorted(moves.items()) if found.delta)
    return Timeline(opening, told, tuple(spans), mrr, due_at)


def _count_span(spans: list[Span], kind: Kind, at: datetime, reason: str | None) -> None:
    last = spans[-1]
    if kind is Kind.ENDED and last.until is None:
        spans[-1] = Span(last.since, at, reason)
    elif kind is Kind.CHANGED and last.until is not None:
        spans[-1:] = [Span(last.since, None)] if last.until == at else [last, Span(at, None)]


def untold(
    found: Timeline, opening: Opening | None, moves: Mapping[datetime, int]
) -> tuple[Opening | None, list[Move]]:
    """What to tell: the opening where it is new or other than told, and every instant's missing difference."""
    restated = found.opening if found.opening != opening else None
    wanted = {move.at: move for move in found.moves}
    missing = []
    for at in sorted({*wanted, *moves}):
        move = wanted.get(at, Move(at, 0, "correction"))
        if delta := move.delta - moves.get(at, 0):
            missing.append(Move(at, delta, move.reason))
    return restated, missing


def without_contract(spans: Sequence[Span]) -> list[Span]:
    """The gaps after a time under contract: `since` is when the last contract ended, with its reason.

    The last gap lasts when nothing runs any more.
    """
    gaps: list[Span] = []
    ended: Span | None = None
    for span in sorted(spans, key=lambda span: span.since):
        if ended is not None and ended.until is not None and span.since > ended.until:
            gaps.append(Span(ended.until, span.since, ended.reason))
            ended = span
        elif ended is None or span.until is None or (ended.until is not None and span.until >= ended.until):
            ended = span
    if ended is not None and ended.until is not None:
        gaps.append(Span(ended.until, None, ended.reason))
    return gaps
