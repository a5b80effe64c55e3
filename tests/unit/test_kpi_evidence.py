"""How sure one can be of a rate, of several at once, and whether only the mix changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kpi.metrics.bottleneck.evidence import (
    CONFIRMED,
    NO_EVIDENCE,
    SUSPECTED,
    below,
    judged,
    more_cases,
    probability_lower,
)
from services.kpi.metrics.bottleneck.mix import Pair, mixed


def levels(**probabilities: float) -> dict[str, str]:
    return {name: found.level for name, found in judged(probabilities).items()}


def test_one_alone_is_confirmed_from_090_and_suspected_from_070() -> None:
    for chance, level in ((0.9, CONFIRMED), (0.899, SUSPECTED), (0.7, SUSPECTED), (0.699, NO_EVIDENCE)):
        assert levels(a=chance) == {"a": level}
    assert judged({}) == {}


def test_of_several_the_surest_needs_more() -> None:
    """Benjamini and Hochberg at 10 %: of five the surest needs 0.98, the next 0.96, and so on."""
    assert levels(a=0.93, b=0.5, c=0.5, d=0.5, e=0.5)["a"] == SUSPECTED
    assert levels(a=0.98, b=0.5, c=0.5, d=0.5, e=0.5)["a"] == CONFIRMED
    together = levels(a=0.97, b=0.96, c=0.5, d=0.5, e=0.5)
    assert (together["a"], together["b"]) == (CONFIRMED, CONFIRMED), "the next one carries the surest"


def test_how_many_more_cases_would_decide() -> None:
    chance = below(0.01)
    more = more_cases((10, 1500), chance, 0.9)
    assert more is not None
    cases = 1500 + more
    assert chance((cases / 150, cases)) >= 0.9 > chance(((cases - 1) / 150, cases - 1))
    assert more_cases((9, 10), below(0.5), 0.9) is None, "it lies above"
    assert more_cases((0, 100), below(0.5), 0.9) == 0


def test_a_reference_that_is_counted_is_no_more_certain() -> None:
    assert probability_lower((5, 10), (5, 10)) == pytest.approx(0.5, abs=1e-3)
    few, many = probability_lower((5, 10), (7, 10)), probability_lower((5, 10), (7000, 10_000))
    assert few < many == pytest.approx(below(0.7)((5, 10)), abs=2e-3)


pairs = st.tuples(st.integers(0, 50), st.integers(1, 50)).map(lambda pair: (min(pair), pair[1]))


@given(st.lists(st.builds(Pair, pairs, pairs), min_size=1, max_size=6))
def test_the_change_is_that_within_the_slices_and_that_of_their_mix(found: list[Pair]) -> None:
    mix = mixed(found)
    assert mix is not None
    assert mix.within + mix.mix == pytest.approx(mix.pooled)
    weights = [sum(pair.now[1] for pair in found), sum(pair.before[1] for pair in found)]
    moved = sum(p.before[0] / p.before[1] * (p.now[1] / weights[0] - p.before[1] / weights[1]) for p in found)
    assert mix.mix == pytest.approx(moved, abs=1e-12)


def test_where_there_was_nothing_before_nothing_is_said_of_the_mix() -> None:
    assert mixed([]) is None
    assert mixed([Pair((1, 2), (0, 0))]) is None
    assert mixed([Pair((1, 2), (0, 0)), Pair((0, 0), (1, 2))]) is None
