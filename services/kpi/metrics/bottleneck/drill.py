"""Where in the stage it is worst, why its cases ended, and what feedback says about it.

An owner is a slice of the work like a channel, told to those who plan it; nobody is ranked.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from services.kpi.metrics.bottleneck.queues import Queue, slices
from services.kpi.metrics.bottleneck.rates import Chain
from services.kpi.metrics.bottleneck.references import smallest
from services.kpi.metrics.chain import ACCEPT, SQL, WEB, WON, factors
from services.kpi.metrics.entries import entered
from services.kpi.metrics.feedback import items, parameters
from services.kpi.metrics.question import View

BY, BY_WEB, OWNER = ("segment", "channel"), ("channel", "campaign"), "owner"
ENDS: Mapping[str, tuple[str, ...]] = {SQL: ("mql_rejected", "dropped"), ACCEPT: ("sql_returned",), WON: ("lost",)}
"""By factor the ends that keep a case from going on."""
BEFORE = {"inside_sales": "marketing", "field_sales": "inside_sales", "customer_success": "field_sales"}
MOST_ITEMS = 5


class Worst(NamedTuple):
    """The value of one dimension that costs most: k and n there (of a queue n waiting), and the deals it costs."""

    by: str
    value: str
    numerator: int | None
    denominator: int
    deals: float | None


class Reason(NamedTuple):
    reason: str
    cases: int
    ended: int


class Item(NamedTuple):
    feedback_id: str
    external_id: str | None
    sender: str
    receiver: str
    kind: str
    reason: str | None
    given_at: datetime
    acted_at: datetime | None


def _dimensions(view: View, factor: str | None, people: bool) -> list[str]:
    found = BY_WEB if factor == WEB else (*BY, OWNER) if people else BY
    return [by for by in found if by not in view.question.filters]


async def worst_of_rate(view: View, chain: Chain, factor: str, *, people: bool) -> list[Worst]:
    """The dearest slice of each dimension against the stage's reference, of those with enough cases; dearest first."""
    wanted, after, least, found = chain.named(factor).reference.rate, chain.after(factor), smallest(view), []
    for by in _dimensions(view, factor, people):
        cells = await factors(view.with_question(by=by, interval=None))
        costs = [
            Worst(by, cell.value, over, under, (wanted * under - over) * after)
            for cell, each in cells.items()
            if cell.value is not None
            for over, under in [each.counts[factor]]
            if under
        ]
        if len(costs) > 1:  # the only one there is, is the whole
            enough = [one for one in costs if one.denominator >= least]
            found += sorted(enough, key=lambda one: (-(one.deals or 0), one.value))[:1]
    return sorted((one for one in found if (one.deals or 0) > 0), key=lambda one: -(one.deals or 0))


async def worst_of_queue(view: View, queue: Queue, *, people: bool) -> list[Worst]:
    """Where most of a queue waits, by each dimension."""
    found = []
    for by in _dimensions(view, None, people):
        waiting = await slices(view.with_question(by=by, interval=None), queue.name)
        if len(waiting) > 1:
            value, wip = min(waiting.items(), key=lambda pair: (-pair[1], pair[0]))
            found += [Worst(by, value, None, wip, None)] if wip >= queue.least else []
    return found


async def reasons(view: View, factor: str) -> list[Reason]:
    """Why cases of the stage ended in the span, the most frequent first; none below the smallest sample."""
    if factor not in ENDS:
        return []
    query = f"""
        SELECT coalesce(reason, '(unset)') AS reason, count(*) AS cases, (sum(count(*)) OVER ())::int AS ended
        FROM ({entered(view)}) AS e GROUP BY 1 ORDER BY 2 DESC, 1
    """
    rows = await view.rows(query, {"milestones": list(ENDS[factor]), "starts": view.starts})
    return [Reason(row.reason, row.cases, row.ended) for row in rows if row.cases >= smallest(view)][:MOST_ITEMS]


async def feedback_about(view: View, department: str, because: Sequence[str]) -> list[Item]:
    """Feedback of the span to the department, and of it to the one before; what gives one of these reasons first, then
    the newest."""
    query = f"""
        SELECT i.feedback_id, i.sender, i.receiver, i.at, i.acted_at, i.kind, i.reason, i.external_id
        FROM ({items(view)}) AS i
        WHERE i.receiver = :department OR (i.sender = :department AND i.receiver = :before)
        ORDER BY coalesce(i.reason = ANY(CAST(:because AS text[])), false) DESC, i.at DESC, i.feedback_id
        LIMIT {MOST_ITEMS}
    """
    bound = {
        **parameters(view),
        "department": department,
        "before": BEFORE.get(department),
        "because": list(because),
    }
    return [
        Item(r.feedback_id, r.external_id, r.sender, r.receiver, r.kind, r.reason, r.at, r.acted_at)
        for r in await view.rows(query, bound)
    ]
