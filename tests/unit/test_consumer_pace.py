"""Batches of the consumer: never so large that applying one looks like standing still."""

from itertools import pairwise

import pytest

from shared.messaging.consumer import FIRST_BATCH, LARGEST_BATCH, STUCK_SECONDS, paced


def _sizes(seconds_per_record: float, batches: int = 12) -> list[int]:
    """The batches taken of an endless backlog."""
    sizes = [FIRST_BATCH]
    for _ in range(batches):
        sizes.append(paced(sizes[-1], sizes[-1], sizes[-1] * seconds_per_record))
    return sizes


@pytest.mark.parametrize("seconds_per_record", [0.0001, 0.001, 0.005, 0.02, 0.1])
def test_no_batch_of_a_backlog_takes_as_long_as_being_stuck(seconds_per_record: float) -> None:
    assert max(_sizes(seconds_per_record)) * seconds_per_record < STUCK_SECONDS


def test_quick_handlers_soon_take_the_largest_batches() -> None:
    sizes = _sizes(0.0001)
    assert sizes[-1] == LARGEST_BATCH
    assert all(before <= after for before, after in pairwise(sizes))


def test_a_handful_of_records_says_nothing_about_a_thousand() -> None:
    assert paced(FIRST_BATCH, 3, 0.01) == FIRST_BATCH


def test_a_slow_batch_makes_the_next_one_smaller() -> None:
    assert paced(800, 800, 6.0) == 400
    assert paced(10, 10, 60.0) == 10
