"""The chain as an equation, in every slice by every dimension: base = goal before + from outside + opening stock.

Beside that the slices of a dimension add up to the whole, so that no way is in two of them or in none.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from services.kpi.metrics.funnel import Equation, equations
from services.kpi.metrics.question import ALL, Cell, View
from shared.contracts.base import DIMENSIONS

EXAMPLES = 10


class Kept(NamedTuple):
    """How many things a check looked at, how many of them are broken, and some of those."""

    looked_at: int
    broken: int
    examples: list[str]


async def closes(view: View) -> Kept:
    """Of the chain that holds, in the span: each stage as a whole and in every slice."""
    looked_at, broken = 0, list[str]()
    for by in (None, *DIMENSIONS):
        found = await equations(view.with_question(by=by, interval=None, unit="cycle"))
        cells = [cell for cell in found if by is None or cell != ALL]
        for cell in cells:
            looked_at += len(found[cell])
            broken += [f"{_named(by, cell)}: {stage}" for stage in open_at(found[cell])]
        if by is not None:
            looked_at += len(found[ALL])
            broken += [f"{by}: {stage}" for stage in not_whole(found, cells)]
    return Kept(looked_at, len(broken), broken[:EXAMPLES])


def _named(by: str | None, cell: Cell) -> str:
    return f"{by}={cell.value}" if by else "all"


def open_at(stages: Sequence[Equation]) -> Iterator[str]:
    """The stages whose base is not made of its parts, or does not begin with the goal before."""
    goals = [None, *(stage.goal for stage in stages[:-1])]
    for goal, stage in zip(goals, stages, strict=True):
        parts = stage.parts
        made_of = parts.from_previous + parts.outside + parts.opening
        joined = goal is None or parts.from_previous == goal
        if not joined or stage.base != made_of or min(parts.from_previous, parts.outside, parts.opening) < 0:
            yield stage.cut.stage


def not_whole(found: Mapping[Cell, Sequence[Equation]], cells: Sequence[Cell]) -> Iterator[str]:
    """The stages whose slices do not add up to the whole; of those that all of them cut alike."""
    for place, whole in enumerate(found[ALL]):
        slices = [found[cell][place] for cell in cells]
        if any(one.cut != whole.cut for one in slices):
            continue
        if (sum(one.base for one in slices), sum(one.goal for one in slices)) != (whole.base, whole.goal):
            yield whole.cut.stage
