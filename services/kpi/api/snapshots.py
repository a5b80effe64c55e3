"""Forecasts kept to be judged later, and the calls of people. Nothing of it is ever changed or written over."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from services.kpi.api.forecast import NAMES
from services.kpi.api.freezing import freeze
from services.kpi.commands.deciding import decide
from services.kpi.domain.horizons import length_of
from services.kpi.domain.periods import Period, named
from services.kpi.metrics.exchange import NO_PLAN_RATE
from services.kpi.metrics.statistics import half_even
from services.kpi.models import DecisionVersion
from services.kpi.queries.decisions import decisions
from services.kpi.queries.forecasts import SUBMISSION, Kept, snapshots, submissions
from services.kpi.schemas.snapshots import (
    PERIOD,
    KeptMethod,
    SnapshotIn,
    SnapshotOut,
    SnapshotsOut,
    SubmissionIn,
    SubmissionOut,
    SubmissionsOut,
)
from shared.auth import Role
from shared.clock import start_of_day
from shared.errors import Invalid, Refused
from shared.http.door import Door, Now, Reading, Tx, Who, allowed, resource
from shared.money import Money

router = APIRouter(prefix="/v1", tags=["forecast"], route_class=Door)
CALLERS = allowed(Role.FIELD_SALES, Role.OPS_LEAD, Role.EXECUTIVE)
SALES = allowed(Role.OPS_LEAD, Role.EXECUTIVE)


class SnapshotsAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    period: str | None = Field(None, max_length=20, description=PERIOD)
    length: Literal["month", "quarter", "year"] | None = None
    horizon: Literal["start", "d60", "d30", "d14", "d7", "by_hand"] | None = None


@router.get("/forecast/snapshots")
async def list_snapshots(session: Reading, asked: Annotated[SnapshotsAsked, Query()]) -> SnapshotsOut:
    """Forecasts as they were kept, the newest first, at most five hundred."""
    return SnapshotsOut(items=[_snapshot(one) for one in await snapshots(session, **asked.model_dump())])


@router.post("/forecast/snapshots", dependencies=[SALES], response_model=SnapshotOut, status_code=201)
async def keep_snapshot(request: Request, body: SnapshotIn, tx: Tx, now: Now, who: Who) -> Response:
    """Keep the forecast of a period as it is now, beside those that are kept by rule."""
    span = await _not_over(tx.session, body.period, request, now)
    row = await freeze(tx, span, length_of(span) or "", by=who.subject, now=now)
    await tx.session.flush()
    return resource(_snapshot(_kept(row)), version=row.version, status=201)


def _kept(row: DecisionVersion) -> Kept:
    return Kept(row.decision_id, row.body, row.set_by, row.set_at)


def _snapshot(kept: Kept) -> SnapshotOut:
    body = kept.body

    def money(value: str | None) -> Money | None:
        return None if value is None else Money(amount=half_even(Decimal(value)), currency=body["currency"])

    methods = [
        KeptMethod(
            id=name,
            ja=NAMES[name][0],
            en=NAMES[name][1],
            value=money(told["value"]),
            reason=told["reason"],
            p10=money(told["low"]),
            p50=money(told["middle"]),
            p90=money(told["high"]),
        )
        for name in NAMES
        if (told := body["methods"].get(name)) is not None
    ]
    shown = {name: body[name] for name in ("period", "length", "from_date", "to_date", "horizon", "at", "currency")}
    return SnapshotOut.model_validate(
        {
            **shown,
            "kept_at": kept.set_at,
            "kept_by": kept.set_by,
            "caught_up": body["caught_up"],
            "definition_version": body["definition_version"],
            "closed": money(body["closed"]),
            "overdue": body["overdue"]["deals"],
            "overdue_value": money(body["overdue"]["value"]),
            "methods": methods,
            "reason": NO_PLAN_RATE if body["unpriced"] else None,
        }
    )


async def _not_over(session: AsyncSession, name: str, request: Request, now: datetime) -> Period:
    """Raises Invalid where it is no month, quarter or year, and Refused where it is over."""
    try:
        span = named(name, (await decisions(session)).first_month)
    except ValueError as error:
        raise Invalid("period", str(error)) from error
    if length_of(span) is None:
        raise Invalid("period", f"a forecast is of {PERIOD}")
    if start_of_day(span.end, request.app.state.runtime.settings.zone) <= now:
        raise Refused(f"{name} is over", rule="period_over")
    return span


class SubmissionsAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    period: str | None = Field(None, max_length=20, description=PERIOD)
    owner: str | None = Field(None, max_length=120)
    author: str | None = Field(None, max_length=120)


@router.get("/forecast/submissions")
async def list_submissions(session: Reading, asked: Annotated[SubmissionsAsked, Query()]) -> SubmissionsOut:
    """Every call that was ever made, the newest first, at most five hundred."""
    rows = await submissions(session, **asked.model_dump())
    return SubmissionsOut(items=[_submission(row, newest=newest) for row, newest in rows])


@router.post("/forecast/submissions", dependencies=[CALLERS], response_model=SubmissionOut, status_code=201)
async def submit_forecast(request: Request, body: SubmissionIn, tx: Tx, now: Now, who: Who) -> Response:
    """Say what will be won in a period. A manager's call stands beside the rep's and does not replace it."""
    span = await _not_over(tx.session, body.period, request, now)
    own = {"from_date": str(span.start), "to_date": str(span.end), "author": who.subject}
    told = {**own, **body.model_dump(mode="json", exclude={"currency"})}
    key = "/".join((str(span.start), str(span.end), who.subject, body.level, body.owner or ""))
    row = await decide(tx, SUBMISSION, key, told, by=who.subject, now=now)
    await tx.session.flush()
    return resource(_submission(row, newest=True), version=row.version, status=201)


def _submission(row: Any, *, newest: bool) -> SubmissionOut:
    return SubmissionOut.model_validate(
        {**row.body, "at": row.set_at.astimezone(UTC), "version": row.version, "newest": newest}
    )
