"""What a row of a file tells that was not known, case by case."""

from datetime import UTC, datetime

import pytest

from services.field_sales.domain.lifecycle import Status
from services.field_sales.domain.reconciliation import Contradiction, Fact, Told, facts

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def at(day: int) -> datetime:
    return datetime(2026, 4, day, tzinfo=UTC)


def offered(day: int | None = None) -> Told:
    return Told(Status.OFFERED, at(day) if day else None)


def opened(day: int | None, offered_on: int | None = None) -> Told:
    return Told(Status.OPEN, at(offered_on) if offered_on else None, at(day) if day else None)


def won(day: int, opened_on: int | None = 1) -> Told:
    return Told(Status.WON, None, at(opened_on) if opened_on else None, at(day))


def lost(day: int, opened_on: int | None = 1) -> Told:
    return Told(Status.LOST, None, at(opened_on) if opened_on else None, at(day))


@pytest.mark.parametrize(
    ("known", "told", "expected"),
    [
        # not known before
        (None, offered(), [(Fact.RECEIVED_UNDATED, NOW)]),
        (None, offered(2), [(Fact.RECEIVED, at(2))]),
        (None, opened(3), [(Fact.OPENED, at(3))]),
        (None, opened(3, 2), [(Fact.RECEIVED, at(2)), (Fact.OPENED, at(3))]),
        (None, opened(None), []),
        (None, won(5), [(Fact.OPENED, at(1)), (Fact.WON, at(5))]),
        (None, won(5, None), [(Fact.WON, at(5))]),
        (None, lost(5), [(Fact.OPENED, at(1)), (Fact.LOST, at(5))]),
        # known already
        (offered(), offered(), []),
        (offered(2), offered(2), []),
        (opened(3, 2), opened(3, 2), []),
        (won(5), won(5), []),
        (won(5), won(5, None), []),
        # later news
        (offered(), offered(2), [(Fact.RECEIVED, at(2))]),
        (offered(), opened(3), [(Fact.OPENED, at(3))]),
        (offered(), opened(None), []),
        (offered(), won(5), [(Fact.OPENED, at(1)), (Fact.WON, at(5))]),
        (opened(1), won(5), [(Fact.WON, at(5))]),
        (opened(1), lost(5), [(Fact.LOST, at(5))]),
        (won(5), opened(1), [(Fact.REOPENED, NOW)]),
        (lost(5), opened(1), [(Fact.REOPENED, NOW)]),
        # contradictions, told so that a fold by time ends where the row says
        (won(5), lost(7), [(Fact.REOPENED, at(5)), (Fact.LOST, at(7))]),
        (won(5), lost(3), [(Fact.REOPENED, at(5)), (Fact.LOST, at(5))]),
        (won(5), won(7), [(Fact.REOPENED, at(5)), (Fact.WON, at(7))]),
        (won(5), won(3), [(Fact.WON, at(3))]),
        (opened(3), opened(2), [(Fact.OPENED, at(2))]),
    ],
)
def test_a_row_tells_what_is_new(known: Told | None, told: Told, expected: list[tuple[Fact, datetime]]) -> None:
    assert facts(known, told, NOW) == expected


@pytest.mark.parametrize(
    ("known", "told", "column", "rule"),
    [
        (None, Told(Status.WON), "closed_at", "required"),
        (None, Told(Status.LOST, None, at(1)), "closed_at", "required"),
        (None, Told(Status.OPEN, None, at(1), at(2)), "closed_at", "illegal_move"),
        (None, Told(Status.OFFERED, at(1), at(2)), "opened_at", "illegal_move"),
        (opened(1), offered(), "status", "illegal_move"),
        (won(5), offered(), "status", "illegal_move"),
        (Told(Status.RETURNED), opened(1), "status", "illegal_move"),
        (Told(Status.RETURNED), offered(), "status", "illegal_move"),
    ],
)
def test_a_row_that_cannot_be_true_is_refused(known: Told | None, told: Told, column: str, rule: str) -> None:
    with pytest.raises(Contradiction) as refused:
        facts(known, told, NOW)
    assert (refused.value.column, refused.value.rule) == (column, rule)
