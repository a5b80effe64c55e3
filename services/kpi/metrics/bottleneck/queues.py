"""The flow detector: work that waits for a department, week by week, and whether more comes than can be taken.

A queue holds the chain back where it grew in at least three of the last four weeks, or where more than nine tenths of
the slots told are taken, however good the rate is. Leads in nurturing are no queue: they wait for themselves.
Ways are counted whatever the unit; weeks are the last four of seven days before the end of the span, or as_of.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from services.kpi.domain.periods import MONTH_DAYS
from services.kpi.metrics.bottleneck.references import smallest
from services.kpi.metrics.chain import ACCEPT, SQL, WON
from services.kpi.metrics.coming import capacity
from services.kpi.metrics.effort import of_reps
from services.kpi.metrics.entries import HOLDS
from services.kpi.metrics.question import View
from services.kpi.projections import opportunities
from services.kpi.projections.facts import CAPACITY_CHANGED
from services.kpi.projections.places import HANDED, OPEN, WAITING, WORKING

ONBOARDING = "onboarding"
QUEUES: Mapping[str, str] = {
    WAITING: "inside_sales",
    WORKING: "inside_sales",
    HANDED: "field_sales",
    OPEN: "field_sales",
    ONBOARDING: "customer_success",
}
"""In the order of the chain, and whose work it is."""
AHEAD: Mapping[str, Sequence[str]] = {
    WAITING: (SQL, ACCEPT, WON),
    WORKING: (SQL, ACCEPT, WON),
    HANDED: (ACCEPT, WON),
    OPEN: (WON,),
}
"""The factors that still lie before those who wait. Customers being onboarded are won already: no deal waits there."""
SLOTTED = frozenset({HANDED, OPEN})
WEEKS, WEEK = 4, timedelta(days=7)
GREW, FULL = 3, 0.9
GROWING, OVERLOADED = "growing", "overloaded"
SLOTS, VALVE, SETTING = "slots", "valve", "setting"


class Week(NamedTuple):
    """Half-open; `wip` is what waited at its end, `before` at its start."""

    starts: datetime
    ends: datetime
    arrivals: int
    departures: int
    before: int
    wip: int


class Load(NamedTuple):
    """Arrivals by slots, and where the slots are known from; None where nobody told them."""

    utilisation: float
    source: str


@dataclass(frozen=True)
class Queue:
    name: str
    weeks: Sequence[Week]
    age_p90_days: float | None
    load: Load | None
    least: int

    @property
    def department(self) -> str:
        return QUEUES[self.name]

    @property
    def wip(self) -> int:
        return self.weeks[-1].wip

    @property
    def grew_weeks(self) -> int:
        return sum(week.wip > week.before for week in self.weeks)

    @property
    def growth(self) -> int:
        """What has piled up over the weeks; 0 where it became less."""
        return max(0, self.wip - self.weeks[0].before)

    @property
    def little_days(self) -> float | None:
        """How long one waits: WIP by departures a day (Little); None where nothing left."""
        left = sum(week.departures for week in self.weeks)
        return self.wip / (left / (WEEKS * WEEK.days)) if left else None

    @property
    def speaks(self) -> list[str]:
        """Why it holds the chain back; of fewer than the smallest sample nothing is said."""
        arrived = sum(week.arrivals for week in self.weeks)
        found = [GROWING] if self.grew_weeks >= GREW and self.wip >= self.least else []
        full = self.load is not None and self.load.utilisation > FULL and arrived >= self.least
        return [*found, OVERLOADED] if full else found


def _bound(view: View) -> dict[str, Any]:
    """The weeks that are looked at, and the queues, as parameters."""
    last = min(view.end, view.question.as_of)
    starts = [last - WEEK * number for number in range(WEEKS, 0, -1)]
    return {
        "weeks": list(range(WEEKS)),
        "week_starts": starts,
        "week_ends": [start + WEEK for start in starts],
        "first": starts[0],
        "last": last,
        "places": [WAITING, WORKING],
        "states": [opportunities.OFFERED, opportunities.OPEN],
    }


_WEEKS = """weeks AS (
    SELECT * FROM unnest(CAST(:weeks AS int[]), CAST(:week_starts AS timestamptz[]), CAST(:week_ends AS timestamptz[]))
                  AS w(week, starts, ends)
)"""


async def queues(view: View) -> list[Queue]:
    """Every queue as a whole, in the order of the chain."""
    inside = "s.came < w.{0} AND (s.left_at IS NULL OR s.left_at >= w.{0})"
    query = f"""
        WITH {_WEEKS}, {_spells(view)}
        SELECT s.queue, w.week, count(*) FILTER (WHERE s.came >= w.starts AND s.came < w.ends) AS arrivals,
               count(*) FILTER (WHERE s.left_at >= w.starts AND s.left_at < w.ends) AS departures,
               count(*) FILTER (WHERE {inside.format("starts")}) AS before,
               count(*) FILTER (WHERE {inside.format("ends")}) AS wip,
               percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM w.ends - s.came)::float8 / 86400)
                   FILTER (WHERE s.left_at IS NULL) AS age
        FROM spells s CROSS JOIN weeks w GROUP BY s.queue, w.week
    """
    bound = _bound(view)
    rows = {(row.queue, row.week): row for row in await view.rows(query, bound)}
    slots, told, found = await _slots(view, bound), await _valve(view), []
    for name in QUEUES:
        weeks = []
        for number, (starts, ends) in enumerate(zip(bound["week_starts"], bound["week_ends"], strict=True)):
            row = rows.get((name, number))
            counts = (row.arrivals, row.departures, row.before, row.wip) if row else (0, 0, 0, 0)
            weeks.append(Week(starts, ends, *counts))
        last = rows.get((name, WEEKS - 1))
        load = _onboarding(view, weeks) if name == ONBOARDING else _load(name, weeks, slots, told)
        found.append(Queue(name, weeks, last.age if last else None, load, smallest(view)))
    return found


async def slices(view: View, name: str) -> Mapping[str, int]:
    """What waits in one queue at the end, by the asked dimension."""
    query = f"""
        WITH {_spells(view)} SELECT slice, count(*) AS wip FROM spells
        WHERE queue = :queue AND left_at IS NULL GROUP BY slice
    """
    return {row.slice: row.wip for row in await view.rows(query, {**_bound(view), "queue": name})}


def _load(name: str, weeks: Sequence[Week], slots: int | None, told: float | None) -> Load | None:
    if name not in SLOTTED:
        return None
    if slots:
        return Load(sum(week.arrivals for week in weeks) / slots, SLOTS)
    return Load(told, VALVE) if name == OPEN and told is not None else None


def _onboarding(view: View, weeks: Sequence[Week]) -> Load | None:
    """Customers taken over by those there was room for; the room is the company's as a whole."""
    monthly = None if view.question.filters else capacity(view)
    room = None if monthly is None else monthly * WEEKS * WEEK.days / MONTH_DAYS
    return Load(sum(week.arrivals for week in weeks) / room, SETTING) if room else None


async def _slots(view: View, bound: Mapping[str, Any]) -> int | None:
    """Slots of all reps over the weeks, as in force at the end of each. They belong to reps, regions and teams: of a
    segment or a channel there are none."""
    asked = of_reps(view)
    if asked is None:
        return None
    query = f"""
        WITH {_WEEKS}
        SELECT sum(c.slots)::int AS slots FROM weeks w CROSS JOIN LATERAL (
            SELECT DISTINCT ON (f.data ->> 'rep_id') f.data ->> 'rep_id' AS rep, f.data ->> 'region' AS region,
                   (f.data ->> 'slots_per_week')::int AS slots
            FROM {view.facts} AS f
            WHERE f.type = '{CAPACITY_CHANGED}' AND f.occurred_at < w.ends
            ORDER BY f.data ->> 'rep_id', f.occurred_at DESC, f.recorded_at DESC, f.sequence DESC
        ) AS c WHERE true {asked}
    """
    found: int | None = (await view.rows(query, bound))[0].slots
    return found


async def _valve(view: View) -> float | None:
    """Open work of field sales by its slots, as inside sales' valve last told; of the company as a whole only."""
    if view.question.filters:
        return None
    query = f"""
        SELECT (f.data ->> 'utilisation')::float8 AS utilisation FROM {view.facts} AS f
        WHERE f.type = 'inside_sales.valve_moved.v1' AND f.occurred_at < :last
        ORDER BY f.occurred_at DESC, f.recorded_at DESC, f.sequence DESC LIMIT 1
    """
    rows = await view.rows(query, _bound(view))
    return rows[0].utilisation if rows else None


def _spells(view: View) -> str:
    """Every stay in a queue that touches the weeks: from when, until when; as SQL."""
    return f"""spells AS MATERIALIZED (
        SELECT p.place AS queue, p.at AS came, p.left_at, {view.slice} AS slice
        FROM ({_stays("place", "place", "lead_id, cycle", "places")}) AS p
        WHERE p.place = ANY(:places) AND (p.left_at IS NULL OR p.left_at >= :first) {view.filters}
        UNION ALL
        SELECT CASE p.status WHEN '{opportunities.OFFERED}' THEN '{HANDED}' ELSE '{OPEN}' END,
               p.at, p.left_at, {view.slice}
        FROM ({_stays("opportunity_state", "status", "opportunity_id", "states")}) AS p
        WHERE p.status = ANY(:states) AND (p.left_at IS NULL OR p.left_at >= :first) {view.filters}
        UNION ALL
        SELECT '{ONBOARDING}', p.at, p.left_at, {view.slice} FROM ({_customers()}) AS p
        WHERE (p.left_at IS NULL OR p.left_at >= greatest(p.at, :first)) {view.filters}
    )"""


def _stays(table: str, column: str, key: str, values: str) -> str:
    """A row at the beginning of every stay, with when it was left. The tables have a row for every change, so that
    several in a row may be of one stay. Looked up one by one: few of all there ever were wait."""
    same = " AND ".join(f"x.{name} = k.{name}" for name in key.split(", "))
    return f"""
        SELECT s.* FROM (
            SELECT DISTINCT {key} FROM {{schema}}.{table} y
            WHERE y.{column} = ANY(:{values}) AND y.at < :last AND coalesce(y.until, 'infinity') >= :first
        ) AS k CROSS JOIN LATERAL (
            SELECT r.*, lead(r.at) OVER (ORDER BY r.at) AS left_at FROM (
                SELECT x.*, x.{column} IS DISTINCT FROM lag(x.{column}) OVER (ORDER BY x.at) AS fresh
                FROM {{schema}}.{table} x WHERE x.at < :last AND {same}
            ) AS r WHERE r.fresh
        ) AS s
    """


def _customers() -> str:
    """Customers taken over, until they are onboarded or gone; who was onboarded before waits for nothing."""
    company = "coalesce({0}.account_id, {0}.lead_id, {0}.opportunity_id)"
    return f"""
        SELECT p.*, least(o.at, g.at) AS left_at FROM {{schema}}.passage p
        LEFT JOIN (
            SELECT {company.format("o")} AS company, min(o.at) AS at FROM {{schema}}.passage o
            WHERE o.milestone = 'onboarded' AND o.at < :last AND {HOLDS.replace("p.", "o.")} GROUP BY 1
        ) AS o ON o.company = {company.format("p")}
        LEFT JOIN LATERAL (
            SELECT min(c.until) AS at FROM {{schema}}.customer_span c
            WHERE c.account_id = p.account_id AND c.until >= p.at AND c.until < :last
        ) AS g ON true
        WHERE p.milestone = 'customer' AND p.at < :last AND {HOLDS}
    """
