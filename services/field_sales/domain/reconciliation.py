"""A row of a file against what is known: which facts it tells that were not known yet.

What reads the events folds them by the time they occurred, so a correction must be ordered to end where the row says.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.field_sales.domain.lifecycle import Status

CLOSED = (Status.WON, Status.LOST)


class Fact(StrEnum):
    RECEIVED = "received"
    RECEIVED_UNDATED = "received_undated"
    OPENED = "opened"
    WON = "won"
    LOST = "lost"
    REOPENED = "reopened"


CLOSINGS = {Status.WON: Fact.WON, Status.LOST: Fact.LOST}

Facts = list[tuple[Fact, datetime]]


@dataclass(frozen=True, slots=True)
class Told:
    """Where an opportunity stands and since when, as a row says or as it is known. Unknown times are None."""

    status: Status
    offered_at: datetime | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None


class Contradiction(ValueError):
    """The row cannot be true: of itself, or after what is known. `column` is the one to look at."""

    def __init__(self, column: str, rule: str, explanation: str) -> None:
        super().__init__(explanation)
        self.column = column
        self.rule = rule


def coherent(told: Told) -> None:
    """Raises Contradiction for a row that contradicts itself."""
    if told.status in CLOSED and told.closed_at is None:
        raise Contradiction("closed_at", "required", f"when was it {told.status}? closed_at has no value")
    if told.status not in CLOSED and told.closed_at is not None:
        explanation = f"an opportunity that is {told.status} has no closed_at; a date it is to close is"
        raise Contradiction("closed_at", "illegal_move", f"{explanation} expected_close_date")
    if told.status is Status.OFFERED and told.opened_at is not None:
        raise Contradiction("opened_at", "illegal_move", "an opportunity that is only offered has no opened_at")


def facts(known: Told | None, told: Told, now: datetime) -> Facts:
    """What is to be told, in the order it is to be folded. Nothing new: nothing. Raises Contradiction."""
    coherent(told)
    if known is not None:
        _possible(known.status, told.status)
    return [*_received(known, told, now), *_opened(known, told), *_closed(known, told, now)]


def _possible(known: Status, told: Status) -> None:
    if known is Status.RETURNED or (told is Status.OFFERED and known is not Status.OFFERED):
        explanation = f"it is {known} here, which no file can turn into {told}"
        raise Contradiction("status", "illegal_move", explanation)


def _received(known: Told | None, told: Told, now: datetime) -> Facts:
    if told.offered_at is not None:
        before = known.offered_at if known else None
        return [(Fact.RECEIVED, told.offered_at)] if told.offered_at != before else []
    return [(Fact.RECEIVED_UNDATED, now)] if known is None and told.status is Status.OFFERED else []


def _opened(known: Told | None, told: Told) -> Facts:
    if told.opened_at is None or (known is not None and known.opened_at == told.opened_at):
        return []
    return [(Fact.OPENED, told.opened_at)]


def _closed(known: Told | None, told: Told, now: datetime) -> Facts:
    before = known.closed_at if known is not None and known.status in CLOSED else None
    if told.closed_at is None:
        return [(Fact.REOPENED, now)] if known is not None and known.status in CLOSED else []
    closing = CLOSINGS[told.status]
    if known is None or before is None:
        return [(closing, told.closed_at)]
    if known.status is not told.status:
        # the other ending is taken back where it stood, and the new one may not be folded before that
        return [(Fact.REOPENED, before), (closing, max(before, told.closed_at))]
    if told.closed_at > before:
        return [(Fact.REOPENED, before), (closing, told.closed_at)]
    return [(closing, told.closed_at)] if told.closed_at < before else []
