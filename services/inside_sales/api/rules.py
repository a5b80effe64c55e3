"""The department's rules: SLA, queue order, transition criteria, valve. Each change is a version with a date."""

from fastapi import APIRouter
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from services.inside_sales import queries
from services.inside_sales.commands.set_rule import set_rule
from services.inside_sales.domain.criteria import CriteriaRule
from services.inside_sales.models import ADAPTERS
from services.inside_sales.schemas.acts import RuleIn
from services.inside_sales.schemas.answers import RuleOut
from services.inside_sales.schemas.reasons import REASONS
from shared.auth import Role
from shared.errors import Invalid, NotFound
from shared.http.door import Door, Now, Reading, Tx, Who, allowed, resource

router = APIRouter(prefix="/v1/rules", tags=["rules"], route_class=Door)


class RulesOut(BaseModel):
    items: list[RuleOut]


class RuleVersions(RuleOut):
    """The version in force, or the first one to come, and all versions, the newest first."""

    versions: list[RuleOut]


@router.get("")
async def list_rules(session: Reading, now: Now) -> RulesOut:
    """The rules in force."""
    return RulesOut(items=[RuleOut.model_validate(row) for row in await queries.rules(session, now)])


@router.get("/{name}")
async def get_rule(name: str, session: Reading, now: Now) -> RuleVersions:
    rows = [RuleOut.model_validate(row) for row in await queries.rules(session, now, name)]
    current = next((row for row in rows if row.valid_from <= now), rows[-1])
    return RuleVersions(**dict(current), versions=rows)


@router.put("/{name}", dependencies=[allowed(Role.INSIDE_SALES, Role.OPS_LEAD)], response_model=RuleOut)
async def put_rule(name: str, body: RuleIn, tx: Tx, now: Now, who: Who) -> Response:
    """The next version, from `valid_from` on. What was judged before stays judged by its own version."""
    if name not in ADAPTERS:
        raise NotFound(f"There is no rule {name}; there are {', '.join(ADAPTERS)}")
    try:
        rule = ADAPTERS[name].validate_python(body.body)
    except ValidationError as error:
        found = error.errors()[0]
        raise Invalid(".".join(("body", *map(str, found["loc"]))), found["msg"]) from error
    if isinstance(rule, CriteriaRule):
        for purpose, codes in rule.passes.items():
            for code in codes:
                REASONS.find(purpose, code, field=f"body.passes.{purpose}")
    content = ADAPTERS[name].dump_python(rule, mode="json")
    begins = body.valid_from or now
    row = await set_rule(tx, name, content, valid_from=begins, note=body.note, by=who.subject, now=now)
    return resource(RuleOut.model_validate(row))
