"""Where a lead's cycle is: exactly one place at any moment (the conservation every count is checked against)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from services.kpi.projections import facts as told
from services.kpi.projections.dimensions import Carried
from services.kpi.projections.facts import Fact
from services.kpi.projections.opportunities import day
from services.kpi.projections.rows import Place

NURTURING, WAITING, WORKING, HANDED = "nurturing", "mql_waiting", "mql_working", "sql_offered"
OPEN, WON, LOST = "opp_open", "opp_won", "opp_lost"
MQL_REJECTED, SQL_RETURNED, DROPPED, DISQUALIFIED = "mql_rejected", "sql_rejected", "dropped", "disqualified"
RECYCLE_WAITING = "recycle_waiting"

PLACES = (
    *(NURTURING, WAITING, WORKING, HANDED, OPEN, WON, LOST),
    *(MQL_REJECTED, SQL_RETURNED, DROPPED, DISQUALIFIED, RECYCLE_WAITING),
)
"""Every place there is, in the order they are shown."""

FORWARD = {
    told.LEAD_CREATED: NURTURING,
    told.LEAD_RECYCLED: NURTURING,
    told.MQL_CREATED: WAITING,
    told.MQL_ACCEPTED: WORKING,
    told.SQL_ACCEPTED: HANDED,
    told.SQL_RECEIVED: HANDED,
}
RANK = {NURTURING: 0, WAITING: 1, WORKING: 2, HANDED: 3, OPEN: 4, WON: 5}
DEALS = {told.OPPORTUNITY_OPENED: OPEN, told.DEAL_WON: WON, told.DEAL_LOST: LOST, told.DEAL_REOPENED: OPEN}


def fold_places(
    lead_id: UUID, cycle: int, facts: Sequence[Fact], known: Carried, reopened_as_lead: datetime | None
) -> list[Place]:
    """`facts` of the cycle and its opportunities, in order; `reopened_as_lead` is when the next cycle began."""
    walk = _Walk()
    found: list[Place] = []
    for fact in facts:
        walk.take(fact)
        if walk.place is None:
            continue
        place = Place(
            lead_id=lead_id,
            cycle=cycle,
            at=fact.occurred_at,
            until=None,
            place=walk.place,
            contacted_at=walk.contacted_at,
            revisit_on=walk.revisit_on,
            dimensions=known.at(fact.occurred_at, fact.publisher, fact.dimensions),
            latest=known.latest,
        )
        _append(found, place)
    return [part for place in found for part in _waiting(place, reopened_as_lead)]


class _Walk:
    """The cycle while its facts are read in order."""

    def __init__(self) -> None:
        self.place: str | None = None
        self.contacted_at: datetime | None = None
        self.revisit_on: date | None = None
        self._deals: dict[UUID | None, str] = {}

    def take(self, fact: Fact) -> None:
        if fact.type in FORWARD:
            self._forward(FORWARD[fact.type])
        elif fact.type in DEALS:
            self._deal(fact)
        elif fact.type == told.FIRST_CONTACT_MADE:
            self.contacted_at = self.contacted_at or fact.occurred_at
            self.place = WORKING if self.place == WAITING else self.place
        elif fact.type == told.MQL_REJECTED:
            self._end(MQL_REJECTED, fact, recyclable=False)
        elif fact.type == told.SQL_RETURNED and not {OPEN, WON} & set(self._deals.values()):
            self._end(SQL_RETURNED, fact)
        elif fact.type == told.LEAD_DROPPED:
            self._end(DROPPED if fact.data.get("recyclable", True) else DISQUALIFIED, fact)

    def _forward(self, place: str) -> None:
        """Never back: an earlier step told after a later one changes nothing, unless the way had ended."""
        if RANK[place] > RANK.get(self.place or "", -1):
            self.place, self.revisit_on = place, None

    def _deal(self, fact: Fact) -> None:
        if fact.type == told.OPPORTUNITY_OPENED and self._deals.get(fact.opportunity_id) in (WON, LOST):
            return
        if fact.type == told.DEAL_REOPENED and fact.opportunity_id not in self._deals:
            return
        self._deals[fact.opportunity_id] = DEALS[fact.type]
        places = set(self._deals.values())
        best = next(place for place in (WON, OPEN, LOST) if place in places)
        if best == LOST:
            self._end(LOST, fact)
        else:
            self.place, self.revisit_on = best, None

    def _end(self, place: str, fact: Fact, *, recyclable: bool = True) -> None:
        self.place = place
        self.revisit_on = day(fact.data, "revisit_on") if fact.data.get("recyclable", recyclable) else None


def _append(found: list[Place], place: Place) -> None:
    """A new place ends the one before; of several at one moment the last holds."""
    if found and found[-1].at == place.at:
        found.pop()
    if found and _same(found[-1], place):
        found[-1].until = None
        return
    if found:
        found[-1].until = place.at
    found.append(place)


def _same(one: Place, other: Place) -> bool:
    return (one.place, one.contacted_at, one.revisit_on) == (other.place, other.contacted_at, other.revisit_on)


def _waiting(place: Place, next_cycle: datetime | None) -> list[Place]:
    """An ended cycle with a date to come back waits for it, until its next cycle begins."""
    if place.revisit_on is None or (next_cycle is not None and next_cycle <= place.at):
        return [place]
    waiting = replace(place, place=RECYCLE_WAITING)
    if next_cycle is None or (place.until is not None and next_cycle >= place.until):
        return [waiting]
    waiting.until, place.at = next_cycle, next_cycle
    return [waiting, place]
