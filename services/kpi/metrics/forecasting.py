"""What the open pipeline is worth: weighted by the chance of each phase, and how fast it turns into deals."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from services.kpi.domain.decisions import PHASE_PROBABILITIES
from services.kpi.metrics.deals import PRICED, cycle_days, open_at_end
from services.kpi.metrics.entries import NONE, SAME, entered, entries
from services.kpi.metrics.exchange import RATES, bound, major, money
from services.kpi.metrics.figures import HELD, STOCK, Figures, Metric, no_money, no_value, unpriced
from services.kpi.metrics.question import WINDOWS, Cell, View, cell_of, held
from services.kpi.metrics.rates import NO_BASE
from services.kpi.metrics.records import Source, entries_of, shown
from services.kpi.schemas.figures import Figure

INSUFFICIENT = "insufficient_history"
LEAST_CLOSED = 20  # deals closed before a chance is learned from them
STRENGTH = 20  # how many deals the overall rate weighs against those of a phase


CLOSED_BY_PHASE = """
    WITH closed AS (
        SELECT opportunity_id, status FROM {schema}.opportunity_state
        WHERE status IN ('won', 'lost') AND at <= :as_of AND (until IS NULL OR until > :as_of)
    )
    SELECT s.phase, count(DISTINCT c.opportunity_id) AS closed,
           count(DISTINCT c.opportunity_id) FILTER (WHERE c.status = 'won') AS won,
           (SELECT count(*) FROM closed) AS whole, (SELECT count(*) FROM closed WHERE status = 'won') AS all_won
    FROM closed c JOIN {schema}.opportunity_state s ON s.opportunity_id = c.opportunity_id AND s.status = 'open'
    WHERE s.phase IS NOT NULL AND s.at <= :as_of GROUP BY s.phase
"""
"""Deals closed by as_of, by the phases they had been in; and all of them."""


async def chances(view: View) -> Mapping[str, float] | None:
    """The chance to win by phase: as decided, else as learned from the deals closed by as_of; None where too few.

    Learned ones are drawn towards the rate of all: (won of the phase + m * rate) / (closed of the phase + m), m = 20.
    """
    decided: dict[str, float] | None = view.decisions.setting(PHASE_PROBABILITIES, view.question.whole.start)
    if decided is not None:
        return decided
    rows = await view.rows(CLOSED_BY_PHASE)
    if not rows or rows[0].whole < LEAST_CLOSED:
        return None
    overall = rows[0].all_won / rows[0].whole
    return {row.phase: (row.won + STRENGTH * overall) / (row.closed + STRENGTH) for row in rows}


async def weighted(view: View) -> Figures:
    known = await chances(view)
    query = f"""
        WITH {RATES}, {WINDOWS},
        chances AS (SELECT * FROM unnest(CAST(:phases AS text[]), CAST(:chances AS numeric[])) AS c(phase, chance))
        SELECT {view.window_shown}, count(*) AS deals, sum(worth) AS total, sum(worth * chance) AS weighted,
               count(*) FILTER (WHERE told AND worth IS NULL) AS unpriced,
               count(*) FILTER (WHERE chance IS NULL) AS without_chance
        FROM (
            SELECT w.period, {view.slice} AS slice, c.chance {PRICED}
            FROM windows w JOIN {{schema}}.opportunity_state p
              ON p.status = 'open' AND {held("w.ends")}
            LEFT JOIN chances c ON c.phase = p.phase
            {SAME} WHERE true {view.filters}
        ) AS e {view.window_cells()}
    """
    given = {"phases": list(known or ()), "chances": [Decimal(str(chance)) for chance in (known or {}).values()]}
    rows = await view.rows(query, {**view.windows, **bound(view), **given})
    return {cell_of(row): _weighted(row, view, known) for row in rows}


def _weighted(row: Any, view: View, known: Mapping[str, float] | None) -> Figure:
    if row.unpriced:
        return unpriced()
    if known is None:
        return Figure(value=None, reason=INSUFFICIENT, more={"deals": row.deals})
    more = {
        "deals": row.deals,
        "open": money(row.total, view).model_dump(),
        "without_phase": row.without_chance,
        "chances": dict(known),
    }
    return Figure(value=money(row.weighted, view), more=more)


async def velocity(view: View) -> Figures:
    """Opportunities opened x win rate x mean MRR won / mean cycle in days: MRR a day, for diagnosis only."""
    counts, days, worth = (
        await entries(view, ["opportunity", "won", "lost"]),
        await cycle_days("won")(view),
        await won_worth(view),
    )
    found = {}
    for cell, each in counts.items():
        won, closed = each.get("won", NONE).value, each.get("won", NONE).value + each.get("lost", NONE).value
        found[cell] = _velocity(each.get("opportunity", NONE).value, won, closed, days.get(cell), worth.get(cell), view)
    return found


async def won_worth(view: View) -> Mapping[Cell, Any]:
    """Sum and mean of the values of the deals won in the span, and how many have one, by cell."""
    query = f"""
        WITH {RATES}
        SELECT {view.shown}, avg(worth) AS mean, sum(worth) AS total, count(worth) AS valued,
               count(*) FILTER (WHERE told AND worth IS NULL) AS unpriced
        FROM ({entered(view, PRICED)}) AS e {view.cells()}
    """
    rows = await view.rows(query, {"milestones": ["won"], "starts": view.starts, **bound(view)})
    return {cell_of(row): row for row in rows}


def _velocity(opened: int, won: int, closed: int, days: Figure | None, worth: Any, view: View) -> Figure:
    mean_days = days.more["mean"] if days else None
    if worth is not None and worth.unpriced:
        return unpriced()
    if not closed or not mean_days or worth is None or worth.mean is None:
        return Figure(value=None, reason=NO_BASE)
    rate = Decimal(opened) * Decimal(won) / Decimal(closed) * worth.mean / Decimal(str(mean_days))
    more = {
        "opportunities": opened,
        "win_rate": won / closed,
        "mean_won": money(worth.mean, view).model_dump(),
        "mean_days": mean_days,
        "exact": major(rate, view),
    }
    return Figure(value=money(rate, view), more=more)


async def won_per_mql(view: View) -> Figures:
    """MRR won in the span by MQLs of the span: what a hand-over of marketing was worth in the end."""
    counts, found = await entries(view, ["mql"]), {}
    totals = await won_worth(view)
    for cell in {*counts, *totals}:
        number, row = counts.get(cell, {}).get("mql", NONE).value, totals.get(cell)
        total = row.total or Decimal(0) if row else Decimal(0)
        if row and row.unpriced:
            found[cell] = unpriced()
            continue
        found[cell] = Figure(
            value=money(total / number, view) if number else None,
            numerator=money(total, view),
            denominator=number,
            reason=None if number else NO_BASE,
        )
    return found


def _deals(view: View) -> Source:
    return entries_of(view, ["opportunity", "won", "lost"], figures="'since', since")


def _mqls(view: View) -> Source:
    rows = shown("'worth', worth", numerator="milestone = 'won'", denominator="milestone = 'mql'")
    query = f"WITH {RATES} SELECT {rows} FROM ({entered(view, PRICED)}) AS e"
    return Source(query, {"milestones": ["mql", "won"], "starts": view.starts, **bound(view)})


_CHANCES = "by phase: as decided, or learned from closed deals and drawn towards the rate of all"
METRICS = (
    Metric(
        "weighted",
        "加重パイプライン",
        "Weighted pipeline",
        "money",
        f"Σ chance x value of open deals {HELD}; chances {_CHANCES}",
        weighted,
        no_money,
        (STOCK,),
        records=open_at_end,
    ),
    Metric(
        "velocity",
        "セールスベロシティ(1日あたり)",
        "Sales velocity a day",
        "money",
        "opportunities opened x win rate x mean value won ÷ mean cycle in days",
        velocity,
        no_value,
        records=_deals,
    ),
    Metric(
        "won_per_mql",
        "MQLあたり受注金額",
        "Value won per MQL",
        "money",
        "value won ÷ MQLs, both of the span",
        won_per_mql,
        no_value,
        records=_mqls,
    ),
)
