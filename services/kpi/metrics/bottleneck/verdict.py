"""Both detectors side by side, and the one thing to do something about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from services.kpi.metrics.bottleneck import queues as flow
from services.kpi.metrics.bottleneck.drill import (
    Item,
    Reason,
    Worst,
    feedback_about,
    reasons,
    worst_of_queue,
    worst_of_rate,
)
from services.kpi.metrics.bottleneck.evidence import NO_EVIDENCE
from services.kpi.metrics.bottleneck.matured import Known, matured
from services.kpi.metrics.bottleneck.mix import Mix, mixes
from services.kpi.metrics.bottleneck.queues import AHEAD, Queue
from services.kpi.metrics.bottleneck.rates import Chain, examined
from services.kpi.metrics.bottleneck.references import (
    NO_REFERENCE,
    STARTS,
    any_decided,
    before,
    chain_of,
    now_and_before,
    references,
    smallest,
    together,
)
from services.kpi.metrics.chain import DEPARTMENTS, NOTHING, WON, Factors, factors
from services.kpi.metrics.forecasting import won_worth
from services.kpi.metrics.question import ALL, Cell, View

RATE, FLOW, BOTH = "rate", "flow", "both"
MOST_GROUPS = 100
BLOCKED = "blocked"
_OWN_STARTS = {"lead_cycles": "marketing", "mql": "marketing", "sql": "inside_sales", "opportunities": "field_sales"}


def department_of(name: str) -> str:
    """Whose factor or queue it is."""
    return flow.QUEUES.get(name) or DEPARTMENTS.get(name) or _OWN_STARTS[name]


@dataclass(frozen=True)
class Verdict:
    """`name` is a factor or a queue, None while nothing speaks; `detector` says which of them spoke of its department.

    `deals` is what it costs in deals won; None where no deal waits.
    """

    name: str | None = None
    detector: str | None = None
    evidence: str = NO_EVIDENCE
    deals: float | None = None

    @property
    def text(self) -> str:
        return f"{self.name}: {self.evidence}" if self.name else self.evidence

    @property
    def department(self) -> str | None:
        return department_of(self.name) if self.name else None


@dataclass(frozen=True)
class Drill:
    """What is known about the verdict."""

    slices: Sequence[Worst] = ()
    reasons: Sequence[Reason] = ()
    feedback: Sequence[Item] = ()


class Part(NamedTuple):
    """One slice or period, judged by its rates alone."""

    chain: Chain
    verdict: Verdict


@dataclass(frozen=True)
class Findings:
    """Everything of one answer. `average` is what a deal won is worth, None where that is not known."""

    chain: Chain
    mixes: Mapping[str, Mix]
    shifted: Sequence[str]
    queues: Sequence[Queue]
    verdict: Verdict
    average: Decimal | None
    drill: Drill
    groups: Mapping[str, Part]
    periods: Sequence[Part]

    @property
    def empty(self) -> bool:
        """Nothing of the chain was told, and nothing decided that it could be held against."""
        return all(not each.counts[0] for each in self.chain.suspects) and all(
            each.reference.source == NO_REFERENCE for each in self.chain.suspects
        )


async def findings(view: View, *, people: bool) -> Findings:
    """Of the span as a whole, and of each slice where a dimension was asked for; `people` may be told owners."""
    now, then = await now_and_before(view)
    whole = view.with_question(by=None, interval=None)
    known = await matured(view) if any_decided(view) else {}
    chain = await _chain(whole, now[ALL], then[ALL], known.get(ALL, {}))
    found_mixes = await mixes(whole, before(whole))
    shifted = [name for name, mix in found_mixes.items() if _is_shift(chain, name, mix, then[ALL])]
    queues = await flow.queues(whole)
    verdict = decided(chain, shifted, queues)
    worth = (await won_worth(whole)).get(ALL)
    return Findings(
        chain,
        found_mixes,
        shifted,
        queues,
        verdict,
        worth.mean if worth and not worth.unpriced else None,
        await _drill(whole, chain, queues, verdict, people=people),
        await _groups(view, now, then, known),
        await _periods(view, now, known),
    )


async def _chain(view: View, found: Factors, earlier: Factors, known: Known, peers: Factors | None = None) -> Chain:
    counts = chain_of(found, visits=view.question.filters.keys() <= {"channel", "campaign"})
    held = await references(view, counts, earlier, peers)
    return examined(counts, held, found.counts[WON][0], smallest(view), known)


def _is_shift(chain: Chain, name: str, mix: Mix, earlier: Factors) -> bool:
    suspect = next((each for each in chain.suspects if each.factor == name), None)
    over, under = earlier.counts[name]
    if suspect is None or suspect.few or not under or suspect.reference.source == NO_REFERENCE:
        return False
    return mix.shifted(suspect.actual, over / under, suspect.reference.rate)


async def _groups(
    view: View, now: Mapping[Cell, Factors], then: Mapping[Cell, Factors], known: Mapping[Cell, Known]
) -> dict[str, Part]:
    """The largest values of the asked dimension, each by its own rates; in the order of their names, which is no
    ranking."""
    by, found = view.question.by, {}
    if by is None:
        return {}
    cells = {cell.value: each for cell, each in now.items() if cell.period is None and cell.value is not None}
    largest = sorted(cells, key=lambda value: (-sum(under for _, under in cells[value].counts.values()), value))
    all_of_them = together(now)
    for value in sorted(largest[:MOST_GROUPS]):
        own = view.with_question(by=None, interval=None, filters={**view.question.filters, by: value})
        earlier = then.get(Cell(None, value), NOTHING)
        ripe = known.get(Cell(None, value), {})
        chain = await _chain(own, cells[value], earlier, ripe, all_of_them - cells[value])
        found[value] = Part(chain, decided(chain, (), ()))
    return found


async def _periods(view: View, now: Mapping[Cell, Factors], known: Mapping[Cell, Known]) -> list[Part]:
    """Each period by the one before; the one that runs up to the same elapsed point."""
    found = []
    for place, period in enumerate(view.periods):
        own = view.with_question(whole=period, by=None, interval=None)
        alone = place == 0 or view.is_partial(period)
        earlier = (await factors(before(own))).get(ALL, NOTHING) if alone else now.get(Cell(place - 1), NOTHING)
        chain = await _chain(own, now.get(Cell(place), NOTHING), earlier, known.get(Cell(place), {}), NOTHING)
        found.append(Part(chain, decided(chain, (), ())))
    return found


def decided(chain: Chain, shifted: Sequence[str], queues: Sequence[Queue]) -> Verdict:
    """What costs most deals of all that speaks; of equals what is further up the chain. Where a factor is zero nothing
    behind it can be judged, and that is it."""
    if blocker := chain.blocker:
        return Verdict(blocker.factor, RATE, BLOCKED, -chain.gap.total)
    spoken = [
        Verdict(name, RATE, chain.named(name).evidence, -chain.named(name).contribution)
        for name in chain.rank
        if name not in shifted and chain.named(name).evidence != NO_EVIDENCE
    ]
    spoken += [Verdict(queue.name, FLOW, queue.speaks[0], _held_up(queue, chain)) for queue in queues if queue.speaks]
    if not spoken:
        return Verdict()
    first = max(spoken, key=lambda one: round(one.deals or 0.0, 9))
    others = {one.detector for one in spoken if one.department == first.department}
    return Verdict(first.name, BOTH if len(others) > 1 else first.detector, first.evidence, first.deals)


def _held_up(queue: Queue, chain: Chain) -> float | None:
    """Deals that what has piled up would have become."""
    if queue.name not in AHEAD:
        return None
    deals = float(queue.growth)
    for name in AHEAD[queue.name]:
        deals *= chain.rates.get(name, 1.0)
    return deals


async def _drill(view: View, chain: Chain, queues: Sequence[Queue], verdict: Verdict, *, people: bool) -> Drill:
    name, department = verdict.name, verdict.department
    if name is None or department is None:
        return Drill()
    queue = next((each for each in queues if each.name == name), None)
    if queue is not None:
        return Drill(await worst_of_queue(view, queue, people=people), (), await feedback_about(view, department, []))
    because = await reasons(view, name)
    worst = [] if name in STARTS else await worst_of_rate(view, chain, name, people=people)
    return Drill(worst, because, await feedback_about(view, department, [each.reason for each in because]))
