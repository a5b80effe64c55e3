"""Those of a span whose fate is known: what is still on its way says nothing against a rate yet (metrics.md 2a, 2c)."""

from collections import defaultdict
from collections.abc import Mapping

from services.kpi.domain.stages import MILESTONES
from services.kpi.metrics.chain import ACCEPT, MQL, SQL, WON
from services.kpi.metrics.entries import counted
from services.kpi.metrics.question import Cell, View, cell_of
from services.kpi.metrics.rates import ends_between
from services.kpi.metrics.subjects import ARRIVED, DECIDED, outcomes, ripe

STEPS = {MQL: ("lead", "mql"), SQL: ("mql", "sql"), ACCEPT: ("sql", "opportunity"), WON: ("opportunity", "won")}
Known = Mapping[str, tuple[int, int]]


async def matured(view: View) -> Mapping[Cell, Known]:
    """By cell and factor k of n: n of those that entered its base in the span came to the goal or to another end, or
    entered 90 days before as_of; k came to the goal."""
    found: defaultdict[Cell, dict[str, tuple[int, int]]] = defaultdict(dict)
    for name, (base, goal) in STEPS.items():
        query, bound = outcomes(view, base, [goal], ends_between(base, goal, MILESTONES))
        query = f"""
            SELECT {view.shown}, {counted(view, ARRIVED)} AS reached, {counted(view, DECIDED)} AS known
            FROM ({query}) AS o {view.cells()}
        """
        for row in await view.rows(query, {**bound, "ripe": ripe(view)}):
            found[cell_of(row)][name] = row.reached, row.known
    return found
