"""A gap taken apart, and a goal taken backwards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kpi.metrics.decomposition import (
    backwards,
    decompose,
    probability_below,
    product_interval,
    shown,
    worst_first,
)

FACTORS = ("visitors", "visitor_to_lead", "uplift", "lead_to_mql", "mql_to_sql", "sql_accept", "opp_to_won")
ACTUAL = dict(zip(FACTORS, (1500, 10 / 1500, 1.4, 12 / 14, 9 / 12, 8 / 9, 5 / 8), strict=True))
PLANNED = dict(zip(FACTORS, (1600, 0.01, 1.25, 0.8, 0.8, 0.9, 0.6), strict=True))


def test_the_worked_example() -> None:
    gap = decompose(ACTUAL, PLANNED)
    assert (gap.actual, gap.planned, gap.total) == pytest.approx((5.0, 6.912, -1.912))
    wanted = (-0.381067, -2.394066, 0.669149, 0.407368, -0.381067, -0.073349, 0.241033)
    assert tuple(gap.parts.values()) == pytest.approx(wanted, abs=1e-6)
    assert worst_first(gap)[:3] == ["visitor_to_lead", "visitors", "mql_to_sql"], "of equals the one further up"


def test_a_stage_at_zero_is_the_blocker() -> None:
    gap = decompose({**ACTUAL, "mql_to_sql": 0.0}, PLANNED)
    assert (gap.blocked, dict(gap.parts)) == ("mql_to_sql", {})
    assert gap.total == pytest.approx(-6.912)


positive = st.floats(1e-6, 1e6)


@given(st.lists(st.tuples(positive, positive), min_size=1, max_size=8))
def test_the_parts_add_up_to_the_gap(factors: list[tuple[float, float]]) -> None:
    names = [str(number) for number in range(len(factors))]
    gap = decompose(
        dict(zip(names, [a for a, _ in factors], strict=True)), dict(zip(names, [b for _, b in factors], strict=True))
    )
    assert sum(gap.parts.values()) == pytest.approx(gap.total, rel=1e-9, abs=1e-9 * max(gap.actual, gap.planned))


@pytest.mark.parametrize(
    ("successes", "trials", "target", "wanted"),
    [(10, 1500, 0.01, 0.883238), (12, 14, 0.8, 0.398023), (9, 12, 0.8, 0.747324), (8, 9, 0.9, 0.736099)],
)
def test_how_sure_one_can_be(successes: int, trials: int, target: float, wanted: float) -> None:
    assert probability_below(successes, trials, target) == pytest.approx(wanted, abs=1e-6)


def test_backwards_in_reals_and_whole_only_for_show() -> None:
    rates = {"visitors": 10 / 1500, "web_leads": 1.4, "lead_cycles": 12 / 14, "mql": 0.75, "sql": 8 / 9}
    needed = backwards(1_200_000, {**rates, "opportunities": 0.625, "deals": 150_000})
    wanted = {"deals": 8, "opportunities": 12.8, "sql": 14.4, "mql": 19.2, "lead_cycles": 22.4, "web_leads": 16}
    assert needed == pytest.approx({**wanted, "visitors": 2400})
    assert [shown(needed[name]) for name in needed] == [8, 13, 15, 20, 23, 16, 2400], "rounding on the way makes it 24"


def test_the_interval_of_a_product() -> None:
    low, high = product_interval({"a": (12, 14), "b": (9, 12), "c": (8, 9), "d": (5, 8)}) or (0, 0)
    assert (low, high) == pytest.approx((0.176857, 0.72121), abs=1e-6)
    assert product_interval({"a": (0, 3)}) is None
