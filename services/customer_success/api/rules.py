"""The rules of customer success: defaults of contracts, onboarding plan, health, churn risk, dormancy."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from services.customer_success.commands.health import mark_all_stale
from services.customer_success.commands.rules import SHIPPED_AT, SHIPPED_BY, change_rule
from services.customer_success.models import RuleRow
from services.customer_success.queries import activity as queries
from services.customer_success.schemas.rules import RULES, RuleIn, RuleOut
from services.customer_success.settings import SHIPPED_RULES
from shared.auth import Role
from shared.errors import NotFound
from shared.http.door import Door, Now, Reading, Tx, Who, allowed, resource

router = APIRouter(prefix="/v1/rules", tags=["rules"], route_class=Door)


class RulesOut(BaseModel):
    items: list[RuleOut]


class RuleVersions(RuleOut):
    """The version in force, and all of them, the newest first."""

    versions: list[RuleOut]


@router.get("")
async def list_rules(session: Reading, now: Now) -> RulesOut:
    """Every rule as it is in force."""
    versions = await _versions(session, now)
    return RulesOut(items=[next(rule for rule in found if rule.in_force) for found in versions.values()])


@router.get("/{name}")
async def get_rule(name: str, session: Reading, now: Now) -> RuleVersions:
    found = (await _versions(session, now)).get(name)
    if found is None:
        raise NotFound(f"There is no rule {name}; there are {', '.join(RULES)}")
    current = next(rule for rule in found if rule.in_force)
    return RuleVersions(**dict(current), versions=found)


@router.put("/{name}", response_model=RuleOut, dependencies=[allowed(Role.CUSTOMER_SUCCESS, Role.OPS_LEAD)])
async def put_rule(name: str, body: RuleIn, tx: Tx, now: Now, who: Who) -> Response:
    """The next version of a rule. What was judged by an earlier version stays as it was judged."""
    row = await change_rule(tx, name, body.body, valid_from=body.valid_from, by=who.subject, now=now)
    if name in ("health", "churn_risk"):
        await mark_all_stale(tx)
    return resource(_out(row, in_force=row.valid_from <= now))


async def _versions(session: AsyncSession, now: datetime) -> dict[str, list[RuleOut]]:
    """All versions by rule; what shipped stands for a rule nobody used or changed yet."""
    rows: dict[str, list[RuleRow]] = {name: [] for name in RULES}
    for row in await queries.rules(session):
        rows[row.name].append(row)
    found: dict[str, list[RuleOut]] = {}
    for name, versions in rows.items():
        versions = versions or [_shipped(name)]
        current = next(row for row in versions if row.valid_from <= now)
        found[name] = [_out(row, in_force=row is current) for row in versions]
    return found


def _shipped(name: str) -> RuleRow:
    return RuleRow(name=name, version=1, valid_from=SHIPPED_AT, body=SHIPPED_RULES[name], by=SHIPPED_BY)


def _out(row: RuleRow, *, in_force: bool) -> RuleOut:
    ja, en = RULES[row.name].title
    return RuleOut(
        name=row.name,
        ja=ja,
        en=en,
        version=row.version,
        valid_from=row.valid_from,
        by=row.by,
        body=row.body,
        in_force=in_force,
    )
