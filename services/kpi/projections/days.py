"""Visits and spend: one figure a day, channel and campaign; the last told holds."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from services.kpi.projections.facts import Fact, in_order
from services.kpi.projections.rows import DayFigure
from services.kpi.projections.spells import follow


def fold_days(facts: Iterable[Fact]) -> list[DayFigure]:
    """Every version of every day's figure that was ever told, of one kind of fact."""
    found: defaultdict[str, list[DayFigure]] = defaultdict(list)
    for fact in in_order(facts):
        if fact.reference is None:
            continue
        follow(found[fact.reference], _figure(fact.reference, fact))
    return [figure for versions in found.values() for figure in versions]


def _figure(key: str, fact: Fact) -> DayFigure:
    return DayFigure(
        key=key,
        day=date.fromisoformat(fact.data["date"]),
        channel=fact.data["channel"],
        campaign=fact.data.get("campaign"),
        at=fact.occurred_at,
        until=None,
        figure=fact.amount.amount if fact.amount else int(fact.data["visitors"]),
        currency=fact.amount.currency if fact.amount else None,
    )
