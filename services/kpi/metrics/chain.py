"""The chain as a product of factors, from visitors to deals won: what it was, what it should have been, which factor
costs most, and what a goal needs of each (metrics.md 2a and 2b).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from services.kpi.domain.decisions import REFERENCE_RATES
from services.kpi.metrics.acquisition import web_leads
from services.kpi.metrics.decomposition import Gap, backwards, decompose, probability_below, product_interval
from services.kpi.metrics.entries import NONE, Entries, entries
from services.kpi.metrics.question import Cell, View
from services.kpi.metrics.statistics import wilson

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
CONFIRMED, SUSPECTED, NO_EVIDENCE = "confirmed", "suspected", "none"


@dataclass(frozen=True)
class Factors:
    """`counts` are k and n of each; a factor is k / n, visitors are a count."""

    counts: Mapping[str, tuple[int, int]]

    @property
    def rates(self) -> dict[str, float]:
        return {name: over / under if under else 0.0 for name, (over, under) in self.counts.items()}

    @property
    def won(self) -> float:
        return prod(self.rates.values())


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


@dataclass(frozen=True)
class Reference:
    """What the chain is held against, and where that comes from: decided rates, or an earlier span."""

    rates: Mapping[str, float]
    source: str


def decided(view: View) -> Reference | None:
    """The rates decided for the span; a factor nobody decided on is 1."""
    rates: Mapping[str, float] | None = view.decisions.setting(REFERENCE_RATES, view.question.whole.start)
    if rates is None or VISITORS not in rates:
        return None
    return Reference({name: rates.get(name, 1.0) for name in DEPARTMENTS}, "target")


@dataclass(frozen=True)
class Suspect:
    """One factor of a gap. `probability` that its true rate lies below the reference; None where it is no share."""

    factor: str
    contribution: float
    actual: float
    reference: float
    counts: tuple[int, int]
    ci95: tuple[float, float] | None
    probability: float | None

    @property
    def evidence(self) -> str:
        """0.90 and more confirmed, 0.70 and more suspected."""
        if self.probability is None or self.probability < 0.7:
            return NO_EVIDENCE
        return CONFIRMED if self.probability >= 0.9 else SUSPECTED


def examined(found: Factors, reference: Reference) -> tuple[Gap, list[Suspect]]:
    """The gap and each of its factors, in the order of the chain."""
    gap = decompose(found.rates, reference.rates)
    suspects = []
    for name, wanted in reference.rates.items():
        over, under = found.counts[name]
        share = name in SHARES and under > 0
        suspects.append(
            Suspect(
                name,
                gap.parts.get(name, 0.0),
                found.rates[name],
                wanted,
                (over, under),
                wilson(over, under) if share else None,
                probability_below(min(over, under), under, wanted) if share else None,
            )
        )
    return gap, suspects


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
