"""The rules people change, every version of them."""

from services.marketing.models.base import Base
from shared.rules import RuleVersion


class RuleRow(Base, RuleVersion):
    pass
