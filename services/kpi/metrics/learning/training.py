"""Whether there is enough to learn from, what was learned, and whether it beats the rule; else the rule stays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.kpi.metrics.learning.dataset import Dataset, Feature, Floats, Mask
from services.kpi.metrics.learning.fitting import BOOSTING, LOGISTIC, Fitted, Rule, fit, fit_rule
from services.kpi.metrics.learning.judging import Contest, Quality, contest, quality

DAY = 86_400.0
FOLDS = 3
LEARNED_FROM = 0.7  # of the rows, the oldest; the model is judged by the rest
LEAST_JUDGED = 10  # people or accounts it came to, and as many it did not, on both sides of the cut
LEAST_SEEN = 6  # the same within a fold, or it says the base rate
SHOWN_ROWS = 2000  # whose contributions say how much a feature weighs
TOO_FEW, NOT_JUDGED, NOT_BETTER = "too_few", "too_few_to_judge", "not_better_than_rule"


@dataclass(frozen=True)
class Recipe:
    """`horizon_days` after its moment it is known what came. `boosted_from` so many events trees are grown."""

    horizon_days: int
    least_rows: int
    least_events: int
    boosted_from: int | None
    features: Sequence[Feature]


@dataclass(frozen=True)
class Floor:
    """How many rows and events there are, and how many are missing to learn from them."""

    rows: int
    events: int
    missing_rows: int
    missing_events: int


@dataclass(frozen=True)
class Split:
    """The model was judged by rows from `cut` on. It learned from those whose outcome was known by then, and in each
    of `folds` parts never from the person or account it was asked about."""

    cut: float
    learned: int
    judged: int
    left_between: int
    folds: int


@dataclass(frozen=True)
class Weight:
    """What a feature adds to the log-odds on average, without its sign; `rises` with the feature: +1, -1, or 0 of
    words."""

    feature: str
    size: float
    rises: int


@dataclass(frozen=True)
class Learned:
    """`reason` says why the rule stays where `model` is None, or where it was judged and did not win."""

    floor: Floor
    base_rate: float | None
    reason: str | None = None
    model: Fitted | None = None
    rule: Rule | None = None
    split: Split | None = None
    of_model: Quality | None = None
    of_rule: Quality | None = None
    contest: Contest | None = None
    weights: Sequence[Weight] = ()

    @property
    def wins(self) -> bool:
        return self.model is not None and self.reason is None

    @property
    def used(self) -> Fitted | Rule | None:
        return self.model if self.wins else self.rule


def learn(data: Dataset, recipe: Recipe) -> Learned:
    """Pure arithmetic that takes seconds: to be run beside the event loop."""
    from threadpoolctl import threadpool_limits

    floor = _floor(data, recipe)
    base = float(data.came.mean()) if len(data) else None
    if floor.missing_rows or floor.missing_events:
        return Learned(floor, base, TOO_FEW)
    algorithm = BOOSTING if recipe.boosted_from and floor.events >= recipe.boosted_from else LOGISTIC
    with threadpool_limits(1):  # the other cores go on answering
        rule = fit_rule(data)
        cut = float(np.quantile(data.at, LEARNED_FROM))
        before, after = data.at + recipe.horizon_days * DAY <= cut, data.at >= cut
        split = Split(cut, int(before.sum()), int(after.sum()), int(np.sum(~before & ~after)), FOLDS)
        if min(*_each_way(data.only(before)), *_each_way(data.only(after))) < LEAST_JUDGED:
            return Learned(floor, base, NOT_JUDGED, rule=rule, split=split)
        asked, by_model, by_rule = _unseen(data, before, after, algorithm, recipe.features)
        found = contest(by_model, by_rule, asked.came, asked.whose)
        of_model, of_rule = quality(by_model, asked.came), quality(by_rule, asked.came)
        model = fit(data, algorithm, recipe.features)
        return Learned(
            floor,
            base,
            None if found.won and _ranks_better(of_model, of_rule) else NOT_BETTER,
            model,
            rule,
            split,
            of_model,
            of_rule,
            found,
            _weights(model, data),
        )


def _floor(data: Dataset, recipe: Recipe) -> Floor:
    rows, events = len(data), data.events
    return Floor(rows, events, max(0, recipe.least_rows - rows), max(0, recipe.least_events - events))


def _each_way(data: Dataset) -> tuple[int, int]:
    """People or accounts it came to, and those it did not."""
    return data.events, len(set(data.whose[~data.came]))


def _ranks_better(model: Quality, rule: Quality) -> bool:
    return (model.auc_pr or 0.0) > (rule.auc_pr or 0.0) and (model.brier_skill or 0.0) > 0


def _unseen(
    data: Dataset, before: Mask, after: Mask, algorithm: str, features: Sequence[Feature]
) -> tuple[Dataset, Floats, Floats]:
    """Each later row with its chance by a model and by a rule that saw neither its time nor whose it is."""
    fold = np.unique(data.whose.astype(str), return_inverse=True)[1] % FOLDS  # by who they are, not by what came
    by_model, by_rule = np.zeros(len(data)), np.zeros(len(data))
    for number in range(FOLDS):
        seen, asked = data.only(before & (fold != number)), after & (fold == number)
        if not asked.any():
            continue
        if min(_each_way(seen)) < LEAST_SEEN:
            by_model[asked] = by_rule[asked] = data.only(before).came.mean()
            continue
        by_model[asked] = fit(seen, algorithm, features).chances(data.only(asked))
        by_rule[asked] = fit_rule(seen).chances(data.only(asked))
    return data.only(after), by_model[after], by_rule[after]


def _weights(model: Fitted, data: Dataset) -> list[Weight]:
    rows = data.only(np.unique(np.linspace(0, len(data) - 1, min(SHOWN_ROWS, len(data))).astype(int)))
    found = []
    for name, parts in model.contributions(rows).items():
        rises = 0
        if name in rows.numbers:
            known = ~np.isnan(rows.numbers[name])
            rises = int(np.sign(np.cov(rows.numbers[name][known], parts[known])[0, 1])) if known.sum() > 1 else 0
        found.append(Weight(name, float(np.abs(parts).mean()), rises))
    return sorted(found, key=lambda weight: (-weight.size, weight.feature))


@dataclass(frozen=True)
class Reason:
    feature: str
    value: Any
    contribution: float


REASONS = 3


def reasons(model: Fitted, data: Dataset) -> list[list[Reason]]:
    """Of each row the three features that raise its chance most, and the three that lower it most; in log-odds."""
    parts = model.contributions(data)
    names = list(parts)
    matrix = np.column_stack([parts[name] for name in names]) if names else np.zeros((len(data), 0))
    found = []
    for row, added in enumerate(matrix):
        order = np.argsort(added, kind="stable")
        up = [place for place in order[::-1][:REASONS] if added[place] > 0]
        down = [place for place in order[:REASONS] if added[place] < 0]
        found.append(
            [Reason(names[place], _value(data, names[place], row), float(added[place])) for place in up + down]
        )
    return found


def _value(data: Dataset, name: str, row: int) -> Any:
    if name in data.words:
        return data.words[name][row] or None
    number = float(data.numbers[name][row])
    return None if np.isnan(number) else number
