"""What came of a forecast: where the deals won were at its moment, and what became of those that were due."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from services.kpi.metrics.entries import HOLDS
from services.kpi.metrics.forecast import Deal, Forecast, Won, closed
from services.kpi.metrics.question import View


@dataclass(frozen=True)
class Outcome:
    """What was won in the period in the end, by where it was at the moment, and what of the due deals slipped.

    The sources add up to the actual, and so do the slices.
    """

    actual: Decimal
    slices: Mapping[str, Decimal]
    sources: Mapping[str, Decimal]
    slipped: int
    slipped_value: Decimal
    fates: Mapping[str, Decimal]


async def outcome(view: View, then: View, found: Forecast) -> Outcome:
    """`view` is of now, `then` of the moment of the snapshot."""
    won, whole = await closed(view), found.whole
    states = await _states(view, (deal.opportunity_id for deal in whole.due))
    end = view.question.whole.end
    moved = [
        deal
        for deal in whole.due
        if (state := states.get(deal.opportunity_id)) and state[0] == "open" and (state[1] or date.max) >= end
    ]
    taken = {one.opportunity_id for one in won}
    fates = dict.fromkeys(("won", "lost", "slipped", "open"), Decimal(0))
    for deal in whole.due:
        fates[_fate(deal, taken, states, end)] += deal.value
    slices: dict[str, Decimal] = {}
    for one in won:
        if one.slice is not None:
            slices[one.slice] = slices.get(one.slice, Decimal(0)) + one.value
    return Outcome(
        sum((one.value for one in won), Decimal(0)),
        slices,
        await _sources(won, then, found),
        len(moved),
        sum((deal.value for deal in moved), Decimal(0)),
        fates,
    )


async def _sources(won: Iterable[Won], then: View, found: Forecast) -> Mapping[str, Decimal]:
    before = {one.opportunity_id for one in found.won}
    openly = {deal.opportunity_id for deal in (*found.whole.due, *found.whole.later)}
    known = await _known(then, (one.opportunity_id for one in won))
    sources = dict.fromkeys(("closed_at_snapshot", "open_at_snapshot", "reopened", "created_after"), Decimal(0))
    for one in won:
        if one.opportunity_id in before:
            sources["closed_at_snapshot"] += one.value
        elif one.opportunity_id in openly:
            sources["open_at_snapshot"] += one.value
        elif one.opportunity_id in known:
            sources["reopened"] += one.value
        else:
            sources["created_after"] += one.value
    return sources


State = tuple[str, date | None]


def _fate(deal: Deal, won: set[UUID], states: Mapping[UUID, State], end: date) -> str:
    if deal.opportunity_id in won:
        return "won"
    status, due = states.get(deal.opportunity_id, ("open", None))
    if status == "open":
        return "slipped" if (due or date.max) >= end else "open"
    return "lost" if status == "lost" else "slipped"


async def _known(view: View, ids: Iterable[UUID]) -> set[UUID]:
    """Those of them that had ever been an opportunity by as_of."""
    query = """
        SELECT DISTINCT opportunity_id FROM {schema}.opportunity_state
        WHERE opportunity_id = ANY(:ids) AND at <= :as_of AND status <> 'offered'
    """
    return {row.opportunity_id for row in await view.rows(query, {"ids": list(ids)})}


async def _states(view: View, ids: Iterable[UUID]) -> Mapping[UUID, State]:
    query = f"""
        SELECT opportunity_id, status, expected_close_date AS due FROM {{schema}}.opportunity_state p
        WHERE opportunity_id = ANY(:ids) AND {HOLDS}
    """
    rows = await view.rows(query, {"ids": list(ids)})
    return {row.opportunity_id: (row.status, row.due) for row in rows}
