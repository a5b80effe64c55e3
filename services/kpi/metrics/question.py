"""What is asked, and the view of the rows it is asked of."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.kpi.domain.decisions import Decisions
from services.kpi.domain.freshness import Freshness
from services.kpi.domain.periods import Period, cut, full
from services.kpi.domain.stages import Chain
from services.kpi.models import LIVE
from services.kpi.projections.facts import CAPACITY_CHANGED
from shared.clock import start_of_day
from shared.contracts.base import DIMENSIONS

UNSET = "(unset)"
TICK = timedelta(microseconds=1)
WHOLE = -1
TEAM = "team"
SLICES = (*DIMENSIONS, TEAM)
"""What a figure can be grouped by: what events carry, and the team of the owner."""


class Cell(NamedTuple):
    """A part of an answer: one period by its place (from 0), one value of the dimension; None means all."""

    period: int | None = None
    value: str | None = None


ALL = Cell()


@dataclass(frozen=True)
class Question:
    """The common part of every question. `as_of` is now where nothing else was asked; filters may be `(unset)`.

    Like the end of a period, `as_of` is the first instant that no longer counts: the state at the end of March is
    `as_of` the first of April, midnight.
    """

    whole: Period
    zone: ZoneInfo
    as_of: datetime
    known_at: datetime | None = None
    decided_at: datetime | None = None
    mode: str = "flow"
    unit: str = "cycle"
    slice: str = "entry"
    by: str | None = None
    interval: str | None = None
    filters: Mapping[str, str] = field(default_factory=dict)
    window_days: int | None = None
    currency: str = "JPY"
    company_currency: str = "JPY"
    basis: str = "booked"


@dataclass(frozen=True)
class View:
    """A consistent look at the rows: those in use, or those folded from what was known at an earlier time."""

    session: AsyncSession
    question: Question
    decisions: Decisions
    schema: str = LIVE
    fresh: Freshness = field(default_factory=Freshness)
    teams: Mapping[str, str] = field(default_factory=dict)

    async def with_teams(self) -> "View":
        """The same with the team each rep was in at the end of the span (`slice=latest`: is in now), where teams are
        asked for. Field sales tells them; before it first did, the first it told holds."""
        asked = self.question
        if asked.by != TEAM and TEAM not in asked.filters:
            return self
        query = f"""
            SELECT DISTINCT ON (f.data ->> 'rep_id') f.data ->> 'rep_id' AS rep, f.data ->> 'team' AS team
            FROM {self.facts} AS f WHERE f.type = '{CAPACITY_CHANGED}'
            ORDER BY f.data ->> 'rep_id', f.occurred_at >= :moment, abs(extract(epoch FROM f.occurred_at - :moment)),
                     f.recorded_at DESC, f.sequence DESC
        """
        moment = min(self.end, asked.as_of) if asked.slice == "entry" else asked.as_of
        rows = await self.rows(query, {"moment": moment})
        return replace(self, teams={row.rep: row.team for row in rows if row.team})

    async def rows(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        """Rows of `query`; `{schema}` in it stands for where the tables are, the cut and the filters are bound."""
        found = {
            "as_of": self.question.as_of - TICK,
            "known_at": self.question.known_at,
            "until": self.question.as_of,
            "from": self.start,
            "to": self.end,
            "teams": json.dumps(dict(self.teams)),
            **self._filter_values,
        }
        bound = {name: value for name, value in {**found, **(parameters or {})}.items() if f":{name}" in query}
        return list(await self.session.execute(text(query.replace("{schema}", self.schema)), bound))

    @property
    def facts(self) -> str:
        """What had occurred, and was known, as SQL in place of a table: for what no cache is folded from."""
        known = "AND recorded_at <= :known_at" if self.question.known_at else ""
        return f"(SELECT * FROM {LIVE}.fact WHERE occurred_at <= :as_of {known})"

    def chain(self, segment: str | None = None) -> Chain:
        """That of a segment; or of the segment that is filtered by, or everyone's."""
        return self.decisions.chain_of(segment or self.question.filters.get("segment"))

    def with_question(self, **changes: Any) -> "View":
        """The same rows, asked a little differently."""
        return replace(self, question=replace(self.question, **changes))

    @property
    def start(self) -> datetime:
        return start_of_day(self.question.whole.start, self.question.zone)

    @property
    def end(self) -> datetime:
        return start_of_day(self.question.whole.end, self.question.zone)

    @cached_property
    def periods(self) -> list[Period]:
        """In the asked interval; none where none was asked."""
        asked = self.question
        return list(cut(asked.whole, asked.interval, self.decisions.first_month)) if asked.interval else []

    def has_ended(self, period: Period) -> bool:
        return start_of_day(period.end, self.question.zone) <= self.question.as_of

    def elapsed(self, period: Period) -> float:
        """How much of it has passed at as_of, 0 to 1."""
        start, end = (start_of_day(day, self.question.zone) for day in (period.start, period.end))
        return min(1.0, max(0.0, (self.question.as_of - start) / (end - start)))

    def is_partial(self, period: Period) -> bool:
        """Not over yet, or cut off by the ends of what was asked."""
        interval = self.question.interval or "day"
        return not self.has_ended(period) or not full(period, interval, self.decisions.first_month)

    @property
    def slice(self) -> str:
        """The asked dimension of a row `p`, as SQL; a constant where none was asked."""
        return self.sliced(self.question.by) if self.question.by else "NULL::text"

    def sliced(self, dimension: str) -> str:
        """The value of a dimension of a row `p`, `(unset)` where nobody told it; as SQL."""
        return f"coalesce({self._value(dimension)}, '{UNSET}')"

    def _value(self, dimension: str) -> str:
        if dimension == TEAM:
            return team_of(self._value("owner"))
        return f"p.{dimension}" if self.question.slice == "entry" else f"(p.latest ->> '{dimension}')"

    @property
    def filters(self) -> str:
        """The asked filters on a row `p`, as SQL conditions that begin with AND."""
        found = []
        for name, value in self.question.filters.items():
            if name == "cycles":
                found.append("AND coalesce(p.cycle, 1) " + ("= 1" if value == "first" else "> 1"))
            else:
                column = self._value(name)
                found.append(f"AND {column} IS NULL" if value == UNSET else f"AND {column} = :filter_{name}")
        return " ".join(found)

    @property
    def _filter_values(self) -> dict[str, str]:
        return {f"filter_{name}": value for name, value in self.question.filters.items()}

    @property
    def starts(self) -> list[datetime]:
        """Where each period begins; the one span as a whole where no interval was asked."""
        return [start_of_day(period.start, self.question.zone) for period in self.periods] or [self.start]

    @property
    def shown(self) -> str:
        """The columns of a cell, for a query that ends with `cells`."""
        period = "period" if self.question.interval else "NULL::int AS period"
        return f"{period}, {'slice' if self.question.by else 'NULL::text AS slice'}"

    def cells(self, *leading: str) -> str:
        """GROUP BY every cell that was asked for, of rows with `period` and `slice`."""
        parts: list[list[str]] = [[]]
        parts += [["period"]] if self.question.interval else []
        parts += [["slice"]] if self.question.by else []
        parts += [["period", "slice"]] if self.question.interval and self.question.by else []
        return "GROUP BY GROUPING SETS (" + ", ".join(f"({', '.join([*leading, *part])})" for part in parts) + ")"

    @property
    def windows(self) -> dict[str, Any]:
        """The parameters of WINDOWS: the whole and every period, none reaching beyond as_of; what has not begun by then
        is a window of no length at as_of."""
        zone, last = self.question.zone, self.question.as_of
        spans = [self.question.whole, *self.periods]
        return {
            "windows": list(range(WHOLE, len(self.periods))),
            "window_starts": [min(start_of_day(span.start, zone), last) for span in spans],
            "window_ends": [min(start_of_day(span.end, zone), last) for span in spans],
        }

    @property
    def window_shown(self) -> str:
        return f"period, {'slice' if self.question.by else 'NULL::text AS slice'}"

    def window_cells(self, *leading: str) -> str:
        """GROUP BY the cells of rows that stand in windows."""
        parts = [["period"], ["period", "slice"]] if self.question.by else [["period"]]
        return "GROUP BY GROUPING SETS (" + ", ".join(f"({', '.join([*leading, *part])})" for part in parts) + ")"


def team_of(owner: str) -> str:
    """The team of an owner, null where none is told; as SQL."""
    return f"(CAST(:teams AS jsonb) ->> {owner})"


def held(moment: str, row: str = "p") -> str:
    """Whether a row that lasts held just before a moment, as SQL; said as ix_opportunity_state_status has it."""
    return f"{row}.at < {moment} AND coalesce({row}.until, 'infinity') >= {moment}"


WINDOWS = """windows AS (
    SELECT * FROM unnest(CAST(:windows AS int[]), CAST(:window_starts AS timestamptz[]),
                         CAST(:window_ends AS timestamptz[])) AS w(period, starts, ends)
)"""
"""One row for each span that is looked at: the whole is -1, periods count from 0."""


def cell_of(row: Any) -> Cell:
    return Cell(None if row.period == WHOLE else row.period, row.slice)
