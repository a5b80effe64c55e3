"""Scenarios: what if, kept, and held against what happened."""

from dataclasses import replace
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from services.kpi.api.plans import spans
from services.kpi.api.questions import Asked, viewing
from services.kpi.commands.deciding import decide
from services.kpi.domain.periods import Period
from services.kpi.metrics.bottleneck.remedies import FACTORS
from services.kpi.metrics.scenarios import happened, scenario
from services.kpi.models import DecisionVersion
from services.kpi.queries.decisions import newest_decision, newest_decisions
from services.kpi.schemas.scenarios import HappenedOut, OutcomeOut, ScenarioIn, ScenarioOut, ScenariosOut
from shared.auth import Role
from shared.errors import Invalid, NotFound, Refused
from shared.http.door import Door, Now, Reading, Tx, Who, allowed, resource
from shared.ids import new_id
from shared.service import Runtime

router = APIRouter(prefix="/v1", tags=["planning"], route_class=Door)
SCENARIO, OPEN, ARCHIVED = "scenario", "open", "archived"
OPERATIONS = allowed(Role.OPS_LEAD)


class ScenariosAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    state: Literal["open", "archived"] | None = None


@router.get("/scenarios")
async def list_scenarios(session: Reading, asked: Annotated[ScenariosAsked, Query()]) -> ScenariosOut:
    """All of them, the newest first; what happened is told of each by itself."""
    rows = [row for row in await newest_decisions(session, SCENARIO) if asked.state in (None, row.body["state"])]
    rows.sort(key=lambda row: row.set_at, reverse=True)
    return ScenariosOut(items=[_scenario(row, None) for row in rows])


@router.get("/scenarios/{scenario_id}")
async def get_scenario(request: Request, scenario_id: UUID, session: Reading) -> Response:
    """With what happened in its period so far."""
    return await _shown(request.app.state.runtime, await _found(session, scenario_id))


@router.post("/scenarios", dependencies=[OPERATIONS], response_model=ScenarioOut, status_code=201)
async def create_scenario(request: Request, body: ScenarioIn, tx: Tx, now: Now, who: Who) -> Response:
    """What would come out in a period, were rates, people or budgets other than they are; and what moves it most."""
    runtime = request.app.state.runtime
    given = {**await _made(runtime, tx.session, body), "state": OPEN}
    row = await decide(tx, SCENARIO, str(new_id()), given, by=who.subject, now=now)
    await tx.session.flush()
    return await _shown(runtime, row, status=201)


@router.put("/scenarios/{scenario_id}", dependencies=[OPERATIONS], response_model=ScenarioOut)
async def change_scenario(
    request: Request, scenario_id: UUID, body: ScenarioIn, tx: Tx, now: Now, who: Who
) -> Response:
    """Work it out anew, at the rates of its baseline as they are known now."""
    runtime = request.app.state.runtime
    if (await _found(tx.session, scenario_id)).body["state"] == ARCHIVED:
        raise Refused("It is archived", rule="scenario_archived")
    given = {**await _made(runtime, tx.session, body), "state": OPEN}
    row = await decide(tx, SCENARIO, str(scenario_id), given, by=who.subject, now=now)
    await tx.session.flush()
    return await _shown(runtime, row)


@router.delete("/scenarios/{scenario_id}", dependencies=[OPERATIONS], response_model=ScenarioOut)
async def archive_scenario(request: Request, scenario_id: UUID, tx: Tx, now: Now, who: Who) -> Response:
    """Archive it: it can still be read, and is changed no more."""
    found = await _found(tx.session, scenario_id)
    row = await decide(tx, SCENARIO, str(scenario_id), {**found.body, "state": ARCHIVED}, by=who.subject, now=now)
    await tx.session.flush()
    return await _shown(request.app.state.runtime, row)


async def _found(session: AsyncSession, scenario_id: UUID) -> DecisionVersion:
    """Raises NotFound."""
    row = await newest_decision(session, SCENARIO, str(scenario_id))
    if row is None:
        raise NotFound(f"There is no scenario {scenario_id}")
    return row


async def _made(runtime: Runtime, session: AsyncSession, body: ScenarioIn) -> dict[str, Any]:
    """Raises Invalid."""
    if not body.rates and body.instead is None and body.average_won is None and body.retention is None:
        raise Invalid("rates", "say what is otherwise: rates, average_won, retention or instead")
    whole, span = await spans(session, body)
    async with viewing(runtime, replace(Asked().question(runtime), whole=whole)) as view:
        return await scenario(view, span, body)


async def _shown(runtime: Runtime, row: DecisionVersion, *, status: int = 200) -> Response:
    span = Period(*(date.fromisoformat(row.body[name]) for name in ("from_date", "to_date")))
    before, after = (OutcomeOut.model_validate(row.body[name]) for name in ("baseline", "changed"))
    async with viewing(runtime, replace(Asked().question(runtime), whole=span)) as view:
        found = await happened(view, before, after)
    return resource(_scenario(row, found), version=row.version, status=status)


def _scenario(row: DecisionVersion, found: HappenedOut | None) -> ScenarioOut:
    levers = [
        {**lever, "ja": FACTORS[lever["lever"]][0], "en": FACTORS[lever["lever"]][1]} for lever in row.body["levers"]
    ]
    told = {"scenario_id": row.decision_id, "version": row.version, "set_by": row.set_by, "set_at": row.set_at}
    return ScenarioOut.model_validate({**row.body, "levers": levers, "happened": found, **told})
