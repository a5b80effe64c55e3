"""What is learned, how it is judged, and why the rule stays: on invented rows with a known signal."""

import subprocess
import sys
from collections.abc import Sequence
from random import Random
from uuid import UUID

import numpy as np
import pytest

from services.kpi.metrics.learning.dataset import Dataset, Feature, Floats, encoder
from services.kpi.metrics.learning.fitting import BOOSTING, LOGISTIC, fit, fit_rule
from services.kpi.metrics.learning.judging import contest, line, logit, quality, stability
from services.kpi.metrics.learning.risks import by_segment
from services.kpi.metrics.learning.training import DAY, Recipe, learn, reasons

FEATURES = (Feature("use", "", "", -1), Feature("noise", "", ""), Feature("segment", "", ""))


def rows(number: int, *, signal: float, each: int = 4, seed: int = 1, rule: float = 0.0) -> Dataset:
    """`each` rows of one account; less use, or the segment SMB, means leaving. The rule sees as much as `rule` says."""
    draw, names = np.random.default_rng(seed), Random(seed)
    whose = [UUID(int=names.getrandbits(128)) for _ in range(number // each + 1)]
    use, noise = draw.normal(size=number), draw.normal(size=number)
    segment = np.where(draw.random(number) < 0.5, "SMB", "ENT").astype(object)
    score = -1.5 + signal * (-1.5 * use + (segment == "SMB"))
    told = np.where(draw.random(number) < 0.1, np.nan, use)
    return Dataset(
        np.sort(draw.random(number)) * 700 * DAY,
        np.array([whose[place // each] for place in draw.permutation(number)], dtype=object),
        draw.random(number) < 1 / (1 + np.exp(-score)),
        draw.normal(size=number) - rule * use,
        {"use": told, "noise": noise},
        {"segment": segment},
    )


def recipe(*, boosted_from: int | None = None, features: Sequence[Feature] = FEATURES) -> Recipe:
    return Recipe(90, least_rows=500, least_events=60, boosted_from=boosted_from, features=features)


@pytest.mark.parametrize("boosted_from", [None, 200])
def test_a_signal_beats_a_rule_that_sees_nothing(boosted_from: int | None) -> None:
    found = learn(rows(3000, signal=1), recipe(boosted_from=boosted_from))
    assert found.wins
    assert found.model
    assert found.model.algorithm == (BOOSTING if boosted_from else LOGISTIC)
    assert found.of_model
    assert found.of_model.brier_skill
    assert found.of_model.brier_skill > 0.15
    assert found.of_model.slope == pytest.approx(1, abs=0.3)
    assert found.weights[0].feature == "use"
    assert found.weights[0].rises == -1
    assert found.weights[-1].feature == "noise"


def test_a_rule_that_sees_all_of_it_stays() -> None:
    """The model knows what the rule knows, and no more."""
    data = rows(1500, signal=1)
    known = np.nan_to_num(data.numbers["use"])
    told = Dataset(
        data.at, data.whose, data.came, -1.5 * known + (data.words["segment"] == "SMB"), data.numbers, data.words
    )
    assert learn(told, recipe()).reason == "not_better_than_rule"


def test_without_a_signal_the_rule_stays() -> None:
    for seed in range(5):
        assert learn(rows(1500, signal=0, seed=seed), recipe()).reason == "not_better_than_rule"


def test_too_few_are_counted_by_account() -> None:
    few = learn(rows(400, signal=1), recipe())
    assert (few.reason, few.floor.missing_rows, few.used) == ("too_few", 100, None)
    data = rows(600, signal=1)
    of_one = Dataset(data.at, np.full(600, data.whose[0]), data.came, data.rule, data.numbers, data.words)
    assert learn(of_one, recipe()).floor.missing_events == 59, "one account, however often it was looked at"


def test_what_came_all_at_once_cannot_be_judged() -> None:
    data = rows(1000, signal=1)
    early = Dataset(data.at, data.whose, data.came & (data.at < data.at[600]), data.rule, data.numbers, data.words)
    found = learn(early, recipe())
    assert (found.reason, found.model) == ("too_few_to_judge", None)
    assert found.rule


def test_the_future_and_the_same_account_teach_nothing() -> None:
    """Rows after the cut are learned from by the last model alone, and never by what they are judged by."""
    data = rows(2000, signal=1)
    cut = float(np.quantile(data.at, 0.7))
    found = learn(data, recipe())
    assert found.split
    assert found.split.cut == cut
    assert found.split.learned == int(np.sum(data.at + 90 * DAY <= cut))
    turned = data.came.copy()
    turned[(data.at + 90 * DAY > cut) & (data.at < cut)] ^= True
    other = learn(Dataset(data.at, data.whose, turned, data.rule, data.numbers, data.words), recipe())
    assert other.of_model == found.of_model, "their outcome was not known at the cut"


def test_the_same_rows_give_the_same_model() -> None:
    data = rows(1500, signal=1)
    for boosted_from in (None, 100):
        one, other = (learn(data, recipe(boosted_from=boosted_from)) for _ in range(2))
        assert (one.of_model, one.weights) == (other.of_model, other.weights)


def test_reasons_of_a_logistic_model_add_up_to_its_log_odds() -> None:
    data = rows(1500, signal=1)
    model = fit(data, LOGISTIC, FEATURES)
    parts = model.contributions(data)
    start = model.slope * float(model.estimator.intercept_[0]) + model.intercept
    assert np.allclose(sum(parts.values()) + start, logit(model.chances(data)), atol=1e-6)
    little, much = int(np.nanargmin(data.numbers["use"])), int(np.nanargmax(data.numbers["use"]))
    why = reasons(model, data)
    assert (why[little][0].feature, why[little][0].value) == ("use", data.numbers["use"][little])
    assert why[little][0].contribution > 0
    assert min(why[much], key=lambda reason: reason.contribution).feature == "use"
    assert all(sum(reason.contribution > 0 for reason in found) <= 3 for found in why)


def test_trees_never_turn_a_direction_around() -> None:
    data = rows(3000, signal=1)
    model = fit(data, BOOSTING, FEATURES)
    steps = np.linspace(-3, 3, 50)
    same = Dataset(
        np.zeros(50),
        np.full(50, data.whose[0]),
        np.zeros(50, dtype=bool),
        np.zeros(50),
        {"use": steps, "noise": np.zeros(50)},
        {"segment": np.full(50, "SMB", dtype=object)},
    )
    assert (np.diff(model.chances(same)) <= 1e-12).all()


def test_a_rule_that_says_the_opposite_says_no_more_than_the_base_rate() -> None:
    data = rows(1500, signal=1, rule=-3)
    chances = fit_rule(data).chances(data)
    assert chances == pytest.approx(np.full(1500, data.came.mean()))
    mute = Dataset(data.at, data.whose, data.came, np.full(1500, np.nan), data.numbers, data.words)
    assert fit_rule(mute).chances(mute) == pytest.approx(np.full(1500, data.came.mean()))


def test_quality_of_chances_that_are_right() -> None:
    draw = np.random.default_rng(3)
    chances = draw.uniform(0.02, 0.6, 20_000)
    came = draw.random(20_000) < chances
    found = quality(chances, came)
    assert found.slope == pytest.approx(1, abs=0.08)
    assert found.intercept == pytest.approx(0, abs=0.08)
    assert found.ece == pytest.approx(0, abs=0.015)
    assert found.brier_skill
    assert found.brier_skill > 0
    assert [part.rows for part in found.bins] == [2000] * 10
    assert found.lift == pytest.approx(came[np.argsort(chances)[-2000:]].mean() / came.mean(), abs=0.01)
    too_sure = quality(1 / (1 + np.exp(-2 * logit(chances))), came)
    assert too_sure.slope == pytest.approx(0.5, abs=0.05)
    assert (too_sure.ece or 0) > (found.ece or 0)


def test_quality_of_few_and_of_none() -> None:
    empty = quality(np.zeros(0), np.zeros(0, dtype=bool))
    assert (empty.auc, empty.auc_pr, empty.brier, empty.ece, empty.lift) == (None,) * 5
    none_came = quality(np.full(3, 0.2), np.zeros(3, dtype=bool))
    assert none_came.brier == pytest.approx(0.04)
    assert (none_came.brier_skill, none_came.auc_pr, none_came.slope, none_came.lift) == (None,) * 4


def test_rows_of_one_account_are_no_more_evidence_than_one() -> None:
    came, model, rule = np.array([True, False] * 50), np.array([0.7, 0.3] * 50), np.array([0.5] * 100)
    each = np.array([UUID(int=place) for place in range(100)], dtype=object)
    apart = contest(model, rule, came, each)
    assert apart.won
    draw = np.random.default_rng(1)
    better = np.repeat(draw.normal(0.02, 0.1, 20), 5)
    shifted, outcome = 0.5 + better, np.ones(100, dtype=bool)
    together = contest(shifted, rule, outcome, np.repeat(each[:20], 5))
    alone = contest(shifted, rule, outcome, each)
    assert together.difference == pytest.approx(alone.difference)
    assert _width(together.ci95) == pytest.approx(_width(alone.ci95) * 5**0.5)


def _width(interval: tuple[float, float]) -> float:
    return interval[1] - interval[0]


def test_a_line_through_logits_is_their_calibration() -> None:
    draw = np.random.default_rng(2)
    scores: Floats = draw.normal(size=50_000)
    came = draw.random(50_000) < 1 / (1 + np.exp(-(2 * scores - 1)))
    assert line(scores, came) == pytest.approx((2, -1), abs=0.05)


def test_columns_are_those_of_the_rows_learned_from() -> None:
    data = rows(500, signal=1)
    learned = encoder(data)
    assert learned.columns == [("use", None), ("noise", None), ("use", ""), ("segment", "ENT"), ("segment", "SMB")]
    new = data.only(np.arange(1))
    new.words["segment"][0], new.numbers["use"][0], new.numbers["noise"][0] = "GOV", np.nan, 1e9
    (row,) = learned.standardised(new)
    middle = (learned.middles["use"] - learned.means[0]) / learned.spreads[0]
    assert row[0] == pytest.approx(middle)
    assert row[1] < 4, "held to what was seen"
    assert (row[3:] * learned.spreads[3:] + learned.means[3:]) == pytest.approx([0, 0])


def test_drift_is_seen() -> None:
    draw = np.random.default_rng(1)
    before = draw.uniform(size=5000)
    same, moved = stability(before, draw.uniform(size=5000)), stability(before, draw.uniform(size=5000) ** 3)
    assert same is not None
    assert moved is not None
    assert same < 0.05 < 0.2 < moved
    assert stability(before, np.zeros(0)) is None


def test_rates_of_segments_are_drawn_towards_that_of_all() -> None:
    data = rows(1000, signal=1)
    small = data.words["segment"] == "SMB"
    overall = data.came.mean()
    wanted = (data.came[small].sum() + 20 * overall) / (small.sum() + 20)
    assert by_segment(data, data)[small] == pytest.approx(np.full(small.sum(), wanted))
    new = data.only(np.arange(1))
    new.words["segment"][0] = "GOV"
    assert by_segment(data, new) == pytest.approx([overall])
    assert np.isnan(by_segment(data.only(np.zeros(1000, dtype=bool)), new)).all()


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    ask = "import sys, services.kpi.app; print(sorted({'sklearn', 'scipy', 'joblib'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
