"""Phases of an opportunity: how many go on from each, how long deals stand in them, what goes back (metrics.md 1c).

A phase is later than another where the chance to win from it is higher: as decided (`phase_probabilities`), else as
learned from closed deals. While neither is known there is no order, and what needs one is null.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from services.kpi.domain.decisions import PHASE_PROBABILITIES
from services.kpi.metrics.entries import HOLDS
from services.kpi.metrics.figures import COHORT, HELD, STOCK, Figures, Metric, no_value, nothing, ratio, zero
from services.kpi.metrics.forecasting import CLOSED_BY_PHASE, INSUFFICIENT, LEAST_CLOSED, STRENGTH
from services.kpi.metrics.question import UNSET, WHOLE, WINDOWS, Cell, View, cell_of, held
from services.kpi.metrics.records import Records, Source
from services.kpi.metrics.voices import plain
from services.kpi.models import STEP
from services.kpi.schemas.figures import Figure

DAY = 86_400.0
PERCENTILE = 0.9
HISTORY_DAYS = 365


def _ranks(view: View) -> str:
    """The table `ranks`: each phase and its place; empty while nothing says so. As SQL."""
    if view.decisions.setting(PHASE_PROBABILITIES, view.question.whole.start) is not None:
        return """ranks AS (
            SELECT phase, row_number() OVER (ORDER BY chance, phase) AS rank
            FROM unnest(CAST(:phases AS text[]), CAST(:chances AS float8[])) AS c(phase, chance)
        )"""
    chance = f"(won + {STRENGTH}.0 * all_won / whole) / (closed + {STRENGTH})"
    return f"""ranks AS MATERIALIZED (
        SELECT phase, row_number() OVER (ORDER BY {chance}, phase) AS rank
        FROM ({CLOSED_BY_PHASE}) AS c WHERE whole >= {LEAST_CLOSED}
    )"""


def _bound(view: View) -> dict[str, Any]:
    decided = view.decisions.setting(PHASE_PROBABILITIES, view.question.whole.start) or {}
    said = {"phases": list(decided), "chances": [float(chance) for chance in decided.values()]}
    return {**said, "starts": view.starts, "window": view.question.window_days}


def _steps(view: View) -> str:
    """Tables before a query: `steps` are the states by which deals came into a phase or were no longer open, of deals
    that came into any in the span; each with the rank and phase of the step before it. A deal on hand (offered) is in
    no phase. OFFSET 0: each deal's own steps are looked up, else all there ever were would be read."""
    return f"""
        WITH {_ranks(view)}, touched AS (
            SELECT DISTINCT opportunity_id FROM {{schema}}.opportunity_state
            WHERE status = 'open' AND at >= :from AND at < :to AND at <= :as_of AND ({STEP})
        ), ladder AS (SELECT array_agg(phase ORDER BY rank) AS phases FROM ranks), steps AS (
            SELECT s.*, lag(s.phase) OVER mine AS phase_before, lag(s.rank) OVER mine AS rank_before,
                   bool_and(s.status = 'won') OVER (
                       mine ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS stays_won
            FROM (
                SELECT p.opportunity_id, p.at, p.status, p.phase,
                       CASE WHEN p.status = 'open' THEN array_position(l.phases, p.phase) END AS rank
                FROM touched t CROSS JOIN ladder l CROSS JOIN LATERAL (
                    SELECT opportunity_id, at, status, phase FROM {{schema}}.opportunity_state
                    WHERE opportunity_id = t.opportunity_id AND at <= :as_of AND ({STEP}) OFFSET 0
                ) AS p
            ) AS s WINDOW mine AS (PARTITION BY opportunity_id ORDER BY at)
        )
    """


def _shown(view: View, *, whose: bool) -> tuple[str, str]:
    """Columns of a step `e`, and the join to the state itself where its slice or `whose` deal it is is asked for: the
    steps alone are read from an index."""
    columns = f"e.*, {view.slice} AS slice, width_bucket(e.at, CAST(:starts AS timestamptz[])) - 1 AS period"
    if whose or view.question.by or view.question.filters:
        join = "JOIN {schema}.opportunity_state p ON p.opportunity_id = e.opportunity_id AND p.at = e.at"
        return f"{columns}, p.lead_id, p.cycle, p.account_id", join
    return columns, ""


def _entered(view: View, *, whose: bool = False) -> str:
    """Each deal's first entry into each phase where that was in the span, and whether it went on from it: reached a
    later phase or was won, by as_of or within `window` days. As SQL."""
    last = "make_interval(days => :window) - interval '1 us'" if view.question.window_days else "UNBOUNDED"
    columns, state = _shown(view, whose=whose)
    return f"""
        {_steps(view)}, ways AS (
            SELECT s.*, coalesce(max(rank) OVER after > rank, false) OR coalesce(bool_or(stays_won) OVER after, false)
                        AS went_on
            FROM steps s WINDOW after AS (
                PARTITION BY opportunity_id ORDER BY at RANGE BETWEEN interval '1 us' FOLLOWING AND {last} FOLLOWING)
        ), firsts AS (
            SELECT DISTINCT ON (opportunity_id, phase) * FROM ways
            WHERE status = 'open' AND phase IS NOT NULL ORDER BY opportunity_id, phase, at
        )
        SELECT {columns} FROM firsts e {state} WHERE e.at >= :from AND e.at < :to {view.filters}
    """


async def conversion(view: View) -> Figures:
    """Of deals that came into a phase in the span, those that went on from it; beside it each phase's own share."""
    query = f"""
        SELECT phase, rank, {view.shown}, count(*) AS entered, count(*) FILTER (WHERE went_on) AS went_on
        FROM ({_entered(view)}) AS e {view.cells("phase", "rank")}
    """
    found: dict[Cell, list[Any]] = {}
    for row in await view.rows(query, _bound(view)):
        found.setdefault(cell_of(row), []).append(row)
    return {cell: _conversion(rows) for cell, rows in found.items()}


def _conversion(rows: Sequence[Any]) -> Figure:
    if all(row.rank is None for row in rows):
        return Figure(value=None, reason=INSUFFICIENT)
    phases = sorted(rows, key=lambda row: (row.rank is None, row.rank or 0, row.phase))
    whole = ratio(sum(row.went_on for row in rows), sum(row.entered for row in rows))
    each = [{"phase": row.phase, **plain(ratio(row.went_on, row.entered))} for row in phases]
    return whole.model_copy(update={"more": {"phases": each}})


def _moved(view: View, *, whose: bool = False) -> str:
    """Every change of an open deal's phase in the span that has an order, and whether it led back. As SQL."""
    columns, state = _shown(view, whose=whose)
    return f"""
        {_steps(view)}
        SELECT {columns}, e.rank < e.rank_before AS back FROM steps e {state}
        WHERE e.status = 'open' AND e.rank <> e.rank_before AND e.at >= :from AND e.at < :to {view.filters}
    """


async def regressions(view: View) -> Figures:
    """Of the changes of phase in the span, those that led back; beside it from where to where."""
    query = f"""
        SELECT phase_before, phase, {view.shown}, count(*) AS moves, count(*) FILTER (WHERE back) AS back
        FROM ({_moved(view)}) AS m {view.cells("phase_before", "phase")}
    """
    moves: dict[Cell, list[Any]] = {}
    for row in await view.rows(query, _bound(view)):
        moves.setdefault(cell_of(row), []).append(row)
    return {
        cell: ratio(sum(row.back for row in rows), sum(row.moves for row in rows)).model_copy(
            update={"more": {"back": {f"{row.phase_before}>{row.phase}": row.back for row in rows if row.back}}}
        )
        for cell, rows in moves.items()
    }


def _standing(view: View) -> str:
    """Tables before a query: `standing`, deals open at the end of each window with the days in their phase, and the
    days nine of ten won deals had left it after. Those were won in the year before as_of; of too few nothing is said.
    """
    return f"""
        WITH {WINDOWS}, usual AS (
            SELECT s.key AS phase, percentile_cont({PERCENTILE}) WITHIN GROUP (ORDER BY s.value::float8) / {DAY} AS p90
            FROM {{schema}}.passage p CROSS JOIN LATERAL jsonb_each_text(p.stays) AS s
            WHERE p.milestone = 'won' AND p.at >= :history AND {HOLDS}
            GROUP BY s.key HAVING count(*) >= {LEAST_CLOSED}
        ), standing AS (
            SELECT o.*, extract(epoch FROM o.ends - o.since)::float8 / {DAY} AS days, u.p90 FROM (
                SELECT w.period, w.ends, {view.slice} AS slice, p.opportunity_id, p.lead_id, p.cycle, p.account_id,
                       p.phase, p.phase_since AS since
                FROM windows w JOIN {{schema}}.opportunity_state p
                  ON p.status = 'open' AND {held("w.ends")}
                WHERE true {view.filters}
            ) AS o LEFT JOIN usual u USING (phase)
        )
    """


async def _ages(view: View) -> tuple[list[Any], list[Any]]:
    """Of all phases, and of each."""
    figures = f"""{view.window_shown}, count(*) AS deals, sum(days) AS total,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY days) AS median, max(p90) AS p90,
               count(*) FILTER (WHERE days > p90) AS stale, count(*) FILTER (WHERE p90 IS NULL) AS unjudged"""
    query = f"""
        {_standing(view)}
        SELECT true AS all_of_them, NULL::text AS phase, {figures} FROM standing {view.window_cells()}
        UNION ALL SELECT false, phase, {figures} FROM standing {view.window_cells("phase")}
    """
    rows = [row for row in await view.rows(query, _history(view)) if row.deals]
    return [row for row in rows if row.all_of_them], [row for row in rows if not row.all_of_them]


def _history(view: View) -> dict[str, Any]:
    """The parameters of `_standing`."""
    return {**view.windows, "history": view.question.as_of - timedelta(days=HISTORY_DAYS)}


async def ages(view: View) -> Figures:
    """Days open deals have been in their phase; value is the median, beside it each phase's against that of the won."""
    whole, each = await _ages(view)
    phases: dict[Cell, dict[str, Any]] = {}
    for row in each:
        phases.setdefault(cell_of(row), {})[row.phase or UNSET] = {
            "deals": row.deals,
            "median": row.median,
            "p90_of_won": row.p90,
            "stale": row.stale,
        }
    return {
        cell_of(row): Figure(
            value=row.median,
            denominator=row.deals,
            more={"mean": row.total / row.deals, "stale": row.stale, "phases": phases[cell_of(row)]},
        )
        for row in whole
    }


async def stale(view: View) -> Figures:
    """Open deals longer in their phase than nine of ten of the won; `unjudged` are those of which that is not known."""
    return {
        cell_of(row): Figure(value=row.stale, more={"open": row.deals, "unjudged": row.unjudged})
        for row in (await _ages(view))[0]
    }


def _entries(view: View) -> Source:
    query = f"""
        SELECT at, opportunity_id || '/' || phase AS key, phase AS kind, went_on AS numerator, true AS denominator,
               lead_id, cycle, opportunity_id, account_id, slice, jsonb_build_object('phase', phase) AS figures
        FROM ({_entered(view, whose=True)}) AS e
    """
    return Source(query, _bound(view))


def _changes(view: View) -> Source:
    query = f"""
        SELECT at, opportunity_id || '/' || at AS key, phase_before || '>' || phase AS kind, back AS numerator,
               true AS denominator, lead_id, cycle, opportunity_id, account_id, slice,
               jsonb_build_object('from', phase_before, 'to', phase) AS figures
        FROM ({_moved(view, whose=True)}) AS m
    """
    return Source(query, _bound(view))


def _open(numerator: str, denominator: str, where: str = "true") -> Records:
    def source(view: View) -> Source:
        query = f"""
            {_standing(view)}
            SELECT since AS at, opportunity_id::text AS key, coalesce(phase, '{UNSET}') AS kind,
                   {numerator} AS numerator, {denominator} AS denominator, lead_id, cycle, opportunity_id, account_id,
                   slice, jsonb_build_object('days', days, 'p90_of_won', p90) AS figures
            FROM standing WHERE period = {WHOLE} AND ({where})
        """
        return Source(query, _history(view))

    return source


METRICS = (
    Metric(
        "stage_conv",
        "フェーズ移行率",
        "Phase conversion",
        "ratio",
        "deals that reached a later phase or were won ÷ deals that came into a phase in the span, by phase",
        conversion,
        nothing,
        (COHORT,),
        records=_entries,
    ),
    Metric(
        "regress",
        "後戻り率",
        "Regressions",
        "ratio",
        "changes of phase that led back ÷ changes of phase, in the span",
        regressions,
        nothing,
        records=_changes,
    ),
    Metric(
        "age",
        "フェーズ滞留日数",
        "Days in phase",
        "days",
        f"days open deals have been in their phase {HELD}; value is the median",
        ages,
        no_value,
        (STOCK,),
        records=_open("true", "true"),
    ),
    Metric(
        "stale",
        "停滞商談数",
        "Stale deals",
        "count",
        f"open deals longer in their phase than nine of ten deals won in the year before as_of, {HELD}",
        stale,
        zero,
        (STOCK,),
        records=_open("true", "NULL::boolean", "days > p90"),
    ),
)
