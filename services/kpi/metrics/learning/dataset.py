"""Rows to learn from: what was known of each at its moment, and what came of it; and how they become a matrix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOST_VALUES = 8  # of a word that get a column of their own
OUTERMOST = (0.01, 0.99)
LEAST_SHARE = 0.02  # of the rows a value must have for that


@dataclass(frozen=True)
class Feature:
    """`direction` +1: more of it can only raise the chance, -1: only lower it, 0: either. Words have no direction."""

    id: str
    ja: str
    en: str
    direction: int = 0


@dataclass(frozen=True)
class Dataset:
    """`at` in seconds; `whose` is equal for rows of one person or account; `rule` is the rule's score, nan where it
    said nothing, high meaning likely. Unknown numbers are nan, unknown words are empty."""

    at: Floats
    whose: NDArray[np.object_]
    came: Mask
    rule: Floats
    numbers: Mapping[str, Floats]
    words: Mapping[str, NDArray[np.object_]]

    def __len__(self) -> int:
        return len(self.at)

    def only(self, rows: Any) -> "Dataset":
        """Those of a mask or of indices."""
        return Dataset(
            self.at[rows],
            self.whose[rows],
            self.came[rows],
            self.rule[rows],
            {name: column[rows] for name, column in self.numbers.items()},
            {name: column[rows] for name, column in self.words.items()},
        )

    @property
    def events(self) -> int:
        """How many people or accounts it came to: rows of one account are one churn."""
        return len(set(self.whose[self.came]))


def of_rows(rows: Sequence[Any], numbers: Sequence[str], words: Sequence[str]) -> Dataset:
    """Rows with at, whose, came, rule and a column for each feature."""

    def column(name: str) -> Floats:
        return np.array([getattr(row, name) for row in rows], dtype=float)

    return Dataset(
        column("at"),
        np.array([row.whose for row in rows], dtype=object),
        np.array([row.came for row in rows], dtype=bool),
        column("rule"),
        {name: column(name) for name in numbers},
        {name: np.array([getattr(row, name) or "" for row in rows], dtype=object) for name in words},
    )


def with_numbers(data: Dataset, **columns: Floats) -> Dataset:
    return replace(data, numbers={**data.numbers, **columns})


@dataclass(frozen=True)
class Encoder:
    """Columns as learned from the rows a model was fitted on, never from those it is judged by.

    Of numbers the middle, mean and spread, and the `limits` to which later ones are held: nothing is told of what lies
    far beyond everything seen. Of words the values that are frequent enough, each a column of 0 and 1.
    `unknown` are the numbers missing often enough for a column that says so.
    """

    middles: Mapping[str, float]
    limits: Mapping[str, tuple[float, float]]
    unknown: Sequence[str]
    values: Sequence[tuple[str, str]]
    means: Floats
    spreads: Floats

    @property
    def columns(self) -> list[tuple[str, str | None]]:
        """The feature of each column, with the value it stands for."""
        return [*((name, None) for name in self.middles), *((name, "") for name in self.unknown), *self.values]

    def standardised(self, data: Dataset) -> Floats:
        return (self._filled(data) - self.means) / self.spreads

    def raw(self, data: Dataset) -> Floats:
        """Numbers as they are, nan where unknown, and words as 0 and 1."""
        return np.column_stack([*(data.numbers[name] for name in self.middles), *self._marks(data)])

    def _filled(self, data: Dataset) -> Floats:
        known = [
            np.clip(np.where(np.isnan(data.numbers[name]), middle, data.numbers[name]), *self.limits[name])
            for name, middle in self.middles.items()
        ]
        missing = [np.isnan(data.numbers[name]).astype(float) for name in self.unknown]
        return np.column_stack([*known, *missing, *self._marks(data)])

    def _marks(self, data: Dataset) -> list[Floats]:
        return [(data.words[name] == value).astype(float) for name, value in self.values]


def encoder(data: Dataset) -> Encoder:
    middles, limits, unknown, values = {}, {}, [], list[tuple[str, str]]()
    for name, column in data.numbers.items():
        missing = np.isnan(column)
        if missing.all():
            continue
        middles[name] = float(np.median(column[~missing]))
        low, high = np.quantile(column[~missing], OUTERMOST)
        limits[name] = (float(low), float(high))
        if LEAST_SHARE <= missing.mean() <= 1 - LEAST_SHARE:
            unknown.append(name)
    for name, words in data.words.items():
        found, counts = np.unique(words.astype(str), return_counts=True)
        frequent = [
            (-int(n), str(value)) for value, n in zip(found, counts, strict=True) if n >= LEAST_SHARE * len(data)
        ]
        values += [(name, value) for _, value in sorted(frequent)[:MOST_VALUES] if value]
    plain = Encoder(middles, limits, unknown, values, np.zeros(1), np.ones(1))
    if not plain.columns:
        return plain
    matrix = plain._filled(data)
    spreads = matrix.std(axis=0)
    return replace(plain, means=matrix.mean(axis=0), spreads=np.where(spreads > 0, spreads, 1.0))
