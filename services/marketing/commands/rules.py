"""The rules in force at a moment, and new versions of them."""

from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.marketing.domain.rules import SHAPES, Rules
from services.marketing.models import RuleRow
from shared.database import Transaction
from shared.errors import Invalid, NotFound

_ADAPTERS: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(shape) for name, shape in SHAPES.items()}

_IN_FORCE = text("""
SELECT DISTINCT ON (name) name, version, rule::text AS text FROM rule
WHERE valid_from <= :at OR version = 1 -- what rules first has ruled ever since
ORDER BY name, valid_from DESC, version DESC
""")


@lru_cache(256)
def _read(name: str, document: str) -> Any:
    return _ADAPTERS[name].validate_json(document)


async def rules_in_force(session: AsyncSession, at: datetime) -> Rules:
    found = {row.name: row for row in await session.execute(_IN_FORCE, {"at": at})}
    read = {name: _read(name, found[name].text) for name in SHAPES}
    return Rules(
        scoring=read["scoring"],
        criteria=read["mql_criteria"],
        criteria_version=found["mql_criteria"].version,
        recycling=read["recycling"],
        company=read["company"],
    )


async def set_rule(
    tx: Transaction,
    name: str,
    given: dict[str, Any],
    *,
    valid_from: datetime | None,
    note: str | None,
    by: str,
    now: datetime,
) -> RuleRow:
    """A new version. Raises NotFound for a rule marketing does not have, Invalid naming the field that is wrong."""
    if name not in SHAPES:
        raise NotFound(f"The rules are {', '.join(SHAPES)}")
    try:
        rule = _ADAPTERS[name].validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise Invalid(".".join(["rule", *map(str, first["loc"])]), first["msg"]) from error
    last = await tx.session.scalar(select(func.max(RuleRow.version)).where(RuleRow.name == name))
    row = RuleRow(
        name=name,
        version=(last or 0) + 1,
        valid_from=valid_from or now,
        rule=_ADAPTERS[name].dump_python(rule, mode="json"),
        note=note,
        by=by,
        created_at=now,
    )
    tx.add(row)
    return row
