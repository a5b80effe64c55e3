"""What came of forecasts that were kept, and where each went wrong: parts that add up to its error.

A method's forecast is closed + Σ chance x value of each open deal + what it expects to come new. So is its error:

- won: a deal that was due and is won was given less than certainty; pulled_in: the same of one that was not due
- lost, slipped: what was expected of deals that were lost, or not won within the period
- amount_changed: won for another value than was known
- reversed: a win that was counted is taken back
- reopened: won, though it had been lost; told_late: had happened, and nobody had told it yet
- created_and_closed: opened and won after the moment, less what was expected of such deals
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.kpi.domain.periods import Period
from services.kpi.metrics.deals import PRICED
from services.kpi.metrics.entries import HOLDS
from services.kpi.metrics.exchange import RATES, bound
from services.kpi.metrics.question import View, held

PARTS = (
    *("won", "pulled_in", "lost", "slipped", "amount_changed"),
    *("reversed", "reopened", "told_late", "created_and_closed"),
)
ZERO = Decimal(0)


@dataclass(frozen=True)
class Expected:
    """What a method said then, in minor units; `new` is what of it was not open yet."""

    value: Decimal | None
    low: Decimal | None = None
    high: Decimal | None = None
    new: Decimal = ZERO


@dataclass(frozen=True)
class Frozen:
    """A forecast that was kept: of which period, when."""

    key: str
    period: str
    span: Period
    horizon: str
    at: datetime
    caught_up: bool
    methods: Mapping[str, Expected]


@dataclass(frozen=True)
class Fate:
    """Deals that were open: how many of a method, category and end; Σ chance, Σ (chance - came)², and values."""

    method: str
    category: str | None
    due: bool
    end: str
    deals: int
    odds: Decimal
    squared: Decimal
    expected: Decimal
    then: Decimal
    now: Decimal


@dataclass(frozen=True)
class Came:
    """`fates` of what was open and `others` that were not, by the key of the forecast."""

    actual: Decimal
    unpriced: bool
    fates: Mapping[str, Sequence[Fate]]
    others: Mapping[str, Mapping[str, tuple[Decimal, Decimal]]]


_TABLES = f"""
    WITH {RATES}, asked AS (
        SELECT * FROM unnest(CAST(:keys AS text[]), CAST(:moments AS timestamptz[])) AS a(key, moment)
    ), kept AS MATERIALIZED (
        SELECT a.key, a.moment, v.body FROM asked a
        JOIN public.decision_version v ON v.kind = :kind AND v.decision_id = a.key AND v.version = 1
    ), deals AS MATERIALIZED (
        SELECT k.key, d.* FROM kept k, jsonb_to_recordset(k.body -> 'open')
            AS d(id uuid, value numeric, category text, due boolean, odds jsonb)
    ), before AS MATERIALIZED (
        SELECT k.key, d.* FROM kept k, jsonb_to_recordset(k.body -> 'won') AS d(id uuid, value numeric)
    ), won AS MATERIALIZED (
        SELECT p.opportunity_id AS id, coalesce(worth, 0) AS value, p.at, told AND worth IS NULL AS unpriced
        FROM (SELECT p.* {PRICED} FROM {{schema}}.passage p
              WHERE p.milestone = 'won' AND p.at >= :from AND p.at < :to AND {HOLDS}) AS p
    )
"""


def _state(key: str, moment: str) -> str:
    return f"LEFT JOIN {{schema}}.opportunity_state s ON s.opportunity_id = {key} AND {held(moment, 's')}"


_ACTUAL = f"{_TABLES} SELECT coalesce(sum(value), 0) AS actual, coalesce(bool_or(unpriced), false) AS unpriced FROM won"
_FATES = f"""
    {_TABLES}, ended AS MATERIALIZED (
        SELECT d.*, coalesce(w.value, 0) AS now,
               CASE WHEN w.id IS NOT NULL THEN 'won' WHEN s.status = 'lost' THEN 'lost'
                    WHEN s.status = 'won' THEN 'reversed' ELSE 'slipped' END AS end
        FROM deals d LEFT JOIN won w USING (id) {_state("d.id", ":to")}
    ), judged AS (
        SELECT e.*, m.method, coalesce((e.odds ->> m.method)::numeric, 0) AS chance,
               CASE WHEN e.end = 'won' THEN 1 ELSE 0 END AS came
        FROM ended e, unnest(CAST(:methods AS text[])) AS m(method)
    )
    SELECT key, method, category, due, "end", count(*) AS deals, sum(chance) AS odds,
           sum((chance - came) ^ 2) AS squared, sum(chance * value) AS expected, sum(value) AS "then", sum(now) AS now
    FROM judged GROUP BY key, method, category, due, "end"
"""
_OTHERS = f"""
    {_TABLES}
    SELECT b.key, CASE WHEN w.id IS NULL THEN 'reversed' ELSE 'amount_changed' END AS part,
           sum(b.value) AS "then", coalesce(sum(w.value), 0) AS now
    FROM before b LEFT JOIN won w USING (id) GROUP BY 1, 2
    UNION ALL
    SELECT k.key, CASE WHEN w.at < k.moment OR s.status = 'open' THEN 'told_late'
                       WHEN s.status IN ('lost', 'won') THEN 'reopened' ELSE 'created_and_closed' END,
           0, sum(w.value)
    FROM kept k CROSS JOIN won w {_state("w.id", "k.moment")}
    WHERE NOT EXISTS (SELECT FROM deals d WHERE d.key = k.key AND d.id = w.id)
      AND NOT EXISTS (SELECT FROM before b WHERE b.key = k.key AND b.id = w.id)
    GROUP BY 1, 2
"""


async def came(view: View, frozen: Sequence[Frozen], kind: str, methods: Sequence[str]) -> Came:
    """`view` is of now, its span is the period; `kind` is under what the deals were kept, `methods` weigh each deal."""
    given: dict[str, Any] = {
        "keys": [one.key for one in frozen],
        "moments": [one.at for one in frozen],
        "kind": kind,
        "methods": list(methods),
        **bound(view),
    }
    whole = (await view.rows(_ACTUAL, given))[0]
    fates: dict[str, list[Fate]] = {}
    for row in await view.rows(_FATES, given):
        told = dict(row._mapping)
        fates.setdefault(told.pop("key"), []).append(Fate(**told))
    others: dict[str, dict[str, tuple[Decimal, Decimal]]] = {}
    for row in await view.rows(_OTHERS, given):
        others.setdefault(row.key, {})[row.part] = (row.then, row.now)
    return Came(whole.actual, whole.unpriced, fates, others)


def split(
    method: str, new: Decimal, fates: Iterable[Fate], others: Mapping[str, tuple[Decimal, Decimal]]
) -> dict[str, Decimal]:
    """The error of one forecast in PARTS. `fates` may be of every method."""
    found = dict.fromkeys(PARTS, ZERO)
    for fate in fates:
        if fate.method != method:
            continue
        if fate.end == "won":
            found["won" if fate.due else "pulled_in"] += fate.expected - fate.then
            found["amount_changed"] += fate.then - fate.now
        else:
            found[fate.end] += fate.expected
    for part, (then, now) in others.items():
        found[part] += then - now
    found["created_and_closed"] += new
    return found
