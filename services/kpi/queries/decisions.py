"""What kpi decided, as it holds."""

from collections import defaultdict
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, desc, exists, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from services.kpi import models
from services.kpi.domain.decisions import Decisions, Target, Version
from services.kpi.domain.periods import Period
from services.kpi.domain.stages import Cut
from services.kpi.models import DecisionVersion, SettingVersion, StageDefinition, TargetVersion
from shared.contracts import EVENTS

METRIC_TARGET = "metric_target"
"""The kind of decision that says what a metric is to reach."""


async def decisions(session: AsyncSession, whole: Period | None = None) -> Decisions:
    """Everything decided; targets only of periods within `whole`, of stages and of the company's metrics."""
    definition = await newest_definition(session)
    held: defaultdict[str, dict[date, Any]] = defaultdict(dict)
    for row in await session.scalars(select(SettingVersion).order_by(SettingVersion.version)):
        held[row.name][row.valid_from] = row.value  # of two for the same day the newer holds
    settings = {name: [Version(*found) for found in sorted(values.items())] for name, values in held.items()}
    found = []
    if whole is not None:
        within = (TargetVersion.from_date >= whole.start, TargetVersion.to_date <= whole.end)
        found = [target_of(row) for row in await session.scalars(newest_targets().where(*within))]
        found += [
            target
            for target in await _metric_targets(session)
            if whole.start <= target.period.start and target.period.end <= whole.end
        ]
    return Decisions(chain_of(definition), definition.version, settings, found)


async def newest_definition(session: AsyncSession) -> StageDefinition:
    query = select(StageDefinition).order_by(desc(StageDefinition.version)).limit(1)
    return (await session.scalars(query)).one()


def chain_of(definition: StageDefinition) -> tuple[Cut, ...]:
    return tuple(Cut(**stage) for stage in definition.stages)


def newest_targets() -> Select[TargetVersion]:
    key = (TargetVersion.period, TargetVersion.stage, TargetVersion.segment)
    return select(TargetVersion).ext(distinct_on(*key)).order_by(*key, desc(TargetVersion.version))


def target_of(row: TargetVersion) -> Target:
    return Target(Period(row.from_date, row.to_date), row.stage, row.segment, row.base, row.rate, row.goal)


async def _metric_targets(session: AsyncSession) -> list[Target]:
    """Of the company: the goal of a metric stands where that of a stage would."""
    bodies = [row.body for row in await newest_decisions(session, METRIC_TARGET)]
    return [
        Target(_period(body), body["metric"], "", None, None, body["value"])
        for body in bodies
        if body["level"] == "company"
    ]


def _period(body: dict[str, Any]) -> Period:
    return Period(date.fromisoformat(body["from_date"]), date.fromisoformat(body["to_date"]))


async def settings_on(session: AsyncSession, day: date) -> dict[str, SettingVersion]:
    """By name, the version that holds on `day`."""
    query = (
        select(SettingVersion)
        .ext(distinct_on(SettingVersion.name))
        .where(SettingVersion.valid_from <= day)
        .order_by(SettingVersion.name, desc(SettingVersion.valid_from), desc(SettingVersion.version))
    )
    return {row.name: row for row in await session.scalars(query)}


async def versions_of(session: AsyncSession, name: str) -> list[SettingVersion]:
    query = select(SettingVersion).where(SettingVersion.name == name).order_by(SettingVersion.version)
    return list(await session.scalars(query))


async def newest_decisions(session: AsyncSession, kind: str) -> list[DecisionVersion]:
    """All of a kind, by their ids."""
    key = DecisionVersion.decision_id
    query = select(DecisionVersion).ext(distinct_on(key)).where(DecisionVersion.kind == kind)
    return list(await session.scalars(query.order_by(key, desc(DecisionVersion.version))))


async def newest_decision(session: AsyncSession, kind: str, decision_id: str) -> DecisionVersion | None:
    query = (
        select(DecisionVersion)
        .where(DecisionVersion.kind == kind, DecisionVersion.decision_id == decision_id)
        .order_by(desc(DecisionVersion.version))
        .limit(1)
    )
    return (await session.scalars(query)).first()


async def newest_published(session: AsyncSession, whole: Period) -> DecisionVersion | None:
    """The plan published last for exactly this span, though it may have been taken up anew since."""
    body = DecisionVersion.body
    query = (
        select(DecisionVersion)
        .where(DecisionVersion.kind == "plan", body["state"].astext == "published")
        .where(body["from_date"].astext == str(whole.start), body["to_date"].astext == str(whole.end))
        .order_by(desc(DecisionVersion.set_at), desc(DecisionVersion.version))
        .limit(1)
    )
    return (await session.scalars(query)).first()


async def pulse(session: AsyncSession) -> int:
    """A number that moves whenever an answer may have changed."""
    found: Any = await session.scalar(select(func.max(models.pulse.c.version)))
    return int(found or 0)


async def came_due(session: AsyncSession, since: datetime, until: datetime) -> bool:
    """Whether anything is dated between (`until` left out): what was told ahead moves no pulse when its time comes."""
    dated = models.fact.c.occurred_at
    query = select(exists().where(models.fact.c.type.in_(list(EVENTS)), dated >= since, dated < until))  # by the index
    return bool(await session.scalar(query))
