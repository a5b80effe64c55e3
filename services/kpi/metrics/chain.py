"""The chain as a product of factors, from visitors to deals won, and what a goal needs of each (metrics.md 2b)."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from services.kpi.metrics.acquisition import web_leads
from services.kpi.metrics.decomposition import backwards, product_interval
from services.kpi.metrics.entries import NONE, Entries, entries
from services.kpi.metrics.question import Cell, View

VISITORS, WEB, UPLIFT = "visitors", "visitor_to_lead", "offline_recycle_uplift"
MQL, SQL, ACCEPT, OUTSIDE, WON = "lead_to_mql", "mql_to_sql", "sql_accept", "outside_opportunities", "opp_to_won"
DEPARTMENTS: Mapping[str, str] = {
    **dict.fromkeys((VISITORS, WEB, UPLIFT, MQL), "marketing"),
    **dict.fromkeys((SQL, ACCEPT), "inside_sales"),
    **dict.fromkeys((OUTSIDE, WON), "field_sales"),
}
"""Every factor in the order of the chain, and whose it is."""
SHARES = (WEB, MQL, SQL, ACCEPT, WON)
"""The factors that are shares k / n; the others count, or scale what comes by other ways."""


@dataclass(frozen=True)
class Factors:
    """`counts` are k and n of each; a factor is k / n, visitors are a count."""

    counts: Mapping[str, tuple[int, int]]

    def __add__(self, other: "Factors") -> "Factors":
        """Both together: the factors of several slices as one."""
        return self._with(other, 1)

    def __sub__(self, other: "Factors") -> "Factors":
        """Without some slices."""
        return self._with(other, -1)

    def _with(self, other: "Factors", sign: int) -> "Factors":
        found = {
            name: (over + sign * other.counts[name][0], under + sign * other.counts[name][1])
            for name, (over, under) in self.counts.items()
        }
        return Factors({**found, VISITORS: (found[VISITORS][0], 1)})

    @property
    def rates(self) -> dict[str, float]:
        return {name: over / under if under else 0.0 for name, (over, under) in self.counts.items()}

    @property
    def won(self) -> float:
        return prod(self.rates.values())


NOTHING = Factors(dict.fromkeys(DEPARTMENTS, (0, 0)))


async def factors(view: View) -> Mapping[Cell, Factors]:
    """Of each cell, by entries in the span."""
    counts, web = await entries(view, ["visitor", "lead", "mql", "sql", "opportunity", "won"]), await web_leads(view)
    return {cell: _of(found, web.get(cell, 0)) for cell, found in counts.items()}


def _of(found: Mapping[str, Entries], web: int) -> Factors:
    visitors, leads, mql, sql, opportunity, won = (
        found.get(name, NONE) for name in ("visitor", "lead", "mql", "sql", "opportunity", "won")
    )
    return Factors(
        {
            VISITORS: (visitors.value, 1),
            WEB: (web, visitors.value),
            UPLIFT: (leads.value, web),
            MQL: (mql.value, leads.value),
            SQL: (sql.value, mql.value),
            ACCEPT: (opportunity.chained, sql.value),
            OUTSIDE: (opportunity.value, opportunity.chained),
            WON: (won.value, opportunity.value),
        }
    )


def requirement(rates: Mapping[str, float], goal: float, average: float) -> dict[str, float]:
    """What each step needs for a goal in money, `average` being what a deal is worth; in reals, last step first."""
    chain = {
        "visitors": rates[WEB],
        "web_leads": rates[UPLIFT],
        "lead_cycles": rates[MQL],
        "mql": rates[SQL],
        "sql": rates[ACCEPT] * rates[OUTSIDE],
        "opportunities": rates[WON],
        "deals": average,
    }
    return backwards(goal, chain)


def lead_to_won(found: Factors) -> tuple[float, float] | None:
    """95 % of the product of the shares from lead to won."""
    return product_interval({name: found.counts[name] for name in (MQL, SQL, ACCEPT, WON)})
