"""Which touches a deal is credited to."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kpi.metrics.attribution import MODELS, Path, exact, weights

T = [
    datetime(2026, 3, 25, 1, tzinfo=UTC),
    datetime(2026, 3, 31, 15, 30, tzinfo=UTC),
    datetime(2026, 4, 5, 1, tzinfo=UTC),
    datetime(2026, 4, 11, 1, tzinfo=UTC),
    datetime(2026, 5, 1, 1, tzinfo=UTC),
]
PATH = Path(T, lead_at=T[1], opened_at=T[3], won_at=T[4])


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        ("first", [100_000, 0, 0, 0, 0]),
        ("last", [0, 0, 0, 0, 100_000]),
        ("linear", [20_000] * 5),
        ("u_shaped", [40_000, 40_000, 6_666.67, 6_666.67, 6_666.67]),
        ("w_shaped", [30_000, 30_000, 5_000, 30_000, 5_000]),
        ("full_path", [22_500, 22_500, 10_000, 22_500, 22_500]),
        ("time_decay", [1_988.58, 3_824.29, 5_910.04, 10_705.72, 77_571.38]),
    ],
)
def test_each_model_by_the_worked_example(model: str, wanted: list[float]) -> None:
    assert [exact(weight, Decimal(100_000)) for weight in weights(model, PATH)] == wanted


def test_one_touch_that_plays_every_role_gets_all() -> None:
    alone = Path([T[0]], lead_at=T[1], opened_at=T[3], won_at=T[4])
    assert all(weights(model, alone) == [1.0] for model in MODELS)
    assert weights("linear", Path([], None, None, T[4])) == []


def test_without_middle_touches_the_others_get_their_share() -> None:
    two = Path([T[0], T[1]], lead_at=T[1], opened_at=None, won_at=T[1])
    assert weights("u_shaped", two) == pytest.approx([0.5, 0.5])


@given(
    st.sampled_from(MODELS),
    st.lists(st.integers(0, 90), min_size=1, max_size=12),
    st.tuples(*[st.none() | st.integers(0, 90)] * 2),
)
def test_every_model_gives_away_the_whole_deal(
    model: str, days: list[int], moments: tuple[int | None, int | None]
) -> None:
    start = T[0]
    lead, opened = (None if day is None else start + timedelta(days=day) for day in moments)
    path = Path([start + timedelta(days=day) for day in sorted(days)], lead, opened, start + timedelta(days=90))
    found = weights(model, path)
    assert sum(found) == pytest.approx(1.0)
    assert min(found) >= 0
