"""How fast MQLs are contacted (metrics.md 1b). An MQL nobody has contacted yet is censored, never left out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.kpi.domain.decisions import BUSINESS_HOURS, RESPONSE_SLA, UNFOLLOWED_FACTOR
from services.kpi.domain.hours import Calendar, Floats, on_the_wall
from services.kpi.metrics.figures import COHORT, STOCK, Figures, Metric, count, no_value, nothing, ratio, zero
from services.kpi.metrics.question import Cell, View, cell_of
from services.kpi.metrics.records import Source, shown
from services.kpi.metrics.subjects import outcomes
from services.kpi.metrics.survival import REACHED, incidence
from services.kpi.schemas.figures import Figure

ENDS = ("mql_rejected", "dropped")
MINUTE = 60.0
DEFAULT_FACTOR = 24
# date_part() since extract() makes a numeric of each first, which takes longer.
_WALL = "date_part('epoch', {} AT TIME ZONE :zone)"
SPANS = f"""array_agg(date_part('epoch', stop - at)) AS seconds,
            array_agg({_WALL.format("at")}) AS starts, array_agg({_WALL.format("stop")}) AS stops"""
"""Of rows from `at` to `stop`: how long, and what a clock on the wall shows at both ends."""
NOT_DECIDED = "setting_missing"


class Contacts(NamedTuple):
    """Of each MQL of the span: minutes until its first contact, or until it ended or as_of without one.

    `wall` by the clock on the wall, `business` in the company's hours; `contacted` says which of both it is.
    """

    wall: Floats
    business: Floats
    contacted: NDArray[np.bool_]


async def contacts(view: View) -> Mapping[Cell, Contacts]:
    """By cell. Business minutes are those on the wall while no business hours are decided."""
    query, bound = outcomes(view, "mql", ["contacted"], ENDS)
    query = f"""
        SELECT {view.shown}, {SPANS}, array_agg(goal_at IS NOT NULL) AS contacted
        FROM (SELECT o.*, coalesce(goal_at, least(end_at, :until)) AS stop FROM ({query}) AS o) AS o
        {view.cells()} HAVING count(*) > 0
    """
    rows = await view.rows(query, {**bound, "zone": view.question.zone.key})
    hours = calendar(view)
    return {cell_of(row): Contacts(*_minutes(row, hours), np.array(row.contacted)) for row in rows}


def calendar(view: View) -> Calendar | None:
    """The business hours that hold when the span begins."""
    setting = view.decisions.setting(BUSINESS_HOURS, view.question.whole.start)
    return Calendar.of(setting, view.question.zone) if setting else None


def _minutes(row: Any, hours: Calendar | None) -> tuple[Floats, Floats]:
    """Of a row with SPANS: by the clock on the wall, and in the company's hours."""
    wall = np.array(row.seconds) / MINUTE
    return wall, hours.minutes(np.array(row.starts), np.array(row.stops)) if hours else wall


def _described(minutes: NDArray[np.float64], contacted: NDArray[np.bool_]) -> dict[str, Any]:
    """Of one clock. `median` counts those who wait too; `contacted_…` are of those contacted alone."""
    done = minutes[contacted]
    curve = incidence(minutes, np.where(contacted, REACHED, 0))
    late = np.flatnonzero(curve.left <= 0.1 + 1e-12)
    return {
        "median": curve.median(),
        "p90": float(curve.times[late[0]]) if len(late) else None,
        "contacted_median": float(np.median(done)) if len(done) else None,
        "contacted_mean": float(np.mean(done)) if len(done) else None,
    }


async def first_response(view: View) -> Figures:
    found = {}
    for cell, each in (await contacts(view)).items():
        wall = _described(each.wall, each.contacted)
        done = int(np.sum(each.contacted))
        found[cell] = Figure(
            value=wall["median"],
            numerator=done,
            denominator=len(each.contacted),
            reason=None if wall["median"] is not None else "not_yet",
            more={
                "wall": wall,
                "business": _described(each.business, each.contacted),
                "never_contacted": len(each.contacted) - done,
            },
        )
    return found


async def within_sla(view: View) -> Figures:
    """Of the MQLs whose time is up or that were contacted, the share contacted in time, by the clock on the
    wall; `business` the same in business minutes."""
    minutes = sla_minutes(view)
    if minutes is None:
        return {cell: Figure(value=None, reason=NOT_DECIDED) for cell in await contacts(view)}
    return {
        cell: _share(each.wall, each.contacted, minutes).model_copy(
            update={"more": {"minutes": minutes, "business": _plain(_share(each.business, each.contacted, minutes))}}
        )
        for cell, each in (await contacts(view)).items()
    }


def sla_minutes(view: View) -> int | None:
    found: int | None = view.decisions.setting(RESPONSE_SLA, view.question.whole.start)
    return found


def _longest(view: View) -> float | None:
    """Business minutes until an MQL without contact is one nobody follows up."""
    minutes = sla_minutes(view)
    factor = view.decisions.setting(UNFOLLOWED_FACTOR, view.question.whole.start) or DEFAULT_FACTOR
    return None if minutes is None else minutes * factor


def _share(minutes: NDArray[np.float64], contacted: NDArray[np.bool_], sla: float) -> Figure:
    judged = contacted | (minutes > sla)
    return ratio(int(np.sum(contacted & (minutes <= sla))), int(np.sum(judged)))


def _plain(figure: Figure) -> dict[str, Any]:
    return figure.model_dump(mode="json", exclude={"more"})


async def unfollowed(view: View) -> Figures:
    """MQLs of the span that nobody has contacted for SLA x factor business minutes, and that have not ended."""
    longest = _longest(view)
    if longest is None:
        return {cell: Figure(value=None, reason=NOT_DECIDED) for cell in await contacts(view)}
    query, bound = outcomes(view, "mql", ["contacted", *ENDS, "sql"])
    query = f"""
        SELECT {view.shown}, {SPANS}
        FROM (SELECT o.*, CAST(:until AS timestamptz) AS stop FROM ({query}) AS o WHERE goal_at IS NULL) AS o
        {view.cells()} HAVING count(*) > 0
    """
    rows = await view.rows(query, {**bound, "zone": view.question.zone.key})
    hours = calendar(view)
    return {cell_of(row): count(int(np.sum(_minutes(row, hours)[1] > longest))) for row in rows}


def _waited(view: View) -> Source:
    """Each MQL of the span with its minutes until contact, or until it ended or as_of."""
    query, bound = outcomes(view, "mql", ["contacted"], ENDS)
    figures = "'from', at, 'until', coalesce(goal_at, least(end_at, :until)), 'contacted', goal_at IS NOT NULL"
    rows = shown(figures, numerator="goal_at IS NOT NULL", denominator="true")
    return Source(f"SELECT {rows} FROM ({query}) AS o", bound, finish=_measured)


def _judged(view: View) -> Source:
    """The same; above who was contacted in time, below of whom that can be said."""
    return replace(_waited(view), finish=_judge)


def _left(view: View) -> Source:
    """Each MQL of the span that was neither contacted nor ended, with how long it waits."""
    query, bound = outcomes(view, "mql", ["contacted", *ENDS, "sql"])
    rows = shown("'from', at, 'until', CAST(:until AS timestamptz), 'contacted', false", numerator="false")
    return Source(f"SELECT {rows} FROM ({query}) AS o WHERE goal_at IS NULL", bound, finish=_leave)


async def _judge(view: View, found: Sequence[dict[str, Any]]) -> None:
    await _measured(view, found)
    minutes = sla_minutes(view)
    for row in found:
        said = row["figures"]
        row["numerator"] = said.get("within_sla", False)
        row["denominator"] = minutes is not None and (said["contacted"] or said["wall_minutes"] > minutes)


async def _leave(view: View, found: Sequence[dict[str, Any]]) -> None:
    await _measured(view, found)
    longest = _longest(view)
    for row in found:
        row["numerator"] = longest is not None and row["figures"]["business_minutes"] > longest


async def _measured(view: View, found: Sequence[dict[str, Any]]) -> None:
    hours, minutes = calendar(view), sla_minutes(view)
    spans = [[datetime.fromisoformat(row["figures"].pop(name)) for name in ("from", "until")] for row in found]
    wall = np.array([(stop - start).total_seconds() / MINUTE for start, stop in spans])
    starts, stops = (on_the_wall([span[side] for span in spans], view.question.zone) for side in (0, 1))
    business = hours.minutes(starts, stops) if hours else wall
    for row, by_wall, by_hours in zip(found, wall, business, strict=True):
        row["figures"] |= {"wall_minutes": float(by_wall), "business_minutes": float(by_hours)}
        if minutes is not None:
            contacted = row["figures"]["contacted"]
            row["figures"]["within_sla"] = contacted and bool(by_wall <= minutes)
            row["figures"]["within_sla_business"] = contacted and bool(by_hours <= minutes)


_SLA = "contacted within the SLA ÷ MQLs of the span contacted or whose time is up; by the wall, and in business minutes"
METRICS = (
    Metric(
        "frt",
        "初回対応時間",
        "First response time",
        "minutes",
        "from MQL to the first human contact, on the wall; value is the median over all, who waits being censored",
        first_response,
        no_value,
        (COHORT,),
        records=_waited,
    ),
    Metric(
        "sla60", "対応SLA遵守率", "Response SLA kept", "ratio", _SLA, within_sla, nothing, (COHORT,), records=_judged
    ),
    Metric(
        "unfollowed",
        "未フォロー件数",
        "Not followed up",
        "count",
        "MQLs of the span without contact for SLA x factor business minutes, and not ended",
        unfollowed,
        zero,
        (STOCK,),
        records=_left,
    ),
)
