"""The chain: for each department's stage its base with its parts, its rate and its goal.

base of a stage = goal of the stage before + what came from outside the chain + the stock at the start, in every slice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from services.kpi.domain.periods import Period
from services.kpi.domain.stages import MILESTONES, RETAINED, VISITOR, Chain, Cut
from services.kpi.metrics.customers import Kept, kept
from services.kpi.metrics.entries import NONE, Counts, Entries, entries, skipped
from services.kpi.metrics.question import ALL, UNSET, Cell, View
from services.kpi.metrics.rates import ENDS, NOT_DECIDED, NOT_FOLLOWED, Counted, ends_between, rate
from services.kpi.metrics.subjects import followed
from services.kpi.schemas.figures import (
    BaseOut,
    FunnelOut,
    GoalOut,
    GroupOut,
    Parts,
    PeriodOut,
    RateOut,
    StageOut,
    StepOut,
)

STEPS = MILESTONES[:-1]


@dataclass(frozen=True)
class _Read:
    """Everything read for one answer, by cell."""

    counts: Counts
    skips: Mapping[Cell, Mapping[str, int]]
    kept: Mapping[Cell, Kept]
    followed: Mapping[tuple[str, str], Mapping[Cell, Counted]]


@dataclass(frozen=True)
class _Chains:
    """By which chain a cell is shown: one that was asked for, or that which holds for it."""

    view: View
    asked: Chain | None = None

    def of(self, cell: Cell) -> Chain:
        return self.asked or self.view.chain(cell.value if self.view.question.by == "segment" else None)

    def cuts(self) -> set[Cut]:
        own = self.view.decisions.segments.values() if self.view.question.by == "segment" and not self.asked else ()
        return {cut for chain in (self.of(ALL), *own) for cut in chain}


async def funnel(view: View, chain: Chain | None = None) -> FunnelOut:
    """The answer of `/v1/funnel`; by a chain, or by those that hold: a segment's part by its own."""
    asked = view.question
    chains = _Chains(view, chain)
    read = await _read(view, chains)
    return FunnelOut(
        **basis(view),
        is_partial=not view.has_ended(asked.whole),
        stages=_stages(view, chains, read, ALL, asked.whole),
        steps=_steps(read, ALL),
        groups=_groups(view, chains, read, None, asked.whole),
        periods=[
            PeriodOut(
                begin=period.start,
                stop=period.end,
                is_partial=view.is_partial(period),
                stages=_stages(view, chains, read, Cell(place), period),
                steps=_steps(read, Cell(place)),
                groups=_groups(view, chains, read, place, period),
            )
            for place, period in enumerate(view.periods)
        ],
    )


def basis(view: View) -> dict[str, object]:
    """What every answer says of itself."""
    asked = view.question
    return {
        "begin": asked.whole.start,
        "stop": asked.whole.end,
        "timezone": asked.zone.key,
        "mode": asked.mode,
        "unit": asked.unit,
        "slice": asked.slice,
        "as_of": asked.as_of,
        "known_at": asked.known_at,
        "decided_at": asked.decided_at,
        "fresh_to": view.fresh.fresh_to,
        "late": view.fresh.late(asked.as_of),
        "definition_version": view.decisions.definition_version,
        "filters": dict(asked.filters),
    }


async def _read(view: View, chains: _Chains) -> _Read:
    cuts, cohort = chains.cuts(), view.question.mode == "cohort"
    pairs = {(cut.base, cut.goal) for cut in cuts if cohort and cut.base != VISITOR and cut.goal != RETAINED}
    return _Read(
        counts=await entries(view, [*STEPS, *ENDS], people=True),
        skips=await skipped(view, STEPS),
        kept=await kept(view) if any(cut.goal == RETAINED for cut in cuts) else {},
        followed={pair: await followed(view, *pair) for pair in sorted(pairs)},
    )


class Equation(NamedTuple):
    """One stage in bare counts: `base` as it is counted, beside the parts it is told to be made of."""

    cut: Cut
    base: int
    parts: Parts
    goal: int


async def equations(view: View) -> Mapping[Cell, list[Equation]]:
    """Every stage of every cell by the chain that holds for it, by entries in the span."""
    view = view.with_question(mode="flow")
    chains = _Chains(view)
    milestones = {name for cut in chains.cuts() for name in (cut.base, cut.goal)} - {RETAINED}
    counts, customers = await entries(view, milestones), await kept(view)
    return {
        cell: [
            _equation(view, cut, counts.get(cell, {}), customers.get(cell, Kept()), first=place == 0)
            for place, cut in enumerate(chains.of(cell))
        ]
        for cell in {ALL, *counts, *customers}
    }


def _equation(view: View, cut: Cut, counts: Mapping[str, Entries], customers: Kept, *, first: bool) -> Equation:
    parts, goal, _ = _Stage(view, cut, counts, customers, first=first).figures(Counted(0, 0))
    base = counts.get(cut.base, NONE).value
    if cut.goal == RETAINED:
        base = customers.won + customers.outside + customers.opening
    return Equation(cut, base, parts, goal or 0)


def _groups(view: View, chains: _Chains, read: _Read, period: int | None, span: Period) -> list[GroupOut]:
    """One for each value of the asked dimension that has anything in the whole answer; `(unset)` always."""
    by = view.question.by
    if by is None:
        return []
    cells = [*read.counts, *read.kept, *(cell for found in read.followed.values() for cell in found)]
    values = {cell.value for cell in cells if cell.value is not None} | {UNSET}
    return [
        GroupOut(
            by=by,
            value=value,
            stages=_stages(view, chains, read, Cell(period, value), span),
            steps=_steps(read, Cell(period, value)),
        )
        for value in sorted(values, key=lambda value: (value == UNSET, value))
    ]


def _steps(read: _Read, cell: Cell) -> list[StepOut]:
    counts, skips = read.counts.get(cell, {}), read.skips.get(cell, {})
    return [
        StepOut(
            milestone=name,
            passes=counts.get(name, NONE).passes,
            unique=None if name == VISITOR else counts.get(name, NONE).unique,
            skipped=skips.get(name, 0),
        )
        for name in STEPS
    ]


def _stages(view: View, chains: _Chains, read: _Read, cell: Cell, span: Period) -> list[StageOut]:
    counts = read.counts.get(cell, {})
    found: list[StageOut] = []
    for place, cut in enumerate(chains.of(cell)):
        figures = _Stage(view, cut, counts, read.kept.get(cell, Kept()), first=place == 0)
        cohorts = read.followed.get((cut.base, cut.goal), {}).get(cell, Counted(0, 0))
        found.append(figures.answer(cohorts, cell, span))
    return found


class _Stage:
    """One stage in one cell."""

    def __init__(self, view: View, cut: Cut, counts: Mapping[str, Entries], kept: Kept, *, first: bool) -> None:
        self._view, self._cut, self._counts, self._kept, self._first = view, cut, counts, kept, first

    def answer(self, cohort: Counted, cell: Cell, span: Period) -> StageOut:
        parts, goal, reason = self.figures(cohort)
        base = parts.from_previous + parts.outside + parts.opening
        segment = cell.value if self._view.question.by == "segment" else ""
        target = None
        if not self._view.question.filters and (cell.value is None or segment):
            kept = self._cut.goal == RETAINED
            target = self._view.decisions.target(self._cut.stage, segment or "", span, kept=kept)
        wanted = target.wanted if target else None
        quotient = RateOut(value=None, numerator=None, denominator=None, reason=reason)
        if goal is not None:
            quotient = rate(goal, base)
        return StageOut(
            stage=self._cut.stage,
            base=BaseOut(milestone=self._cut.base, value=base, parts=parts, target=target.base if target else None),
            goal=GoalOut(
                milestone=self._cut.goal,
                value=goal,
                target=wanted,
                gap=None if goal is None or wanted is None else goal - wanted,
            ),
            rate=quotient.model_copy(update={"target": target.rate if target else None}),
        )

    def figures(self, cohort: Counted) -> tuple[Parts, int | None, str | None]:
        """The base's parts, the goal, and why there is none."""
        cut, mode = self._cut, self._view.question.mode
        base = self._counts.get(cut.base, NONE)
        if cut.goal == RETAINED:
            parts = Parts(from_previous=base.value, outside=self._kept.outside, opening=self._kept.opening)
            return parts, self._kept.retained, None
        if mode == "closed":
            return self._closed()
        parts = Parts(from_previous=base.chained, outside=base.value - base.chained, opening=0)
        if self._first:
            parts = Parts(from_previous=0, outside=base.value, opening=0)
        if mode == "cohort":
            if cut.base == VISITOR:
                return parts, None, NOT_FOLLOWED
            return parts, cohort.successes, None
        return parts, self._counts.get(cut.goal, NONE).chained, None

    def _closed(self) -> tuple[Parts, int | None, str | None]:
        """Of what was decided in the span, whatever it entered before."""
        cut = self._cut
        ends = ends_between(cut.base, cut.goal, MILESTONES)
        reached = self._counts.get(cut.goal, NONE).chained
        decided = reached + sum(self._counts.get(name, NONE).value for name in ends)
        parts = Parts(from_previous=decided, outside=0, opening=0)
        return (parts, reached, None) if ends else (parts, None, NOT_DECIDED)
