"""What follows from a new version of a rule."""

from datetime import datetime

from services.inside_sales.commands.move_valve import move_valve
from services.inside_sales.domain.criteria import CriteriaRule
from services.inside_sales.domain.rules import Rule
from services.inside_sales.schemas.reasons import REASONS
from shared.database import Transaction


async def follow_rule(tx: Transaction, rule: Rule, now: datetime) -> None:
    """The valve listens at once. Raises Invalid for criteria that ask for a code nobody can choose."""
    if isinstance(rule, CriteriaRule):
        for purpose, codes in rule.passes.items():
            for code in codes:
                REASONS.find(purpose, code, field=f"rule.passes.{purpose}")
    await move_valve(tx, now)
