"""What kpi decides itself. Each decision is a new version; deciding what holds already changes nothing.

Every act raises Stale where the caller's If-Match is not the newest version.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import desc, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.kpi.commands.storing import beat
from services.kpi.domain.periods import Period
from services.kpi.domain.stages import Chain
from services.kpi.models import DecisionVersion, SettingVersion, StageDefinition, TargetVersion
from shared.contracts.kpi import SegmentChain, StageCut, StagesDefined, TargetsSet
from shared.database import Transaction
from shared.errors import Stale

# Versions count up without a gap, so two who decide at once take turns.
_TURN = "SELECT pg_advisory_xact_lock(hashtext(:what))"
DEFINITION = "stages"


def _still(tx: Transaction, newest: int) -> None:
    """Asked when it is our turn, for until then another's decision may come between. Raises Stale."""
    if tx.if_match is not None and tx.if_match != newest:
        raise Stale(f"It is version {newest} now; you had read {tx.if_match}")


async def define_stages(
    tx: Transaction, chain: Chain, segments: Mapping[str, Chain] | None, *, by: str, now: datetime
) -> StageDefinition:
    """Without `segments` theirs stay as they are."""
    await tx.session.execute(text(_TURN), {"what": "stages"})
    newest = (
        await tx.session.scalars(select(StageDefinition).order_by(desc(StageDefinition.version)).limit(1))
    ).first()
    _still(tx, newest.version if newest else 0)
    stages = _stages(chain)
    kept = dict(newest.segments) if newest else {}
    own = kept if segments is None else {name: _stages(cuts) for name, cuts in segments.items()}
    if newest is not None and (newest.stages, newest.segments) == (stages, own):
        return newest
    version = (newest.version if newest else 0) + 1
    row = StageDefinition(version=version, stages=stages, segments=own, set_by=by, set_at=now)
    tx.add(row)
    await beat(tx.session, now)
    told = StagesDefined(
        definition_id=DEFINITION,
        version=version,
        stages=_told(stages),
        segments=tuple(SegmentChain(segment=name, stages=_told(cuts)) for name, cuts in own.items()) or None,
    )
    tx.announce(told, journey=DEFINITION, at=now)
    return row


def _stages(chain: Chain) -> list[dict[str, str]]:
    return [{"stage": cut.stage, "base": cut.base, "goal": cut.goal} for cut in chain]


def _told(stages: list[dict[str, str]]) -> tuple[StageCut, ...]:
    return tuple(StageCut(**stage) for stage in stages)


async def set_setting(
    tx: Transaction, name: str, value: Any, *, valid_from: date, by: str, now: datetime
) -> SettingVersion:
    await tx.session.execute(text(_TURN), {"what": f"setting {name}"})
    query = select(SettingVersion).where(SettingVersion.name == name).order_by(desc(SettingVersion.version)).limit(1)
    newest = (await tx.session.scalars(query)).first()
    _still(tx, newest.version if newest else 0)
    if newest is not None and (newest.value, newest.valid_from) == (value, valid_from):
        return newest
    version = (newest.version if newest else 0) + 1
    row = SettingVersion(name=name, version=version, valid_from=valid_from, value=value, set_by=by, set_at=now)
    tx.add(row)
    await beat(tx.session, now)
    return row


async def decide(
    tx: Transaction, kind: str, decision_id: str, body: dict[str, Any], *, by: str, now: datetime
) -> DecisionVersion:
    """On a shared goal, a counter-measure …: whatever is no more than what was decided."""
    await tx.session.execute(text(_TURN), {"what": f"{kind} {decision_id}"})
    mine = (DecisionVersion.kind == kind, DecisionVersion.decision_id == decision_id)
    query = select(DecisionVersion).where(*mine).order_by(desc(DecisionVersion.version)).limit(1)
    newest = (await tx.session.scalars(query)).first()
    _still(tx, newest.version if newest else 0)
    if newest is not None and newest.body == body:
        return newest
    version = (newest.version if newest else 0) + 1
    row = DecisionVersion(kind=kind, decision_id=decision_id, version=version, body=body, set_by=by, set_at=now)
    tx.add(row)
    await beat(tx.session, now)
    return row


async def set_target(
    tx: Transaction,
    name: str,
    period: Period,
    *,
    stage: str,
    segment: str | None,
    figures: tuple[float | None, float | None, float | None],
    by: str,
    now: datetime,
) -> TargetVersion:
    """`figures` are base, rate and goal."""
    await tx.session.execute(text(_TURN), {"what": f"target {name}"})
    newest = await _newest_target(tx.session, name, stage, segment or "")
    _still(tx, newest.version if newest else 0)
    if newest is not None and (newest.base, newest.rate, newest.goal) == figures:
        return newest
    base, rate, goal = figures
    row = TargetVersion(
        period=name,
        stage=stage,
        segment=segment or "",
        version=(newest.version if newest else 0) + 1,
        from_date=period.start,
        to_date=period.end,
        base=base,
        rate=rate,
        goal=goal,
        set_by=by,
        set_at=now,
    )
    tx.add(row)
    await beat(tx.session, now)
    told = TargetsSet(
        period_id=name,
        from_date=period.start,
        to_date=period.end,
        stage=stage,
        segment=segment,
        base=base,
        rate=rate,
        goal=goal,
        version=row.version,
    )
    tx.announce(told, journey=name, at=now)
    return row


async def _newest_target(session: AsyncSession, name: str, stage: str, segment: str) -> TargetVersion | None:
    query = (
        select(TargetVersion)
        .where(TargetVersion.period == name, TargetVersion.stage == stage, TargetVersion.segment == segment)
        .order_by(desc(TargetVersion.version))
        .limit(1)
    )
    return (await session.scalars(query)).first()
