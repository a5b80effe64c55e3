"""The rules that are data: which version is in force, and how a new one comes in."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.field_sales.domain.phases import Phase, Phases
from services.field_sales.domain.slots import BusinessHours
from services.field_sales.models import RuleRow
from services.field_sales.schemas.rules import RULES, DiscoveryRule, HoursRule, PhasesRule
from shared.database import Transaction
from shared.errors import Invalid, NotFound


async def in_force(session: AsyncSession, name: str, at: datetime) -> RuleRow:
    """The version that held at `at`; of two valid from the same time the later one."""
    query = select(RuleRow).where(RuleRow.name == name, RuleRow.valid_from <= at)
    row = await session.scalar(query.order_by(RuleRow.valid_from.desc(), RuleRow.version.desc()).limit(1))
    if row is None:
        raise NotFound(f"No version of the rule {name} held at {at.isoformat()}")
    return row


async def phases(session: AsyncSession, at: datetime) -> Phases:
    row = await in_force(session, "phases", at)
    rule = PhasesRule.model_validate(row.content)
    found = [Phase(p.code, p.required, p.probability, p.ja, p.en) for p in rule.phases]
    return Phases(tuple(found), rule.to_win, row.version)


async def discovery(session: AsyncSession, at: datetime) -> DiscoveryRule:
    return DiscoveryRule.model_validate((await in_force(session, "discovery", at)).content)


async def scales(session: AsyncSession, at: datetime) -> Mapping[str, Sequence[str]]:
    """Field of the hand-over → its codes, from the least to the most promising."""
    rule = await discovery(session, at)
    return {name: [label.code for label in getattr(rule, name)] for name in DiscoveryRule.model_fields}


async def business_hours(session: AsyncSession, at: datetime) -> BusinessHours:
    rule = HoursRule.model_validate((await in_force(session, "business_hours", at)).content)
    return BusinessHours(
        ZoneInfo(rule.timezone),
        frozenset(rule.weekdays),
        tuple((stretch.opens, stretch.closes) for stretch in rule.hours),
        frozenset(rule.holidays),
        timedelta(minutes=rule.slot_minutes),
    )


async def set_rule(
    tx: Transaction, name: str, content: Mapping[str, object], *, valid_from: datetime, by: str, now: datetime
) -> RuleRow:
    """A new version; earlier acts keep being judged by the version of their time. Raises Invalid."""
    try:
        rule = RULES[name].model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in ("content", *first["loc"]))
        raise Invalid(place, first["msg"]) from error
    newest = await tx.session.scalar(select(func.max(RuleRow.version)).where(RuleRow.name == name))
    row = RuleRow(
        name=name,
        version=(newest or 0) + 1,
        valid_from=valid_from,
        content=rule.model_dump(mode="json"),
        by=by,
        recorded_at=now,
    )
    tx.add(row)
    return row
