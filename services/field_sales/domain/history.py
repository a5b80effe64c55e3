"""How long an opportunity stayed in each phase, from the steps it took."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Step:
    """`phase` is where the opportunity is from `at` on; None: it is not being worked on (not yet open, or closed)."""

    at: datetime
    phase: str | None


@dataclass(frozen=True, slots=True)
class Span:
    """A stay in one phase; `until` None while it lasts."""

    phase: str
    since: datetime
    until: datetime | None
    lasted: timedelta


def spans(steps: Iterable[Step], now: datetime) -> list[Span]:
    """The stays in order. Coming back to a phase is a stay of its own; a step that stays in the phase is none."""
    found: list[Span] = []
    phase: str | None = None
    since = now
    for step in sorted(steps, key=lambda step: step.at):
        if step.phase == phase:
            continue
        if phase is not None:
            found.append(Span(phase, since, step.at, step.at - since))
        phase, since = step.phase, step.at
    if phase is not None:
        found.append(Span(phase, since, None, max(now - since, timedelta())))
    return found
