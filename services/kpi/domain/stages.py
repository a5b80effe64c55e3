"""The chain: which milestone is base and which is goal of each department's stage, and that the next one joins on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from shared.errors import Problem

STAGES = ("marketing", "inside_sales", "field_sales", "customer_success")
VISITOR, WON, RETAINED = "visitor", "won", "retained"
MILESTONES = (
    *(VISITOR, "lead", "mql", "mql_accepted", "sql", "opportunity", WON, "customer", "onboarded"),
    RETAINED,
)
"""In the order of the chain. `retained` is no entry but a state: under contract at the end."""


class ChainBroken(Problem):
    """The stages do not join into one chain; names the first that does not, and whose chain it is of."""

    status, rule, title = 422, "chain_broken", "The chain does not close"

    def __init__(self, stage: str, detail: str, segment: str | None = None) -> None:
        self._told = stage, detail
        within, of = ("", "") if segment is None else (f"segments.{segment}.", f" of {segment}")
        errors = [{"field": f"{within}stages.{stage}", "rule": detail}]
        super().__init__(f"{stage}{of}: {detail}", stage=stage, errors=errors)

    def of(self, segment: str) -> "ChainBroken":
        """The same, said of the chain of a segment."""
        return ChainBroken(*self._told, segment)


@dataclass(frozen=True, slots=True)
class Cut:
    """One stage: `goal` is what comes out of `base`."""

    stage: str
    base: str
    goal: str


Chain = tuple[Cut, ...]


def _chain(first: str) -> Chain:
    return (
        Cut("marketing", VISITOR, first),
        Cut("inside_sales", first, "opportunity"),
        Cut("field_sales", "opportunity", WON),
        Cut("customer_success", WON, RETAINED),
    )


READY_MADE: Mapping[str, Chain] = {"mql": _chain("mql"), "lead": _chain("lead")}
"""visitors → MQL → opportunities → won → retained, and the same with leads in place of MQL."""


def closed(cuts: Sequence[Cut]) -> Chain:
    """The chain of these cuts. Raises ChainBroken."""
    names = [cut.stage for cut in cuts]
    for place, stage in enumerate(STAGES):
        if place >= len(names) or names[place] != stage:
            raise ChainBroken(stage, f"one stage each, in the order {', '.join(STAGES)}")
    if len(names) > len(STAGES):
        raise ChainBroken(names[len(STAGES)], "there is no such stage")
    for cut in cuts:
        for name in (cut.base, cut.goal):
            if name not in MILESTONES:
                raise ChainBroken(cut.stage, f"{name} is no milestone; one of {', '.join(MILESTONES)}")
        if cut.base == RETAINED or MILESTONES.index(cut.base) >= MILESTONES.index(cut.goal):
            raise ChainBroken(cut.stage, f"its goal {cut.goal} does not come after its base {cut.base}")
        if cut.goal == RETAINED and cut.base != WON:
            raise ChainBroken(cut.stage, f"what is retained was won before, so the base is {WON}")
    for before, after in pairwise(cuts):
        if before.goal != after.base:
            raise ChainBroken(after.stage, f"its base {after.base} is not the goal of {before.stage}, {before.goal}")
    return tuple(cuts)
