"""The rules field sales works by, as its commands read them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from services.field_sales.domain.phases import Phase, Phases
from services.field_sales.domain.slots import BusinessHours
from services.field_sales.models import RuleRow
from services.field_sales.schemas.rules import DiscoveryRule, HoursRule, PhasesRule
from shared.rules import Kind, Rulebook

RULES = Rulebook(
    RuleRow,
    Kind("phases", PhasesRule, "商談フェーズ", "Phases"),
    Kind("discovery", DiscoveryRule, "ヒアリング項目", "Discovery items"),
    Kind("business_hours", HoursRule, "訪問可能な時間", "Business hours"),
)


async def phases(session: AsyncSession, at: datetime) -> Phases:
    found = await RULES.in_force(session, PhasesRule, at)
    phases = [Phase(p.code, p.required, p.probability, p.ja, p.en) for p in found.rule.phases]
    return Phases(tuple(phases), found.rule.to_win, found.version)


async def discovery(session: AsyncSession, at: datetime) -> DiscoveryRule:
    return (await RULES.in_force(session, DiscoveryRule, at)).rule


async def scales(session: AsyncSession, at: datetime) -> Mapping[str, Sequence[str]]:
    """Field of the hand-over → its codes, from the least to the most promising."""
    rule = await discovery(session, at)
    return {name: [label.code for label in getattr(rule, name)] for name in DiscoveryRule.model_fields}


async def business_hours(session: AsyncSession, at: datetime) -> BusinessHours:
    rule = (await RULES.in_force(session, HoursRule, at)).rule
    return BusinessHours(
        ZoneInfo(rule.timezone),
        frozenset(rule.weekdays),
        tuple((stretch.opens, stretch.closes) for stretch in rule.hours),
        frozenset(rule.holidays),
        timedelta(minutes=rule.slot_minutes),
    )
