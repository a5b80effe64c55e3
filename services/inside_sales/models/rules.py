"""Rules are data: every version is kept, and the one in force at an instant is found by its date."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from services.inside_sales.domain.criteria import CriteriaRule
from services.inside_sales.domain.priority import QueueRule
from services.inside_sales.domain.rules import Rule
from services.inside_sales.domain.sla import SlaRule
from services.inside_sales.domain.valve import ValveRule
from services.inside_sales.models.base import Base
from shared import clock
from shared.database import Words


class RuleRow(Base):
    __tablename__ = "rule"

    name: Mapped[Words] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    valid_from: Mapped[datetime]
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)
    by: Mapped[Words]
    note: Mapped[Words | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.utc_now)


R = TypeVar("R", bound=Rule)
READ = "inside_sales.rules"


@dataclass(frozen=True, slots=True)
class InForce(Generic[R]):
    rule: R
    version: int


ADAPTERS: dict[str, TypeAdapter[Any]] = {
    kind.name: TypeAdapter(kind) for kind in (CriteriaRule, QueueRule, SlaRule, ValveRule)
}
"""How the body of each rule is read and checked."""


async def rule_in_force(session: AsyncSession, kind: type[R], at: datetime) -> InForce[R]:
    """The newest version valid at `at`; before the first one, the first. Read once for all that a session does."""
    read: dict[str, list[tuple[datetime, InForce[R]]]] = session.info.setdefault(READ, {})
    if kind.name not in read:
        versions = select(RuleRow).where(RuleRow.name == kind.name).order_by(RuleRow.valid_from, RuleRow.version)
        understand = ADAPTERS[kind.name].validate_python
        read[kind.name] = [
            (row.valid_from, InForce(understand(row.body), row.version)) for row in await session.scalars(versions)
        ]
    known = read[kind.name]
    return next((rule for valid_from, rule in reversed(known) if valid_from <= at), known[0][1])


def forget_rule(session: AsyncSession, name: str) -> None:
    """It is about to change."""
    session.info.get(READ, {}).pop(name, None)
