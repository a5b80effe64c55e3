"""A plan: from a goal backwards to what each department is to reach, at the rates it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from services.kpi.domain.stages import Chain
from shared.errors import Problem

NEEDS = {"visitor": "visitors", "lead": "lead_cycles", "mql": "mql", "sql": "sql", "opportunity": "opportunities"}
NEEDS |= {"won": "deals"}
"""Each milestone and the step of a requirement that counts it."""


class PlanDoesNotClose(Problem):
    """A department's goal is not the base of the next one."""

    status, rule, title = 422, "plan_does_not_close", "The plan does not close"

    def __init__(self, stage: str) -> None:
        super().__init__(f"{stage}: its base is not the goal before it", stage=stage)


@dataclass(frozen=True, slots=True)
class StagePlan:
    stage: str
    base: float | None
    goal: float | None

    @property
    def rate(self) -> float | None:
        return self.goal / self.base if self.base and self.goal is not None else None


LATER = {
    "visitors": ("lead_to_mql", "mql_to_sql", "sql_accept", "opp_to_won"),
    "web_leads": ("lead_to_mql", "mql_to_sql", "sql_accept", "opp_to_won"),
    "lead_cycles": ("lead_to_mql", "mql_to_sql", "sql_accept", "opp_to_won"),
    "mql": ("mql_to_sql", "sql_accept", "opp_to_won"),
    "sql": ("sql_accept", "opp_to_won"),
    "opportunities": ("opp_to_won",),
    "deals": (),
}
"""What can still be moved once a step comes too late: the rates after it."""
BESIDES = ("average_won", "recycling", "expansion", "renewals")
"""What brings revenue without new leads; recycled ways begin further down the chain."""


def stage_plans(chain: Chain, needs: Mapping[str, float], opening: float, retention: float) -> list[StagePlan]:
    """What each stage of the chain begins and ends with. Customer success begins with the customers of the start and
    the deals won, and is to keep `retention` of them. Raises PlanDoesNotClose where a step has no figure."""
    found = []
    for cut in chain:
        if cut.goal == "retained":
            customers = opening + needs["deals"]
            found.append(StagePlan(cut.stage, customers, customers * retention))
            continue
        base, goal = needs.get(NEEDS.get(cut.base, "")), needs.get(NEEDS.get(cut.goal, ""))
        if base is None or goal is None:
            raise PlanDoesNotClose(cut.stage)
        found.append(StagePlan(cut.stage, base, goal))
    _closed(found)
    return found


def _closed(plans: Sequence[StagePlan]) -> None:
    for before, after in pairwise(plans[:-1]):  # customer success adds the customers there are
        if before.goal != after.base:
            raise PlanDoesNotClose(after.stage)
