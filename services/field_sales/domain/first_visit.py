"""The first visit against inside sales' note, field by field (コメント乖離)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FIELDS = ("budget", "authority", "need", "timing", "product", "size")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of the fields both sides filled: those that differ, and of these the ones the note was too hopeful about
    or too cautious about. A difference without a direction is in neither."""

    compared: tuple[str, ...]
    differing: tuple[str, ...]
    optimistic: tuple[str, ...]
    cautious: tuple[str, ...]


def compare(note: Mapping[str, str], found: Mapping[str, str], scales: Mapping[str, Sequence[str]]) -> Comparison:
    """`scales` orders the codes of a field from the least to the most promising; a field may have none."""
    compared = tuple(name for name in FIELDS if note.get(name) and found.get(name))
    differing = tuple(name for name in compared if note[name] != found[name])
    lean = {name: _lean(note[name], found[name], scales.get(name, ())) for name in differing}
    return Comparison(
        compared,
        differing,
        tuple(name for name in differing if lean[name] > 0),
        tuple(name for name in differing if lean[name] < 0),
    )


def _lean(promised: str, found: str, scale: Sequence[str]) -> int:
    if promised not in scale or found not in scale:
        return 0
    return scale.index(promised) - scale.index(found)
