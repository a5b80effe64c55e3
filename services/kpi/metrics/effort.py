"""What goes in: opportunities supplied for the slots field sales has, touches, people (metrics.md 1b and A9).

Slots and people are told of the company, a rep or a region, not of every slice: where a slice has no share of them,
there is what came out and no quotient. Activity is never a goal alone.
"""

from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from services.kpi.domain.decisions import HEADCOUNT
from services.kpi.domain.periods import Period
from services.kpi.metrics.entries import NONE, entries
from services.kpi.metrics.exchange import money
from services.kpi.metrics.figures import Figures, Metric, no_value, unpriced, zero
from services.kpi.metrics.question import ALL, TEAM, UNSET, WINDOWS, Cell, View, cell_of, team_of
from services.kpi.metrics.rates import NO_BASE
from services.kpi.metrics.records import Source, entries_of
from services.kpi.metrics.recurring import NO_COURSE, accounts, courses
from services.kpi.metrics.telling import told
from services.kpi.metrics.worth import MONTH_DAYS, SETTING_MISSING
from services.kpi.projections.facts import CAPACITY_CHANGED
from services.kpi.schemas.figures import Figure

TOUCH = "marketing.touch_recorded.v1"
STARVING, FLOODING = 0.8, 1.2
WEEK = 604_800
NO_CAPACITY, NOT_SLICED = "no_capacity", "not_sliced"
SLOTS_OF = {"owner": "rep", "region": "region", TEAM: team_of("rep")}
"""The dimensions slots are told of, of a row with `rep` and `region`."""
SELLING = ("marketing", "inside_sales", "field_sales")


class Slots(NamedTuple):
    """How many new opportunities field sales can take in a span, and of how many reps that is known."""

    slots: float
    reps: int


def of_reps(view: View) -> str | None:
    """The filters, on a row with `rep` and `region`, as SQL conditions; None where one says nothing of reps."""
    filters = view.question.filters
    if filters.keys() - SLOTS_OF.keys():
        return None
    return " ".join(
        f"AND {SLOTS_OF[name]} " + ("IS NULL" if value == UNSET else f"= :filter_{name}")
        for name, value in filters.items()
    )


async def slots(view: View) -> Mapping[Cell, Slots]:
    """Each rep's slots a week as last told, for as long as that held. By another dimension only all of them; none
    where a filter says nothing of reps."""
    conditions, by = of_reps(view), view.question.by
    if conditions is None:
        return {}
    by = by if by in SLOTS_OF else None
    view = view.with_question(by=by)
    query = f"""
        WITH {WINDOWS}, spells AS (
            SELECT f.data ->> 'rep_id' AS rep, f.data ->> 'region' AS region, f.occurred_at AS at,
                   (f.data ->> 'slots_per_week')::int AS slots, lead(f.occurred_at) OVER (
                       PARTITION BY f.data ->> 'rep_id' ORDER BY f.occurred_at, f.recorded_at, f.sequence) AS until
            FROM {view.facts} AS f WHERE f.type = :capacity
        )
        SELECT {view.window_shown}, count(DISTINCT rep) AS reps,
               sum(slots * extract(epoch FROM least(coalesce(until, ends), ends) - greatest(at, starts)))::float8
               / {WEEK} AS slots
        FROM (
            SELECT w.*, s.*, {f"coalesce({SLOTS_OF[by]}, '{UNSET}')" if by else "NULL::text"} AS slice
            FROM windows w JOIN spells s ON s.at < w.ends AND (s.until IS NULL OR s.until > w.starts)
            WHERE w.starts < w.ends {conditions}
        ) AS e {view.window_cells()}
    """
    rows = await view.rows(query, {**view.windows, "capacity": CAPACITY_CHANGED})
    return {cell_of(row): Slots(row.slots, row.reps) for row in rows if row.reps}


async def supply(view: View) -> Figures:
    """Opportunities opened from SQLs by the slots of the span: below 0.8 field sales starves, above 1.2 it is full."""
    counts, known, found = await entries(view, ["opportunity"]), await slots(view), {}
    for cell in {*counts, *known}:
        opened, told_of = counts.get(cell, {}).get("opportunity", NONE), known.get(cell)
        quotient = opened.chained / told_of.slots if told_of and told_of.slots else None
        missing = NOT_SLICED if cell.value is not None or view.question.filters else NO_CAPACITY
        found[cell] = Figure(
            value=quotient,
            numerator=opened.chained,
            denominator=told_of.slots if told_of else None,
            reason=None if quotient is not None else NO_BASE if told_of else missing,
            more={
                "reps": told_of.reps if told_of else 0,
                "from_elsewhere": opened.value - opened.chained,
                "state": None if quotient is None else _state(quotient),
            },
        )
    return found


def _state(ratio: float) -> str:
    return "starving" if ratio < STARVING else "flooding" if ratio > FLOODING else "balanced"


_KIND = "f.data ->> 'kind' AS kind"


async def touches(view: View) -> Figures:
    """What leads did and what was done towards them; beside it the kinds."""
    query = f"""
        SELECT kind, {view.shown}, count(*) AS touches FROM ({told(view, _KIND)}) AS t
        {view.cells("kind")}
    """
    found: dict[Cell, dict[str, int]] = {}
    for row in await view.rows(query, {"kinds": [TOUCH], "starts": view.starts}):
        found.setdefault(cell_of(row), {})[row.kind] = row.touches
    return {cell: Figure(value=sum(kinds.values()), more={"kinds": kinds}) for cell, kinds in found.items()}


def fte_months(view: View, span: Period) -> float | None:
    """Full-time equivalents of marketing, inside and field sales by months of 365.25 / 12 days, up to as_of; None
    while nobody said how many there are."""
    versions = view.decisions.settings.get(HEADCOUNT, ())
    if not versions:
        return None
    last = view.question.as_of.astimezone(view.question.zone).date()
    turns = [version.valid_from for version in versions if span.start < version.valid_from < span.end]
    total = 0.0
    for begin, end in pairwise([span.start, *turns, span.end]):
        heads = view.decisions.setting(HEADCOUNT, begin)
        total += max(0, (min(end, last) - begin).days) * sum(heads.get(name, 0.0) for name in SELLING)
    return total / MONTH_DAYS


async def productivity(view: View) -> Figures:
    """New MRR booked in the span by the months people worked for it."""
    booked, found = await courses(view.with_question(basis="booked")), {}
    for cell in {ALL, *(Cell(place) for place in range(len(view.periods))), *booked}:
        course = booked.get(cell, NO_COURSE)
        if course.unpriced:
            found[cell] = unpriced()
            continue
        new = (course.parts or {}).get("new", Decimal(0))
        sliced = cell.value is not None or bool(view.question.filters)
        span = view.question.whole if cell.period is None else view.periods[cell.period]
        months = None if sliced else fte_months(view, span)
        missing = NOT_SLICED if sliced else SETTING_MISSING if months is None else NO_BASE
        found[cell] = Figure(
            value=money(new / Decimal(str(months)), view) if months else None,
            numerator=money(new, view),
            denominator=months,
            reason=None if months else missing,
        )
    return found


def _opened(view: View) -> Source:
    return entries_of(view, ["opportunity"], numerator="NOT outside")


def _touches(view: View) -> Source:
    query = f"""
        SELECT occurred_at AS at, event_id::text AS key, kind, true AS numerator, NULL::boolean AS denominator, lead_id,
               cycle, opportunity_id, account_id, slice, jsonb_build_object('content', data ->> 'content') AS figures
        FROM ({told(view, _KIND)}) AS t
    """
    return Source(query, {"kinds": [TOUCH], "starts": view.starts})


def _without_slots(_: View) -> Figure:
    return Figure(value=None, reason=NO_CAPACITY)


METRICS = (
    Metric(
        "supply",
        "商談供給充足率",
        "Opportunity supply ratio",
        "ratio",
        "opportunities opened from SQLs ÷ slots of field sales' reps for new opportunities, both of the span",
        supply,
        _without_slots,
        records=_opened,
    ),
    Metric(
        "touches",
        "接触数",
        "Touches",
        "count",
        "touches recorded in the span: of leads, and towards them",
        touches,
        zero,
        additive=True,
        records=_touches,
    ),
    Metric(
        "productivity",
        "生産性(1人月あたり新規MRR)",
        "Productivity",
        "money",
        "new MRR booked in the span ÷ months worked by marketing, inside and field sales (full-time equivalents)",
        productivity,
        no_value,
        records=accounts("fresh", where="fresh"),
    ),
)
