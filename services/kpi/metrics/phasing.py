"""By when each step must be there so that deals are won in time, and what comes of what is there (metrics.md 2b).

Lags are read off the Aalen-Johansen curve from a step to the win: the day by which half, or four fifths, of those that
will ever be won are. Wins of a month are the convolution of entries a day with that curve.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from services.kpi.domain.periods import Period, cut
from services.kpi.domain.stages import MILESTONES, WON
from services.kpi.metrics.conversion import DAY, KIND
from services.kpi.metrics.entries import entered
from services.kpi.metrics.question import View
from services.kpi.metrics.rates import ends_between
from services.kpi.metrics.subjects import outcomes
from services.kpi.metrics.survival import OTHER, REACHED, Incidence, incidence

MILESTONE = {"lead_cycles": "lead", "mql": "mql", "sql": "sql", "opportunities": "opportunity"}
"""Steps that are followed to the win. A visit and its lead are of one day."""
MIDDLE, SAFE = 0.5, 0.8
LONGEST_DAYS = 730  # who entered longer ago is not waited for

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lag:
    """Days from a step to the win, of those won in the end."""

    middle: int
    safe: int


async def curve(view: View, milestone: str) -> Incidence:
    """From a milestone to the win, of everyone who entered it in the baseline, in whole days."""
    query, bound = outcomes(view, milestone, [WON], ends_between(milestone, WON, MILESTONES))
    query = f"""
        SELECT kind, days, count(*) AS number FROM (
            SELECT kind, floor(extract(epoch FROM (CASE kind WHEN {REACHED} THEN goal_at WHEN {OTHER} THEN end_at
                                                   ELSE :until END) - at) / {DAY})::int AS days
            FROM (SELECT o.*, {KIND} AS kind FROM ({query}) AS o) AS k
        ) AS d GROUP BY 1, 2
    """
    rows = await view.rows(query, bound)
    days, numbers = (np.array([getattr(row, name) for row in rows], dtype=float) for name in ("days", "number"))
    return incidence(days, np.array([row.kind for row in rows], dtype=int), numbers)


def lag(found: Incidence) -> Lag | None:
    """None where nobody was won yet."""
    if not len(found.reached) or not found.reached[-1]:
        return None
    ever = found.eventual() or float(found.reached[-1])
    middle, safe = (int(found.times[np.searchsorted(found.reached, share * ever - 1e-12)]) for share in (MIDDLE, SAFE))
    return Lag(middle, safe)


def reached_by(found: Incidence, days: Floats) -> Floats:
    """The share won within so many days; none before the first."""
    places = np.searchsorted(found.times, days, side="right")
    return np.concatenate(([0.0], found.reached))[places]


@dataclass(frozen=True)
class Phase:
    """One step of a plan. `entered`: those whose time to be won lies in the period, as far as they are there yet;
    `missing` are those still to come by `need_by`. `expected` are wins by month, of those there and those to come."""

    step: str
    need_by: date
    safe_by: date
    entered: float
    missing: float
    expected: tuple[float, ...]


@dataclass(frozen=True)
class Phasing:
    """`months` of the period; `won` in each so far."""

    months: tuple[Period, ...]
    won: tuple[int, ...]
    phases: Mapping[str, Phase]


async def phasing(view: View, span: Period, needs: Mapping[str, float]) -> Phasing:
    """Of a plan for `span`; the span of the view is the baseline. Steps nobody was won from have no phase."""
    today = view.question.as_of.astimezone(view.question.zone).date()
    curves = {step: await curve(view, name) for step, name in MILESTONE.items()}
    lags = {step: found for step, each in curves.items() if (found := lag(each)) is not None}
    earliest = max((found.middle for found in lags.values()), default=0)
    longest = max((min(int(each.times[-1]), LONGEST_DAYS) for each in curves.values() if len(each.times)), default=0)
    first = min(today, span.start - timedelta(days=earliest)) - timedelta(days=longest)
    days = await _by_day(view, Period(first, min(today + timedelta(days=1), span.end)))
    months = tuple(cut(span, "month", view.decisions.first_month))
    phases = {}
    for step, each in lags.items():
        there = days[MILESTONE[step]]
        begin, need_by = (day - timedelta(days=each.middle) for day in (span.start, span.end - timedelta(days=1)))
        window = slice((begin - first).days, min((need_by - first).days + 1, len(there)))
        entered = float(there[window].sum())
        missing = max(0.0, needs[step] - entered)
        coming = _spread(missing, max(begin, today), need_by, first)
        phases[step] = Phase(
            step,
            need_by,
            span.end - timedelta(days=1 + each.safe),
            entered,
            missing,
            tuple(wins(curves[step], there, coming, month, first, today) for month in months),
        )
    return Phasing(months, tuple(int(_between(days[WON], month, first)) for month in months), phases)


async def _by_day(view: View, span: Period) -> dict[str, Floats]:
    """Entries of each milestone by day of the span."""
    names = [*MILESTONE.values(), WON]
    own = view.with_question(whole=span, interval="day", by=None)
    query = f"SELECT milestone, period, count(*) AS number FROM ({entered(own)}) AS e GROUP BY 1, 2"
    found = {name: np.zeros((span.end - span.start).days) for name in names}
    for row in await own.rows(query, {"milestones": names, "starts": own.starts}):
        found[row.milestone][row.period] = row.number
    return found


def _spread(number: float, begin: date, last: date, first: date) -> tuple[Floats, Floats]:
    """So many, the same each day from `begin` to `last`; all at the beginning where that is later: they come late."""
    days = np.arange((begin - first).days, max((last - first).days, (begin - first).days) + 1, dtype=float)
    return days, np.full(len(days), number / len(days))


def wins(
    found: Incidence, there: Floats, coming: tuple[Floats, Floats], month: Period, first: date, today: date
) -> float:
    """Σ entries of a day x (share won by the end of the month - share won by its begin), from today on."""
    begin, end = (max((day - first).days, (today - first).days) for day in (month.start, month.end))
    total = 0.0
    for days, numbers in ((np.arange(len(there), dtype=float), there), coming):
        total += float(np.sum(numbers * (reached_by(found, end - 1 - days) - reached_by(found, begin - 1 - days))))
    return total


def _between(numbers: Floats, span: Period, first: date) -> float:
    return float(numbers[max((span.start - first).days, 0) : max((span.end - first).days, 0)].sum())
