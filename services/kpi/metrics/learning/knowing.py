"""What was known at a moment, as SQL; and samples of whole people or accounts where there are too many."""

from collections.abc import Sequence

from services.kpi.metrics.question import View

MOST_ROWS = 10_000  # to learn from: more hardly change a model of some dozen features
_PARTS = 1_000_000
SAMPLED = f"abs(hashtextextended({{whose}}::text, 0) % {_PARTS}) < :share"
"""The same ones each time."""


def share_of(population: int) -> int:
    """The parameter of SAMPLED, so that about MOST_ROWS are left."""
    return _PARTS if population <= MOST_ROWS else _PARTS * MOST_ROWS // population


def facts_of(view: View, whose: str) -> str:
    """The facts `k` of one person or account, as SQL in place of a table.

    OFFSET 0: they are looked up by whose they are; the index by type and time would seem the better way to few of them.
    """
    return f"(SELECT k.* FROM {view.facts} AS k WHERE {whose} OFFSET 0)"


def known_by(moment: str, strict: bool) -> str:
    """Was the fact `f` recorded by then? History that was loaded at once was not, but may be taken as if."""
    return f"f.recorded_at <= {moment}" if strict else "true"


def last_words(names: Sequence[str]) -> str:
    """The last told of some dimensions among facts `f`."""
    return ", ".join(
        f"(array_agg(f.{name} ORDER BY f.occurred_at DESC, f.recorded_at DESC, f.sequence DESC) "
        f"FILTER (WHERE f.{name} IS NOT NULL))[1] AS {name}"
        for name in names
    )
