"""How good chances were on rows their model never saw: what the model card shows, of model and rule alike."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from services.kpi.metrics.accuracy import Scored, auc_of, brier_of, top_of
from services.kpi.metrics.learning.dataset import Floats, Mask
from services.kpi.metrics.statistics import Z95

BINS = 10
TENTH = 10
EDGE = 1e-6  # chances are kept this far from 0 and 1, so that they have a logarithm


@dataclass(frozen=True)
class Bin:
    """Rows of about the same chance: what was said on average, and what share it came to."""

    rows: int
    said: float
    came: float


@dataclass(frozen=True)
class Quality:
    """`auc_pr` average precision; `brier_skill` against saying the base rate each time; `ece` over ten bins of equal
    size; `slope` 1 and `intercept` 0 are perfect calibration; `lift` of the top tenth. None where there is no base."""

    rows: int
    events: int
    base_rate: float
    auc: float | None
    auc_pr: float | None
    brier: float | None
    brier_skill: float | None
    ece: float | None
    slope: float | None
    intercept: float | None
    lift: float | None
    bins: tuple[Bin, ...]


def quality(chances: Floats, came: Mask) -> Quality:
    rows, events = len(came), int(came.sum())
    counted = [Scored(float(chance), 1, int(one)) for chance, one in zip(chances, came, strict=True)]
    base = events / rows if rows else 0.0
    brier, known = brier_of(counted), base * (1 - base)
    top, bins = top_of(counted, TENTH), _bins(chances, came)
    both = 0 < events < rows
    slope, intercept = line(logit(chances), came) if both else (None, None)
    return Quality(
        rows=rows,
        events=events,
        base_rate=base,
        auc=auc_of(counted),
        auc_pr=average_precision(chances, came) if both else None,
        brier=brier,
        brier_skill=1 - brier / known if brier is not None and known else None,
        ece=sum(part.rows * abs(part.said - part.came) for part in bins) / rows if rows else None,
        slope=slope,
        intercept=intercept,
        lift=top.successes / top.trials / base if events else None,
        bins=bins,
    )


def _bins(chances: Floats, came: Mask) -> tuple[Bin, ...]:
    parts = np.array_split(np.argsort(chances, kind="stable"), BINS)
    return tuple(Bin(len(part), float(chances[part].mean()), float(came[part].mean())) for part in parts if len(part))


def average_precision(chances: Floats, came: Mask) -> float:
    from sklearn.metrics import average_precision_score  # seconds, and only a model needs it

    return float(average_precision_score(came, chances))


def logit(chances: Floats) -> Floats:
    kept = np.clip(chances, EDGE, 1 - EDGE)
    found: Floats = np.log(kept / (1 - kept))
    return found


def line(scores: Floats, came: Mask) -> tuple[float, float]:
    """Slope and intercept of the logistic curve through `scores`: Platt's sigmoid; of logits, the calibration."""
    from sklearn.linear_model import LogisticRegression  # seconds, and only a model needs it

    spread = float(scores.std()) or 1.0
    fitted = LogisticRegression(C=1e4, max_iter=1000).fit((scores / spread).reshape(-1, 1), came)
    return float(fitted.coef_[0, 0]) / spread, float(fitted.intercept_[0])


@dataclass(frozen=True)
class Contest:
    """How much less the model is wrong than the rule: the mean of the rule's squared error minus the model's, with
    its 95 % interval over people or accounts, since the rows of one are no independent cases."""

    difference: float
    ci95: tuple[float, float]

    @property
    def won(self) -> bool:
        return self.ci95[0] > 0


def contest(model: Floats, rule: Floats, came: Mask, whose: NDArray[np.object_]) -> Contest:
    better = (rule - came) ** 2 - (model - came) ** 2
    mean = float(better.mean())
    _, place = np.unique(whose.astype(str), return_inverse=True)
    summed = np.bincount(place, weights=better - mean)
    width = Z95 * sqrt(float(np.sum(summed**2))) / len(better)
    return Contest(mean, (mean - width, mean + width))


def stability(before: Floats, after: Floats) -> float | None:
    """Population stability index of chances in ten bins of `before`; above 0.2 they have drifted."""
    if len(before) < BINS or not len(after):
        return None
    edges = np.unique(np.quantile(before, np.linspace(0, 1, BINS + 1)[1:-1]))
    shares = [
        np.maximum(np.bincount(np.searchsorted(edges, found), minlength=len(edges) + 1) / len(found), 1e-4)
        for found in (before, after)
    ]
    return float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))
