"""The rules inside sales works by."""

from typing import Any

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.inside_sales.domain.criteria import CriteriaRule
from services.inside_sales.domain.priority import QueueRule
from services.inside_sales.domain.sla import SlaRule
from services.inside_sales.domain.valve import ValveRule
from services.inside_sales.models.base import Base
from shared.rules import Kind, Rulebook, RuleVersion


class RuleRow(Base, RuleVersion):
    rule: Mapped[dict[str, Any]] = mapped_column("body", JSONB)  # an older name


RULES = Rulebook(
    RuleRow,
    Kind("sla", SlaRule, "初動SLA", "Response SLA"),
    Kind("queue", QueueRule, "対応順", "Order of the queue"),
    Kind("hand_over", CriteriaRule, "移行判定基準", "Transition criteria"),
    Kind("valve", ValveRule, "商談供給の調節弁", "Opportunity-supply valve"),
)
