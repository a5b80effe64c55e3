"""The open book with a chance for everyone in it, by the model, by the rule, or by what came of each segment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np

from services.kpi.metrics.learning.churn import Book
from services.kpi.metrics.learning.dataset import Dataset, Floats
from services.kpi.metrics.learning.judging import stability
from services.kpi.metrics.learning.training import Learned, Reason, reasons

MODEL, RULE, SEGMENT_RATE = "model", "rule", "segment_rate"
STRENGTH = 20  # how many rows the rate of all weighs against those of a segment


@dataclass(frozen=True)
class AtRisk:
    """`mrr` in minor units, None without a plan rate; `points` are the rule's reasons."""

    account_id: UUID
    segment: str | None
    mrr: Decimal | None
    chance: float | None
    health: float | None
    band: str | None
    reasons: Sequence[Reason]
    points: Sequence[Mapping[str, Any]]

    @property
    def value(self) -> Decimal | None:
        return None if self.mrr is None or self.chance is None else self.mrr * Decimal(str(self.chance))

    @property
    def place(self) -> tuple[bool, Decimal, str]:
        """The dearest first; whose value is not known comes last."""
        return self.value is None, -(self.value or Decimal(0)), str(self.account_id)


@dataclass(frozen=True)
class Risks:
    """`drift` of the chances against those of the rows learned from."""

    used: str
    accounts: Sequence[AtRisk]
    drift: float | None


def judged(learned: Learned, data: Dataset, book: Book) -> Risks:
    """Arithmetic that takes a moment: to be run beside the event loop."""
    now, drift, why = book.data, None, list[list[Reason]]()
    if learned.used is None:
        chances, used = by_segment(data, now), SEGMENT_RATE
    else:
        chances, used = learned.used.chances(now), MODEL if learned.wins else RULE
        drift = stability(learned.used.chances(data), chances)
    if learned.wins and learned.model is not None:
        why = reasons(learned.model, now)
    found = [
        AtRisk(
            account,
            now.words["segment"][row] or None,
            book.mrr[row],
            None if np.isnan(chances[row]) else float(chances[row]),
            None if np.isnan(now.rule[row]) else 100 - float(now.rule[row]),
            book.bands[row],
            why[row] if why else (),
            book.rule_reasons[row],
        )
        for row, account in enumerate(book.accounts)
    ]
    return Risks(used, sorted(found, key=lambda each: each.place), drift)


def by_segment(data: Dataset, now: Dataset) -> Floats:
    """(came of the segment + 20 x rate of all) ÷ (rows of the segment + 20); nan without any rows."""
    if not len(data):
        return np.full(len(now), np.nan)
    overall, segments = float(data.came.mean()), data.words["segment"]
    found = {
        segment: (float(data.came[segments == segment].sum()) + STRENGTH * overall)
        / (float(np.sum(segments == segment)) + STRENGTH)
        for segment in set(segments)
    }
    return np.array([found.get(segment, overall) for segment in now.words["segment"]], dtype=float)
