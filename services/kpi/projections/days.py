"""What is told in sums, of a day (visits, spend) or a week (use): the last told of it holds."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date
from typing import TypeVar

from services.kpi.projections.facts import Fact, in_order
from services.kpi.projections.rows import DayFigure, UsedWeek
from services.kpi.projections.spells import Lasting, follow

Row = TypeVar("Row", bound=Lasting)


def fold_days(facts: Iterable[Fact]) -> list[DayFigure]:
    """Every version of every day's figure that was ever told, of one kind of fact."""
    return _versions(facts, _figure)


def fold_weeks(facts: Iterable[Fact]) -> list[UsedWeek]:
    """Every version of every customer's weeks of use that was ever told."""
    return _versions((fact for fact in facts if fact.account_id), _week)


def _versions(facts: Iterable[Fact], row: Callable[[str, Fact], Row]) -> list[Row]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for fact in in_order(facts):
        if fact.reference is not None:
            follow(found[fact.reference], row(fact.reference, fact))
    return [version for versions in found.values() for version in versions]


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


def _week(key: str, fact: Fact) -> UsedWeek:
    assert fact.account_id
    return UsedWeek(
        key=key,
        account_id=fact.account_id,
        week=date.fromisoformat(fact.data["week"]),
        at=fact.occurred_at,
        until=None,
        count=int(fact.data["count"]),
        active_days=fact.data.get("active_days"),
    )
