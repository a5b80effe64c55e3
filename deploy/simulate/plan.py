"""What the company planned: targets of every month and the settings figures are read by."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from deploy.simulate.chronicle import Chronicle
from shared.clock import day_of, start_of_day

AMBITION = 1.08  # targets lie a little above what usually comes
SMOOTH = 3  # months whose mean a plan is made from
SETTINGS: Mapping[str, Any] = {
    "gross_margin": 0.78,
    "response_sla_minutes": 60,
    "business_hours": {"from": 9, "to": 18, "days": "Mon-Fri"},
    "obligation_sla_days": 14,
    "onboarding_target_days": 45,
    "phase_probabilities": {"discovery": 0.2, "proposal": 0.5, "negotiation": 0.8, "approval": 0.9},
}
RETAINED = 0.985  # of the customers, a month
COUNTED = ("visitor", "mql", "opportunity", "won")

Target = tuple[str, dict[str, Any]]


def targets(told: Chronicle) -> Iterator[Target]:
    """Month and body, for every stage of every month the history touches, the current one too."""
    made = _entries(told)
    names = sorted({day.strftime("%Y-%m") for day, _, _ in told.visits} | {told.end.strftime("%Y-%m")})
    customers = float(len(told.old_book))
    for place, name in enumerate(names):
        usual = names[max(0, place - SMOOTH) : place] or names[:SMOOTH]
        mean = {what: sum(made[month][what] for month in usual) / len(usual) for what in COUNTED}
        chain = (("marketing", "visitor", "mql"), ("inside_sales", "mql", "opportunity"))
        for stage, base, goal in (*chain, ("field_sales", "opportunity", "won")):
            yield name, _target(stage, mean[base] * AMBITION, mean[goal] * AMBITION)
        customers += mean["won"]
        yield name, _target("customer_success", customers, customers * RETAINED)


def _target(stage: str, base: float, goal: float) -> dict[str, Any]:
    base = max(1, round(base))
    return {"stage": stage, "base": float(base), "goal": float(min(base, max(1, round(goal))))}


def _entries(told: Chronicle) -> dict[str, Counter[str]]:
    """Month → milestone → how many reached it then."""
    end = start_of_day(told.end)
    found: dict[str, Counter[str]] = defaultdict(Counter)

    def enter(what: str, at: date | datetime | None, count: int = 1) -> None:
        if isinstance(at, datetime):
            at = day_of(at) if at < end else None
        if at is not None:
            found[at.strftime("%Y-%m")][what] += count

    for day, _, visitors in told.visits:
        enter("visitor", day, visitors)
    for cycle in (cycle for lead in told.leads for cycle in lead.cycles):
        enter("mql", cycle.mql_at)
        if cycle.deal:
            enter("opportunity", cycle.deal.opened_at)
            enter("won", cycle.deal.closed_at if cycle.deal.won else None)
    return found
