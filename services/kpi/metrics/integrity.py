"""Whether the chain holds together (metrics.md C7): the goal of each stage is the base of the next, what was handed on
is accepted, rejected or undecided, and all departments work by one plan.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import isclose
from typing import NamedTuple

from services.kpi.domain.stages import STAGES
from services.kpi.metrics.entries import HOLDS, entered
from services.kpi.metrics.funnel import funnel
from services.kpi.metrics.question import Cell, View, cell_of
from services.kpi.projections.places import HANDED, WAITING, WORKING
from services.kpi.schemas.figures import StageOut
from services.kpi.schemas.plans import StagePlanOut

UNDECIDED, UNEXPLAINED = "undecided", "unexplained"
STATES = ("accepted", "rejected", "dropped", UNDECIDED, UNEXPLAINED)

_RULES = f"""(VALUES
    ('mql', ARRAY['mql_accepted', 'sql', 'opportunity', 'won'], 'mql_rejected', ARRAY['{WAITING}', '{WORKING}']),
    ('sql', ARRAY['opportunity', 'won'], 'sql_returned', ARRAY['{HANDED}'])
) AS rule(milestone, taking, refusal, places)"""
"""Of what is handed on: the milestones that say it was taken, its refusal, and where it lies while nobody decided."""


class Joint(NamedTuple):
    """Between two stages: the goal of the first, and what the second counts as come from it."""

    before: str
    after: str
    goal: int | None
    base: int

    @property
    def difference(self) -> int:
        return (self.goal or 0) - self.base


@dataclass(frozen=True)
class Edge:
    """What was handed on through the chain in the span, and where it is. `unexplained` is in none of the states."""

    receiver: str
    milestone: str
    states: Mapping[str, int]

    @property
    def handed(self) -> int:
        return sum(self.states.values())


class Integrity(NamedTuple):
    cell: Cell
    joints: list[Joint]
    edges: list[Edge]

    @property
    def holds(self) -> bool:
        return not any(joint.difference for joint in self.joints) and not any(
            edge.states[UNEXPLAINED] for edge in self.edges
        )


async def integrity(view: View) -> list[Integrity]:
    """Of the whole first, then of every part that was asked for."""
    flow = view.with_question(mode="flow")
    out, handed = await funnel(flow), await _handed(view)
    cells: dict[Cell, list[StageOut]] = {Cell(): out.stages}
    cells |= {Cell(None, group.value): group.stages for group in out.groups}
    for place, period in enumerate(out.periods):
        cells[Cell(place)] = period.stages
        cells |= {Cell(place, group.value): group.stages for group in period.groups}
    return [Integrity(cell, _joints(stages), _edges(handed[cell])) for cell, stages in cells.items()]


def _joints(stages: list[StageOut]) -> list[Joint]:
    return [
        Joint(before.stage, after.stage, before.goal.value, after.base.parts.from_previous)
        for before, after in pairwise(stages)
    ]


def _edges(found: Mapping[tuple[str, str], int]) -> list[Edge]:
    receivers = {"mql": "inside_sales", "sql": "field_sales"}
    return [
        Edge(receiver, milestone, {state: found.get((milestone, state), 0) for state in STATES})
        for milestone, receiver in receivers.items()
    ]


async def _handed(view: View) -> Mapping[Cell, Mapping[tuple[str, str], int]]:
    """MQLs and SQLs of the span by their state at as_of. What is undecided is told by where the cycle is, which is
    worked out apart from the decisions: so something that was lost on the way is in no state."""
    query = f"""
        WITH e AS MATERIALIZED (SELECT * FROM ({entered(view)}) AS x WHERE NOT outside), after AS (
            SELECT p.lead_id, p.cycle, array_agg(DISTINCT p.milestone) AS told
            FROM (SELECT DISTINCT lead_id, cycle FROM e) AS k JOIN {{schema}}.passage p USING (lead_id, cycle)
            WHERE p.milestone = ANY(:after) AND {HOLDS} GROUP BY 1, 2
        )
        SELECT milestone, state, {view.shown}, count(*) AS ways FROM (
            SELECT e.milestone, e.period, e.slice, CASE
                WHEN a.told && rule.taking THEN 'accepted' WHEN rule.refusal = ANY(a.told) THEN 'rejected'
                WHEN 'dropped' = ANY(a.told) THEN 'dropped' WHEN s.place = ANY(rule.places) THEN '{UNDECIDED}'
                ELSE '{UNEXPLAINED}' END AS state
            FROM e JOIN {_RULES} USING (milestone) LEFT JOIN after a USING (lead_id, cycle)
            LEFT JOIN {{schema}}.place s ON s.lead_id = e.lead_id AND s.cycle = e.cycle AND s.at <= :as_of
                                        AND (s.until IS NULL OR s.until > :as_of)
        ) AS d {view.cells("milestone", "state")}
    """
    bound = {
        "milestones": ["mql", "sql"],
        "starts": view.starts,
        "after": ["mql_accepted", "mql_rejected", "sql", "sql_returned", "opportunity", "won", "dropped"],
    }
    found: defaultdict[Cell, dict[tuple[str, str], int]] = defaultdict(dict)
    for row in await view.rows(query, bound):
        found[cell_of(row)][row.milestone, row.state] = row.ways
    return found


def followed_plan(view: View, planned: list[StagePlanOut]) -> dict[str, bool]:
    """By stage, whether its target is still the one the plan set."""
    wanted = {stage.stage: (stage.base, stage.rate, stage.goal) for stage in planned}
    found = {}
    for stage in STAGES:
        target = view.decisions.target(stage, "", view.question.whole)
        held = (target.base, target.rate, target.goal) if target else (None, None, None)
        found[stage] = all(_same(*pair) for pair in zip(held, wanted.get(stage, held), strict=True))
    return found


def _same(one: float | None, other: float | None) -> bool:
    return one == other if one is None or other is None else isclose(one, other)
