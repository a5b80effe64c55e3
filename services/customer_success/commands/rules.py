"""Rules in force, and new versions of them. What ships with the product is version 1."""

from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from services.customer_success.models import RuleRow
from services.customer_success.schemas.rules import RULES, Rule
from services.customer_success.settings import SHIPPED_RULES
from shared import clock
from shared.database import Transaction
from shared.errors import Invalid, NotFound, Refused

R = TypeVar("R", bound=Rule)

SHIPPED_AT = datetime(1900, 1, 1, tzinfo=UTC)
SHIPPED_BY = "product"


async def in_force(tx: Transaction, kind: type[R], at: datetime) -> tuple[int, R]:
    """The version of a rule that holds at an instant, and what it says.

    What shipped is written down when it is first used: a later release may ship something else.
    """
    name = next(name for name, found in RULES.items() if found is kind)
    row = await _latest(tx, name, at)
    if row is None:
        await _write_shipped(tx, name)
        row = await _latest(tx, name, at)
    assert row is not None, "version 1 has no beginning"
    return row.version, kind.model_validate(row.body)


async def change_rule(
    tx: Transaction, name: str, body: dict[str, Any], *, valid_from: datetime | None, by: str, now: datetime
) -> RuleRow:
    """The next version. Raises NotFound, Invalid naming every wrong field, Refused where it would begin too early."""
    if name not in RULES:
        raise NotFound(f"There is no rule {name}; there are {', '.join(RULES)}")
    try:
        content = RULES[name].model_validate(body)
    except ValidationError as error:
        found = error.errors()[0]
        place = ".".join(str(part) for part in found["loc"])
        raise Invalid(f"body.{place}".rstrip("."), found["msg"]) from error
    await _write_shipped(tx, name)
    query = select(RuleRow).where(RuleRow.name == name).order_by(RuleRow.version.desc()).limit(1)
    last = (await tx.session.scalars(query.with_for_update())).one()
    begins = valid_from or now
    if begins < last.valid_from:
        raise Refused(
            f"Version {last.version} begins later, at {clock.wire_time(last.valid_from)}", rule="begins_later"
        )
    row = RuleRow(
        name=name,
        version=last.version + 1,
        valid_from=begins,
        body=content.model_dump(mode="json", exclude_none=True),
        by=by,
        created_at=now,
    )
    tx.add(row)
    return row


async def _latest(tx: Transaction, name: str, at: datetime) -> RuleRow | None:
    query = select(RuleRow).where(RuleRow.name == name, RuleRow.valid_from <= at)
    return (await tx.session.scalars(query.order_by(RuleRow.version.desc()).limit(1))).one_or_none()


async def _write_shipped(tx: Transaction, name: str) -> None:
    row = {
        "name": name,
        "version": 1,
        "valid_from": SHIPPED_AT,
        "body": SHIPPED_RULES[name],
        "by": SHIPPED_BY,
        "created_at": clock.utc_now(),
    }
    await tx.session.execute(insert(RuleRow).values(row).on_conflict_do_nothing())
