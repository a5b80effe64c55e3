"""A model fitted, calibrated and explained. scikit-learn is slow to import, so only here and only when needed.

Everything is seeded: the same rows give the same model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.kpi.metrics.learning.dataset import Dataset, Encoder, Feature, Floats, Mask, encoder
from services.kpi.metrics.learning.judging import line

SEED = 20_260_401
CALIBRATION_FOLDS = 3
LOGISTIC, BOOSTING = "logistic_l2", "gradient_boosting"
TREES, DEPTH, LEAF, RATE = 100, 3, 20, 0.1


@dataclass(frozen=True)
class Fitted:
    """Chance = sigmoid(slope x score + intercept); `middle` is what an explanation starts from."""

    algorithm: str
    encoder: Encoder
    estimator: Any
    slope: float
    intercept: float

    def chances(self, data: Dataset) -> Floats:
        return sigmoid(self.slope * self._scores(self._matrix(data)) + self.intercept)

    def contributions(self, data: Dataset) -> Mapping[str, Floats]:
        """What each feature adds to the log-odds of each row, against a row in the middle of those learned from.

        Logistic: coefficient x (x - mean). Boosting: the score minus that with the feature unknown or not set.
        """
        matrix, found = self._matrix(data), dict[str, Floats]()
        for name in dict.fromkeys(feature for feature, _ in self.encoder.columns):
            own = [place for place, (feature, _) in enumerate(self._columns) if feature == name]
            found[name] = self.slope * self._part(matrix, own)
        return found

    @property
    def _columns(self) -> list[tuple[str, str | None]]:
        if self.algorithm == LOGISTIC:
            return self.encoder.columns
        return [column for column in self.encoder.columns if column[1] != ""]

    def _part(self, matrix: Floats, columns: Sequence[int]) -> Floats:
        if self.algorithm == LOGISTIC:
            found: Floats = matrix[:, columns] @ self.estimator.coef_[0, columns]
            return found
        without = matrix.copy()
        for place in columns:
            name, value = self._columns[place]
            without[:, place] = self.encoder.middles[name] if value is None else 0.0
        return self._scores(matrix) - self._scores(without)

    def _matrix(self, data: Dataset) -> Floats:
        return self.encoder.standardised(data) if self.algorithm == LOGISTIC else self.encoder.raw(data)

    def _scores(self, matrix: Floats) -> Floats:
        found: Floats = self.estimator.decision_function(matrix)
        return found


def fit(data: Dataset, algorithm: str, features: Sequence[Feature]) -> Fitted:
    """Calibrated by the sigmoid through scores of rows each fold did not see; isotonic needs far more of them."""
    from sklearn.model_selection import PredefinedSplit, cross_val_predict

    learned = encoder(data)
    plain = Fitted(algorithm, learned, _estimator(algorithm, learned, features), 1.0, 0.0)
    matrix, folds = plain._matrix(data), PredefinedSplit(parts_of(data, CALIBRATION_FOLDS))
    unseen = cross_val_predict(plain.estimator, matrix, data.came, cv=folds, method="decision_function")
    slope, intercept = _rising(unseen, data.came)
    return Fitted(algorithm, learned, plain.estimator.fit(matrix, data.came), slope, intercept)


def parts_of(data: Dataset, parts: int) -> NDArray[np.int_]:
    """The part of each row: those of one person or account are in one, and each part has as many it came to."""
    _, place = np.unique(data.whose.astype(str), return_inverse=True)
    had = np.bincount(place, weights=data.came) > 0
    part = np.empty(len(had), dtype=int)
    part[np.argsort(had, kind="stable")] = np.arange(len(had)) % parts
    found: NDArray[np.int_] = part[place]
    return found


def _estimator(algorithm: str, learned: Encoder, features: Sequence[Feature]) -> Any:
    if algorithm == LOGISTIC:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=0.1, max_iter=1000)  # L2 is its default
    from sklearn.ensemble import HistGradientBoostingClassifier

    directions = {feature.id: feature.direction for feature in features}
    return HistGradientBoostingClassifier(
        learning_rate=RATE,
        max_iter=TREES,
        max_depth=DEPTH,
        min_samples_leaf=LEAF,
        l2_regularization=1.0,
        monotonic_cst=[directions[name] if value is None else 0 for name, value in learned.columns if value != ""],
        early_stopping=False,
        random_state=SEED,
    )


@dataclass(frozen=True)
class Rule:
    """The rule's score as a chance: the sigmoid through it; where it says nothing, as it says on average."""

    slope: float
    intercept: float
    middle: float

    def chances(self, data: Dataset) -> Floats:
        known = np.where(np.isnan(data.rule), self.middle, data.rule)
        return sigmoid(self.slope * known + self.intercept)


def fit_rule(data: Dataset) -> Rule:
    """Where the rule never said anything it is the base rate."""
    told = ~np.isnan(data.rule)
    middle = float(data.rule[told].mean()) if told.any() else 0.0
    slope, intercept = _rising(np.where(told, data.rule, middle) - middle, data.came)
    return Rule(slope, intercept - slope * middle, middle)


def _rising(scores: Floats, came: Mask) -> tuple[float, float]:
    """The sigmoid through scores; the base rate where they do not rise with what came: nothing is turned around."""
    slope, intercept = line(scores, came) if scores.std() else (0.0, 0.0)
    base = float(came.mean())
    return (slope, intercept) if slope > 0 else (0.0, float(np.log(base / (1 - base))))


def sigmoid(scores: Floats) -> Floats:
    found: Floats = 1 / (1 + np.exp(-np.clip(scores, -35, 35)))
    return found
