"""Intervals and rounding."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kpi.metrics.statistics import apportion, half_even, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "interval"),
    [
        (9, 12, (0.467695, 0.911058)),
        (2, 2, (0.34238, 1)),
        (0, 4, (0, 0.489890)),
        (10, 1500, (0.003625, 0.012228)),
    ],
)
def test_wilsons_interval(successes: int, trials: int, interval: tuple[float, float]) -> None:
    assert wilson(successes, trials) == pytest.approx(interval, abs=1e-5)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 2), (1, -1)])
def test_what_is_no_share_has_no_interval(successes: int, trials: int) -> None:
    assert wilson(successes, trials) is None


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_the_interval_holds_the_share(successes: int, trials: int) -> None:
    interval = wilson(min(successes, trials), trials)
    assert interval is not None
    low, high = interval
    assert 0 <= low <= min(successes, trials) / trials + 1e-12
    assert min(successes, trials) / trials - 1e-12 <= high <= 1


@given(st.lists(st.decimals(-1000, 1000, places=3), min_size=1, max_size=6))
def test_rounded_parts_add_up_to_the_rounded_whole(parts: list[Decimal]) -> None:
    total = half_even(sum(parts, Decimal(0)))
    found = apportion(parts, total)
    assert sum(found) == total
    assert all(abs(number - part) <= 1 for number, part in zip(found, parts, strict=True))


def test_half_goes_to_the_even_neighbour() -> None:
    assert [half_even(Decimal(text)) for text in ("0.5", "1.5", "2.5", "-0.5", "-1.5")] == [0, 2, 2, 0, -2]
