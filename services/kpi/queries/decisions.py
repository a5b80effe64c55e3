"""What kpi decided, as it holds."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, desc, exists, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from services.kpi import models
from services.kpi.domain.decisions import Decisions, Target, Version
from services.kpi.domain.periods import Period
from services.kpi.domain.stages import Chain, Cut
from services.kpi.models import DecisionVersion, SettingVersion, StageDefinition, TargetVersion
from shared.contracts import EVENTS

METRIC_TARGET = "metric_target"
"""The kind of decision that says what a metric is to reach."""


async def decisions(session: AsyncSession, whole: Period | None = None, by: datetime | None = None) -> Decisions:
    """Everything decided by a moment, or until now; targets only of periods within `whole`, of stages and of the
    company's metrics. Before the first chain was cut, the one that ships held."""
    definition = await definition_at(session, by)
    held: defaultdict[str, dict[date, Any]] = defaultdict(dict)
    query = select(SettingVersion).where(*_by(SettingVersion.set_at, by)).order_by(SettingVersion.version)
    for row in await session.scalars(query):
        held[row.name][row.valid_from] = row.value  # of two for the same day the newer holds
    settings = {name: [Version(*found) for found in sorted(values.items())] for name, values in held.items()}
    found = []
    if whole is not None:
        within = (TargetVersion.from_date >= whole.start, TargetVersion.to_date <= whole.end)
        found = [target_of(row) for row in await session.scalars(newest_targets(by).where(*within))]
        found += [
            target
            for target in await _metric_targets(session, by)
            if whole.start <= target.period.start and target.period.end <= whole.end
        ]
    segments = {name: chain_of(stages) for name, stages in definition.segments.items()}
    return Decisions(chain_of(definition.stages), definition.version, settings, found, segments)


def _by(set_at: InstrumentedAttribute[datetime], by: datetime | None) -> list[ColumnElement[bool]]:
    """Only versions decided by a moment."""
    return [] if by is None else [set_at <= by]


async def definition_at(session: AsyncSession, by: datetime | None = None) -> StageDefinition:
    """The chain as it was cut by a moment or until now; before the first there was, that one."""
    query = select(StageDefinition).where(*_by(StageDefinition.set_at, by))
    found = (await session.scalars(query.order_by(desc(StageDefinition.version)).limit(1))).first()
    return found or (await session.scalars(select(StageDefinition).order_by(StageDefinition.version).limit(1))).one()


def chain_of(stages: Sequence[Mapping[str, str]]) -> Chain:
    return tuple(Cut(**stage) for stage in stages)


def newest_targets(by: datetime | None = None) -> Select[TargetVersion]:
    key = (TargetVersion.period, TargetVersion.stage, TargetVersion.segment)
    query = select(TargetVersion).ext(distinct_on(*key)).where(*_by(TargetVersion.set_at, by))
    return query.order_by(*key, desc(TargetVersion.version))


def target_of(row: TargetVersion) -> Target:
    return Target(Period(row.from_date, row.to_date), row.stage, row.segment, row.base, row.rate, row.goal)


async def _metric_targets(session: AsyncSession, by: datetime | None) -> list[Target]:
    """Of the company: the goal of a metric stands where that of a stage would."""
    bodies = [row.body for row in await newest_decisions(session, METRIC_TARGET, by)]
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


async def newest_decisions(session: AsyncSession, kind: str, by: datetime | None = None) -> list[DecisionVersion]:
    """All of a kind, as decided by a moment or until now, by their ids."""
    key = DecisionVersion.decision_id
    query = select(DecisionVersion).ext(distinct_on(key)).where(DecisionVersion.kind == kind)
    query = query.where(*_by(DecisionVersion.set_at, by))
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
    found: Any = await session.scalar(select(func.max(models.standing.pulse.c.version)))
    return int(found or 0)


async def came_due(session: AsyncSession, since: datetime, until: datetime) -> bool:
    """Whether anything is dated between (`until` left out): what was told ahead moves no pulse when its time comes."""
    dated = models.fact.c.occurred_at
    query = select(exists().where(models.fact.c.type.in_(list(EVENTS)), dated >= since, dated < until))  # by the index
    return bool(await session.scalar(query))
