"""Marketing's tables."""

from services.marketing.models.accounts import AccountRow, CompanyWorkRow
from services.marketing.models.base import Base
from services.marketing.models.channels import CampaignRow, SpendRow, VisitsRow
from services.marketing.models.leads import (
    AliasRow,
    ChangeRow,
    LeadCycleRow,
    LeadMergeRow,
    LeadRow,
    MilestoneRow,
    RecyclingRow,
    TouchRow,
)
from services.marketing.models.rules import RuleRow
from shared.imports.tables import add_import_tables

add_import_tables(Base.metadata)

__all__ = [
    "AccountRow",
    "AliasRow",
    "Base",
    "CampaignRow",
    "ChangeRow",
    "CompanyWorkRow",
    "LeadCycleRow",
    "LeadMergeRow",
    "LeadRow",
    "MilestoneRow",
    "RecyclingRow",
    "RuleRow",
    "SpendRow",
    "TouchRow",
    "VisitsRow",
]
