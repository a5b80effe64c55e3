"""What kpi is told to count by: the chain, targets, settings. Operations leads decide; everyone reads."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from sqlalchemy import desc, select
from starlette.responses import Response

from services.kpi.commands.deciding import define_stages, set_setting, set_target
from services.kpi.domain.periods import Period, named
from services.kpi.domain.stages import MILESTONES, READY_MADE, Chain, ChainBroken, Cut, closed
from services.kpi.models import SettingVersion, StageDefinition, TargetVersion
from services.kpi.queries.decisions import (
    chain_of,
    decisions,
    definition_at,
    newest_targets,
    settings_on,
    versions_of,
)
from services.kpi.schemas.decisions import (
    SETTINGS,
    ChainIn,
    CutOut,
    SettingIn,
    SettingOut,
    SettingsOut,
    Stage,
    StagesIn,
    StagesOut,
    StagesVersions,
    TargetIn,
    TargetOut,
    TargetsOut,
)
from shared.auth import Role
from shared.clock import day_of
from shared.errors import Invalid, NotFound
from shared.http.door import Door, Now, Reading, Tx, Who, allowed, resource
from shared.http.problems import field_errors

router = APIRouter(prefix="/v1", tags=["decisions"], route_class=Door)
OPERATIONS = allowed(Role.OPS_LEAD)


@router.get("/stages")
async def get_stages(session: Reading) -> Response:
    """The chain that holds, those of segments that have their own, those that ship ready-made, and the milestones a
    stage may begin and end with."""
    definition = await definition_at(session)
    return resource(_stages(definition), version=definition.version)


@router.get("/stages/versions")
async def list_stages(session: Reading) -> StagesVersions:
    """Every version there was, the newest first. Any figure is read by an older one with `decided_at`."""
    query = select(StageDefinition).order_by(desc(StageDefinition.version))
    return StagesVersions(items=[_stages(row) for row in await session.scalars(query)])


@router.put("/stages", dependencies=[OPERATIONS], response_model=StagesOut)
async def put_stages(body: StagesIn, tx: Tx, now: Now, who: Who) -> Response:
    """Cut the chain anew, for everyone and for segments that have their own; without `segments` those stay as they
    are. Refused as `chain_broken`, naming the stage, where a base is not the goal before it."""
    segments = None if body.segments is None else {name: _closed(cut, name) for name, cut in body.segments.items()}
    definition = await define_stages(tx, _closed(body), segments, by=who.subject, now=now)
    await tx.session.flush()
    return resource(_stages(definition), version=definition.version)


def _closed(body: ChainIn, segment: str | None = None) -> Chain:
    """Raises ChainBroken."""
    if body.chain is not None:
        return READY_MADE[body.chain]
    try:
        return closed([Cut(cut.stage, cut.base, cut.goal) for cut in body.stages or ()])
    except ChainBroken as broken:
        raise broken if segment is None else broken.of(segment) from None


def _cuts(chain: Chain) -> list[CutOut]:
    return [CutOut.model_validate(cut) for cut in chain]


def _stages(definition: StageDefinition) -> StagesOut:
    return StagesOut(
        version=definition.version,
        stages=_cuts(chain_of(definition.stages)),
        segments={name: _cuts(chain_of(stages)) for name, stages in definition.segments.items()},
        set_by=definition.set_by,
        set_at=definition.set_at,
        ready_made={name: _cuts(chain) for name, chain in READY_MADE.items()},
        milestones=list(MILESTONES),
    )


class TargetsAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    period: str | None = None
    stage: Stage | None = None
    segment: str | None = None


@router.get("/targets")
async def list_targets(asked: Annotated[TargetsAsked, Query()], session: Reading) -> TargetsOut:
    """The targets that hold, by period, stage and segment."""
    query = newest_targets()
    for name, value in asked.model_dump(exclude_none=True).items():
        query = query.where(getattr(TargetVersion, name) == value)
    return TargetsOut(items=[_target(row) for row in await session.scalars(query)])


@router.put("/targets/{period}", dependencies=[OPERATIONS], response_model=TargetOut)
async def put_target(period: str, body: TargetIn, tx: Tx, now: Now, who: Who) -> Response:
    """Set what a stage is to reach in 2026-04, 2026-Q2, 2026-H1 or FY2026; quarters and halves are fiscal."""
    found = await _period(period, tx)
    figures = (body.base, body.rate, body.goal)
    row = await set_target(
        tx, period, found, stage=body.stage, segment=body.segment, figures=figures, by=who.subject, now=now
    )
    await tx.session.flush()
    return resource(_target(row), version=row.version)


async def _period(name: str, tx: Tx) -> Period:
    try:
        return named(name, (await decisions(tx.session)).first_month)
    except ValueError as error:
        raise Invalid("period", str(error)) from error


def _target(row: TargetVersion) -> TargetOut:
    return TargetOut(
        period=row.period,
        from_date=row.from_date,
        to_date=row.to_date,
        stage=row.stage,
        segment=row.segment or None,
        base=row.base,
        rate=row.rate,
        goal=row.goal,
        version=row.version,
        set_by=row.set_by,
        set_at=row.set_at,
    )


@router.get("/settings")
async def list_settings(request: Request, session: Reading, now: Now) -> SettingsOut:
    """Every setting as it holds today, also those nobody decided yet."""
    held = await settings_on(session, day_of(now, request.app.state.runtime.settings.zone))
    return SettingsOut(items=[_setting(name, held.get(name)) for name in SETTINGS])


@router.get("/settings/{name}")
async def get_setting(name: str, session: Reading) -> SettingsOut:
    """Every version of a setting, oldest first."""
    _known(name)
    return SettingsOut(items=[_setting(name, row) for row in await versions_of(session, name)])


@router.put("/settings/{name}", dependencies=[OPERATIONS], response_model=SettingOut)
async def put_setting(name: str, body: SettingIn, request: Request, tx: Tx, now: Now, who: Who) -> Response:
    """Decide a setting from a day on. Earlier versions stay, for what was counted by them."""
    value = _valid(_known(name), body.value)
    valid_from = body.valid_from or day_of(now, request.app.state.runtime.settings.zone)
    row = await set_setting(tx, name, value, valid_from=valid_from, by=who.subject, now=now)
    await tx.session.flush()
    return resource(_setting(name, row), version=row.version)


def _known(name: str) -> TypeAdapter[object]:
    if name not in SETTINGS:
        raise NotFound(f"There is no setting {name}; there are {', '.join(SETTINGS)}")
    return SETTINGS[name].kind


def _valid(kind: TypeAdapter[object], value: object) -> object:
    """The value as it was given, once it is known to be a possible one."""
    try:
        kind.validate_python(value, by_alias=True)
    except ValidationError as error:
        errors = field_errors(error.errors())
        first = errors[0]
        place = "value" if first["field"] == "body" else f"value.{first['field']}"
        raise Invalid(place, first["rule"]) from error
    return value


def _setting(name: str, row: SettingVersion | None) -> SettingOut:
    about = SETTINGS[name]
    return SettingOut(
        name=name,
        value=row.value if row else None,
        version=row.version if row else 0,
        valid_from=row.valid_from if row else None,
        set_by=row.set_by if row else None,
        set_at=row.set_at if row else None,
        ja=about.ja,
        en=about.en,
    )
