"""What time says of a forecast: how many deals of an age are still won, what is opened and won in the time left, and
how much of earlier periods was won by the same day (metrics.md section 3, M3 and M4).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from services.kpi.domain.periods import Period
from services.kpi.metrics.conversion import Followed, follow
from services.kpi.metrics.deals import PRICED
from services.kpi.metrics.entries import HOLDS, entered
from services.kpi.metrics.exchange import RATES, bound
from services.kpi.metrics.forecasting import LEAST_CLOSED
from services.kpi.metrics.question import ALL, Cell, View, cell_of
from services.kpi.metrics.survival import OPEN, Incidence, incidence

HISTORY_YEARS = 5
RECENT_DAYS = 90
EARLIER_PERIODS = 4
A_YEAR_BEFORE = 0


class Worth(NamedTuple):
    """The mean value of a deal won, and the mean of its MRR alone, in minor units."""

    value: float = 0.0
    mrr: float = 0.0


@dataclass(frozen=True)
class Ahead:
    """`curve` of wins by the age of a deal; `new` deals will be opened and won in the days `left`."""

    curve: Incidence
    left: float
    new: float
    worth: Worth

    def chance(self, age: float) -> float:
        """Of those still open at `age`, the share won within the days left: (CIF(age + left) - CIF(age)) / S(age)."""
        now, (won, lost) = self.curve.at(age + self.left)[0], self.curve.at(age)
        alive = 1 - won - lost
        return max(0.0, (now - won) / alive) if alive > 1e-9 else 0.0


async def ahead(view: View) -> Mapping[Cell, Ahead]:
    """By slice, and of all; a slice with too few closed deals follows the curve of all. Empty where all are too few.

    New ones: openings a day (of the last 90) x Σ CIF of the days that remain to each.
    """
    asked = view.question
    left = max(0.0, (view.end - asked.as_of).total_seconds() / 86_400)
    history = Period(
        asked.whole.start.replace(year=asked.whole.start.year - HISTORY_YEARS, day=1),
        asked.as_of.astimezone(asked.zone).date() + timedelta(days=1),
    )
    past = view.with_question(whole=history, interval=None, window_days=None)
    followed = await follow(past, "opportunity", "won")
    whole = followed.get(ALL)
    if whole is None or _closed(whole) < LEAST_CLOSED:
        return {}
    worths = await _worths(past)
    common = incidence(whole.days, whole.kinds)
    found = {}
    for cell, one in followed.items():
        curve = incidence(one.days, one.kinds) if _closed(one) >= LEAST_CLOSED else common
        recent = int(np.sum(one.ages <= RECENT_DAYS))
        reached = sum(curve.at(left - day)[0] for day in np.arange(0.5, left, 1.0))
        new = recent / RECENT_DAYS * reached
        found[cell] = Ahead(curve, left, new, worths.get(cell, worths.get(ALL, Worth())))
    return found


def _closed(found: Followed) -> int:
    return int(np.sum(found.kinds != OPEN))


async def _worths(past: View) -> Mapping[Cell, Worth]:
    query = f"""
        WITH {RATES}
        SELECT {past.shown}, count(*) AS deals, coalesce(sum(worth), 0)::float8 AS worth,
               coalesce(sum(worth) FILTER (WHERE mrr_amount IS NOT NULL), 0)::float8 AS mrr
        FROM ({entered(past, PRICED)}) AS e {past.cells()}
    """
    rows = await past.rows(query, {"milestones": ["won"], "starts": past.starts, **bound(past)})
    return {cell_of(row): Worth(row.worth / row.deals, row.mrr / row.deals) for row in rows if row.deals}


@dataclass
class History:
    """`shares` of earlier periods of the same length that were won by the same day; what was won a year before."""

    shares: list[Decimal] = field(default_factory=list)
    year_before: Decimal | None = None

    @property
    def ratio(self) -> Decimal:
        return sum(self.shares, Decimal(0)) / len(self.shares) if self.shares else Decimal(0)


_EARLIER = f"""
    spans AS (
        SELECT * FROM unnest(CAST(:places AS int[]), CAST(:span_starts AS timestamptz[]),
                             CAST(:span_earlies AS timestamptz[]), CAST(:span_ends AS timestamptz[]))
            AS s(place, starts, early, ends)
    ), won AS (
        SELECT s.place, p.at < s.early AS early, {{slice}} AS slice {PRICED}
        FROM spans s JOIN {{schema}}.passage p
          ON p.milestone = 'won' AND p.at >= s.starts AND p.at < s.ends AND {HOLDS} {{filters}}
    )
"""


async def earlier(view: View) -> Mapping[Cell, History]:
    """By slice, and of all. A year before that is not over yet says nothing."""
    whole, elapsed = view.question.whole, view.elapsed(view.question.whole)
    length = whole.end - whole.start
    spans = [
        Period(whole.start - number * length, whole.end - number * length) for number in range(EARLIER_PERIODS + 1)
    ]
    spans[A_YEAR_BEFORE] = Period(_year_before(whole.start), _year_before(whole.end))
    edges = [(past.start, past.end) for past in (view.with_question(whole=span) for span in spans)]
    parts = ["(place)", "(place, slice)"] if view.question.by else ["(place)"]
    query = f"""
        WITH {RATES}, {_EARLIER.replace("{slice}", view.slice).replace("{filters}", view.filters)}
        SELECT place, NULL::int AS period, {"slice" if view.question.by else "NULL::text AS slice"},
               coalesce(sum(worth), 0) AS worth, coalesce(sum(worth) FILTER (WHERE early), 0) AS early
        FROM won GROUP BY GROUPING SETS ({", ".join(parts)})
    """
    given = {
        "places": list(range(len(spans))),
        "span_starts": [start for start, _ in edges],
        "span_earlies": [start + (end - start) * elapsed for start, end in edges],
        "span_ends": [end for _, end in edges],
        **bound(view),
    }
    found: dict[Cell, History] = {}
    for row in await view.rows(query, given):
        history = found.setdefault(cell_of(row), History())
        if row.place != A_YEAR_BEFORE and row.worth:
            history.shares.append(row.early / row.worth)
        elif row.place == A_YEAR_BEFORE and edges[A_YEAR_BEFORE][1] <= view.question.as_of:
            history.year_before = row.worth
    return found


def _year_before(day: date) -> date:
    leap = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year - 1, day=28 if leap else day.day)


def spread(total: Decimal, shares: Sequence[Decimal]) -> tuple[Decimal, Decimal, Decimal] | None:
    """P10, P50 and P90 of what each earlier period alone would say; None where there is only one, or nothing by now."""
    ends = [float(total / share) for share in shares if share]
    if len(ends) < 2 or len(ends) < len(shares):
        return None
    low, middle, high = (Decimal(str(value)) for value in np.quantile(ends, (0.1, 0.5, 0.9)))
    return low, middle, high
