"""The queue as one statement: what waits for work, in the order of `domain.priority.QueueRule`."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Float, Select, case, cast, func, literal, select

from services.inside_sales.domain.lifecycle import OPEN, Status
from services.inside_sales.domain.priority import QueueRule
from services.inside_sales.domain.valve import Thresholds
from services.inside_sales.models.prospect import ProspectRow
from services.inside_sales.models.valve import is_held

NEVER_HANDED = 0.0  # minutes: a prospect known only by its opportunity has not waited


def number(value: float) -> ColumnElement[float]:
    return cast(literal(value), Float)


def parts(rule: QueueRule, needed: Thresholds, now: datetime) -> dict[str, ColumnElement[Any]]:
    """Why a prospect stands where it stands, at `now`."""
    waited = func.coalesce(func.extract("epoch", now - ProspectRow.mql_at) / 60, NEVER_HANDED)
    score = cast(func.coalesce(ProspectRow.score, rule.default_score), Float) / 100
    held = is_held(needed, rule.default_score)
    sla = case(
        (ProspectRow.first_contact_at.is_not(None), number(1)),
        (ProspectRow.sla_due_at <= now, number(rule.sla_overdue)),
        (ProspectRow.sla_due_at <= now + timedelta(minutes=rule.sla_soon_minutes), number(rule.sla_soon)),
        else_=number(1),
    )
    return {
        "score_factor": func.greatest(score, number(rule.score_floor)),
        "age_factor": 1 + func.greatest(0, func.least(waited / number(rule.age_minutes), number(rule.age_cap))),
        "sla_factor": sla,
        "valve_factor": case((held, number(rule.held)), else_=number(1)),
        "waiting_minutes": waited,
        "held": held,
    }


def ordered(
    rule: QueueRule, needed: Thresholds, now: datetime, within: Mapping[str, str], *, held: bool
) -> Select[Any]:
    """Rows of (prospect, its parts …, priority), the best first: released work, or what the valve holds back.

    Free work only; with an `owner`, also what that person has and has not decided.
    """
    found = parts(rule, needed, now)
    product = found["score_factor"] * found["age_factor"] * found["sla_factor"] * found["valve_factor"]
    priority = cast(product, Float).label("priority")
    columns = [
        cast(column, Float).label(name) if name != "held" else column.label(name) for name, column in found.items()
    ]
    query = select(ProspectRow, *columns, priority)
    query = query.where(*_work(within), found["held"] if held else ~found["held"])
    return query.order_by(priority.desc(), ProspectRow.id)


def held_back(rule: QueueRule, needed: Thresholds, within: Mapping[str, str]) -> Select[Any]:
    """How many prospects the valve holds back."""
    return select(func.count()).where(*_work(within), is_held(needed, rule.default_score))


def _work(within: Mapping[str, str]) -> list[ColumnElement[bool]]:
    filters = [getattr(ProspectRow, name) == value for name, value in within.items()]
    if "owner" in within:
        return [ProspectRow.status.in_(OPEN), *filters]
    return [ProspectRow.status.in_((Status.WAITING, Status.ACCEPTED)), ProspectRow.claimed_by.is_(None), *filters]
