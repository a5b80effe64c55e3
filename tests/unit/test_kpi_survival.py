"""Shares and medians where some have not come to an end yet."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.kpi.metrics.survival import OPEN, OTHER, REACHED, censored_median, incidence

# Days from opportunity to its end: won, lost, or still open, as in the worked example.
DEALS = [(20.0, REACHED), (27.0, REACHED), (59.0, REACHED), (17.583, OPEN), (25.0, OTHER), (25.0, REACHED)]
DEALS += [(25.0, REACHED), (47.583, OPEN)]
times = st.lists(st.tuples(st.integers(1, 30).map(float), st.sampled_from([OPEN, REACHED, OTHER])), min_size=1)


def test_another_end_competes_and_who_is_open_is_no_loss() -> None:
    found = incidence(np.array([time for time, _ in DEALS]), np.array([kind for _, kind in DEALS]))
    assert found.at(30) == pytest.approx((4 / 7, 1 / 7))
    assert found.at(60) == pytest.approx((6 / 7, 1 / 7))
    assert found.at(1) == (0.0, 0.0)
    assert found.eventual() == pytest.approx(3 / 7), "later than the 25th day fewer than five were at risk"


def test_taking_losses_for_open_ones_says_too_much() -> None:
    kinds = np.array([REACHED if kind == REACHED else OPEN for _, kind in DEALS])
    assert incidence(np.array([time for time, _ in DEALS]), kinds).at(60)[0] == pytest.approx(1.0)


def test_a_median_counts_those_who_wait() -> None:
    minutes = np.array([5, 8, 10, 15, 20, 30, 45, 50, 60, 120, 1500, 60_000.0])
    happened = np.array([True] * 11 + [False])
    assert censored_median(minutes, happened) == 30
    assert censored_median(minutes, np.array([False] * 12)) is None


@settings(deadline=None)
@given(times)
def test_the_shares_add_up_and_only_grow(cases: list[tuple[float, int]]) -> None:
    found = incidence(np.array([time for time, _ in cases]), np.array([kind for _, kind in cases]))
    assert np.allclose(found.left + found.reached + found.other, 1.0)
    assert np.all(np.diff(found.reached) >= 0)
    for day in (5.0, 15.0, 30.0):
        interval, share = found.ci95(day), found.at(day)[0]
        assert interval is None or interval[0] <= share <= interval[1]


@settings(deadline=None)
@given(times)
def test_it_is_what_counting_day_by_day_gives(cases: list[tuple[float, int]]) -> None:
    """Independent and slow: each day's share of those still there, the end of the day being censored last."""
    alive, reached, other = 1.0, 0.0, 0.0
    for day in range(1, 31):
        there = sum(time >= day for time, _ in cases)
        goals, ends = (sum((time, kind) == (day, wanted) for time, kind in cases) for wanted in (REACHED, OTHER))
        if there:
            reached, other = reached + alive * goals / there, other + alive * ends / there
            alive *= 1 - (goals + ends) / there
    found = incidence(np.array([time for time, _ in cases]), np.array([kind for _, kind in cases]))
    assert found.at(30) == pytest.approx((reached, other))


@given(cases=times)
def test_one_may_speak_of_many(cases: list[tuple[float, int]]) -> None:
    days, kinds = np.array([time for time, _ in cases]), np.array([kind for _, kind in cases])
    numbers = np.arange(1.0, len(cases) + 1)
    each = incidence(np.repeat(days, numbers.astype(int)), np.repeat(kinds, numbers.astype(int)))
    together = incidence(days, kinds, numbers)
    assert together.reached == pytest.approx(each.reached)
    assert together.at_risk == pytest.approx(each.at_risk)


def test_an_interval_is_that_of_the_plain_share_when_nobody_is_open() -> None:
    """Without anyone open the variance is p (1 - p) / n."""
    kinds = np.array([REACHED] * 40 + [OTHER] * 60)
    found = incidence(np.arange(1, 101, dtype=float), kinds)
    low, high = found.ci95(100) or (0, 0)
    assert (low, high) == pytest.approx((0.305, 0.494), abs=0.005)
