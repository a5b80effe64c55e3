"""What was known at a moment, as SQL; and samples of whole people or accounts where there are too many."""

from collections.abc import Sequence

MOST_ROWS = 20_000  # to learn from: more hardly change a model of some dozen features
_PARTS = 1_000_000
SAMPLED = f"abs(hashtextextended({{whose}}::text, 0) % {_PARTS}) < :share"
"""The same ones each time."""


def share_of(population: int) -> int:
    """The parameter of SAMPLED, so that about MOST_ROWS are left."""
    return _PARTS if population <= MOST_ROWS else _PARTS * MOST_ROWS // population


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
