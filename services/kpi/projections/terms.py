"""When contracts fall due: each term that the start of a contract or a renewal told."""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import MAXYEAR, date
from typing import Any
from uuid import UUID

from services.kpi.projections import facts as told
from services.kpi.projections.facts import Fact
from services.kpi.projections.opportunities import day
from services.kpi.projections.rows import Term
from services.kpi.projections.spells import follow


def fold_terms(facts: Iterable[Fact], latest: Mapping[str, str]) -> list[Term]:
    """`facts` of one customer, in order. Every version of every term; one whose end nobody told is none."""
    found: defaultdict[tuple[UUID, date], list[Term]] = defaultdict(list)
    for fact in facts:
        due_on = _due_on(fact.data) if fact.type in told.TERM_TYPES else None
        if due_on and fact.contract_id and fact.account_id:
            term = Term(
                account_id=fact.account_id,
                contract_id=fact.contract_id,
                due_on=due_on,
                at=fact.occurred_at,
                until=None,
                term_months=fact.data.get("term_months"),
                cycle=fact.cycle,
                dimensions=fact.dimensions,
                latest={**fact.dimensions, **latest},
            )
            follow(found[fact.contract_id, due_on], term)
    return [term for versions in found.values() for term in versions]


def _due_on(data: Mapping[str, Any]) -> date | None:
    """As told, else by the length of the term; the last day of a month that is too short."""
    starts_on, months = day(data, "starts_on"), data.get("term_months")
    if (told_day := day(data, "renewal_on")) or not starts_on or not months:
        return told_day
    year, month = divmod(starts_on.year * 12 + starts_on.month - 1 + months, 12)
    return date(year, month + 1, min(starts_on.day, monthrange(year, month + 1)[1])) if year <= MAXYEAR else None
