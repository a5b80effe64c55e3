"""How good forecasts and chances were."""

import pytest

from services.kpi.metrics.accuracy import accuracy, auc, brier, brier_skill


def test_the_worked_example() -> None:
    found = accuracy([50, 200, 390], [0, 180, 570])
    assert (found.wape, found.bias, found.mape) == pytest.approx((0.333333, -0.146667, 0.21345), abs=1e-6)
    assert found.excluded == 1
    chances, came = [0.1, 0.2, 0.7, 0.4], [0, 0, 1, 0]
    assert (brier(chances, came), brier_skill(chances, came), auc(chances, came)) == pytest.approx((0.075, 0.6, 1.0))


def test_nothing_to_divide_by_is_no_figure() -> None:
    empty = accuracy([1.0], [0.0])
    assert (empty.wape, empty.bias, empty.mape, empty.excluded) == (None, None, None, 1)
    assert brier([], []) is None
    assert brier_skill([0.3, 0.4], [1, 1]) is None
    assert auc([0.3, 0.4], [1, 1]) is None


def test_the_same_chance_for_all_tells_them_apart_no_better_than_a_coin() -> None:
    assert auc([0.5, 0.5, 0.5], [1, 0, 0]) == 0.5
