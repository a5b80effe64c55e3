"""Rules that are data, and the coded lists people choose from."""

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.field_sales import queries
from services.field_sales.api.common import LEADERS
from services.field_sales.commands import rules
from services.field_sales.schemas.reasons import LISTS
from services.field_sales.schemas.rules import DiscoveryRule, RuleIn, RuleName, RuleOut, RulesOut
from shared.errors import Invalid
from shared.http.door import Door, Now, Reading, Tx, Who, resource
from shared.http.reasons import Reason

router = APIRouter(prefix="/v1", tags=["rules"], route_class=Door)


@router.get("/rules", response_model=RulesOut)
async def list_rules(session: Reading) -> RulesOut:
    """Every version of every rule, the newest first."""
    return RulesOut(items=[RuleOut.model_validate(row) for row in await queries.rules(session)])


@router.get("/rules/{name}", response_model=RuleOut)
async def get_rule(name: RuleName, session: Reading, now: Now) -> Response:
    """The version in force."""
    row = await rules.in_force(session, name, now)
    return resource(RuleOut.model_validate(row), version=row.version)


@router.put("/rules/{name}", response_model=RuleOut, dependencies=[LEADERS])
async def put_rule(name: RuleName, body: RuleIn, tx: Tx, now: Now, who: Who) -> Response:
    """A new version from `valid_from` on; what was decided before keeps the version it was decided by."""
    row = await rules.set_rule(tx, name, body.content, valid_from=body.valid_from or now, by=who.subject, now=now)
    await tx.session.flush()
    return resource(RuleOut.model_validate(row), version=row.version)


@router.get("/reasons")
async def reasons(
    session: Reading, now: Now, purpose: str | None = Query(None, alias="for")
) -> dict[str, list[Reason]]:
    """The coded lists of field sales; with `for`, one of them. Phases and discovery codes are those in force."""
    phases = await rules.phases(session, now)
    discovery = await rules.discovery(session, now)
    found = {name: list(reasons) for name, reasons in LISTS.items()}
    found["phase"] = [Reason(code=phase.code, ja=phase.ja, en=phase.en) for phase in phases.phases]
    for name in DiscoveryRule.model_fields:
        found[name] = [Reason(code=one.code, ja=one.ja, en=one.en) for one in getattr(discovery, name)]
    if purpose is None:
        return found
    if purpose not in found:
        raise Invalid("for", f"one of {', '.join(found)}")
    return {purpose: found[purpose]}
