"""Downstream quality: what is still paid half a year after something was handed on, by what was handed on (metrics.md
F10). Everything is followed for the same time, so only what is that old counts. Never a ranking of persons.
"""

from decimal import Decimal
from functools import partial
from typing import Any

from services.kpi.metrics.deals import PRICED
from services.kpi.metrics.entries import HOLDS, counted, entered
from services.kpi.metrics.exchange import RATES, bound, money
from services.kpi.metrics.figures import COHORT, Figures, Metric, no_value, unpriced
from services.kpi.metrics.question import ALL, View, cell_of
from services.kpi.metrics.rates import NO_BASE, OF_DEALS
from services.kpi.metrics.records import Records, Source, shown
from services.kpi.schemas.figures import Figure

HALF_A_YEAR = 183
PRIOR_UNITS = 20
"""As many units of the company's average are added to each part, so that few cases say little."""


def _followed(view: View, milestone: str) -> str:
    """Entries with `matured`, and `kept`: the MRR their customers paid then, at most what was won of them. As SQL."""
    link = (
        "p.opportunity_id = e.opportunity_id"
        if milestone in OF_DEALS
        else "p.lead_id = e.lead_id AND p.cycle = e.cycle"
    )
    ripe = ", p.at + make_interval(days => :days) AS ripe"
    key = "milestone, subject, subject_cycle, ordinal"
    own = ", ".join(f"e.{column}" for column in key.split(", "))
    return f"""
        WITH {RATES}, e AS MATERIALIZED (
            SELECT e.*, e.ripe <= :until AS matured FROM ({entered(view, ripe)}) AS e
        ), deals AS (
            SELECT {key}, ripe, customer, sum(worth) AS worth, bool_or(told AND worth IS NULL) AS unpriced FROM (
                SELECT {own}, e.ripe, coalesce(p.account_id, p.lead_id, p.opportunity_id) AS customer {PRICED}
                FROM e JOIN {{schema}}.passage p ON p.milestone = 'won' AND {link} AND p.at >= e.at AND p.at <= e.ripe
                WHERE e.matured AND {HOLDS}
            ) AS w GROUP BY {key}, ripe, customer
        ), retained AS (
            SELECT {key}, sum(greatest(0, least(d.worth, paid.mrr))) AS kept,
                   bool_or(d.unpriced OR paid.unpriced) AS unpriced
            FROM deals d CROSS JOIN LATERAL (
                SELECT coalesce(sum(m.delta * r.factor), 0) AS mrr,
                       coalesce(bool_or(r.factor IS NULL), false) AS unpriced
                FROM {{schema}}.movement m LEFT JOIN rates r USING (currency)
                WHERE m.account_id = d.customer AND m.basis = 'booked' AND m.at <= d.ripe
            ) AS paid GROUP BY {key}
        )
        SELECT e.*, coalesce(t.kept, 0) AS kept, coalesce(t.unpriced, false) AS unpriced
        FROM e LEFT JOIN retained t USING ({key})
    """


def _bound(view: View, milestone: str) -> dict[str, Any]:
    days = view.question.window_days or HALF_A_YEAR
    return {"milestones": [milestone], "starts": view.starts, "days": days, **bound(view)}


def _summed(view: View, milestone: str) -> str:
    return f"""
        SELECT {view.shown}, {counted(view, "matured")} AS units, {counted(view, "NOT matured")} AS young,
               coalesce(sum(kept), 0) AS kept, bool_or(unpriced) AS unpriced
        FROM ({_followed(view, milestone)}) AS f {view.cells()} HAVING count(*) > 0
    """


async def _quality(view: View, milestone: str) -> Figures:
    """By cell; `value` is drawn towards the average of all, filtered by or not; `more.raw` is the plain quotient."""
    given = _bound(view, milestone)
    rows = {cell_of(row): row for row in await view.rows(_summed(view, milestone), given)}
    of_all = rows.get(ALL)
    if view.question.filters:
        everybody = view.with_question(filters={}, by=None, interval=None)
        found = await everybody.rows(_summed(everybody, milestone), _bound(everybody, milestone))
        of_all = found[0] if found else None
    average = of_all.kept / of_all.units if of_all and of_all.units else Decimal(0)
    unknown = of_all is not None and of_all.unpriced
    return {
        cell: unpriced() if row.unpriced or unknown else _figure(row, average, given["days"], view)
        for cell, row in rows.items()
    }


def _figure(row: Any, average: Decimal, days: int, view: View) -> Figure:
    more: dict[str, Any] = {"days": days, "immature": row.young, "raw": None}
    value = None
    if row.units:
        more["raw"] = money(row.kept / row.units, view).model_dump()
        value = money((row.kept + PRIOR_UNITS * average) / (row.units + PRIOR_UNITS), view)
    return Figure(
        value=value,
        numerator=money(row.kept, view),
        denominator=row.units,
        reason=None if row.units else NO_BASE,
        more=more,
    )


def _records(milestone: str) -> Records:
    def source(view: View) -> Source:
        rows = shown("'kept', kept, 'ripe_at', ripe", numerator="matured AND kept > 0", denominator="matured")
        return Source(f"SELECT {rows} FROM ({_followed(view, milestone)}) AS f", _bound(view, milestone))

    return source


_OF = (
    ("mql_quality", "後工程品質(MQL)", "Downstream quality of MQLs", "mql", "MQLs"),
    ("sql_quality", "後工程品質(SQL)", "Downstream quality of SQLs", "sql", "SQLs"),
    ("won_quality", "後工程品質(受注)", "Downstream quality of deals won", "won", "deals won"),
)
METRICS = tuple(
    Metric(
        id_,
        ja,
        en,
        "money",
        f"MRR paid `window` (183) days after they were handed on ÷ {units} of the span that are so old, drawn towards "
        f"the average of all, whatever is filtered by, as if {PRIOR_UNITS} average ones were among them",
        partial(_quality, milestone=milestone),
        no_value,
        (COHORT,),
        records=_records(milestone),
    )
    for id_, ja, en, milestone, units in _OF
)
