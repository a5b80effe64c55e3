"""Customer success's tables."""

from services.customer_success.models.activity import PulseRow, SignalRow, TicketRow, UsageRow, UsageWeekRow
from services.customer_success.models.base import Base, Sliced
from services.customer_success.models.contracts import ContractRow, MovementRow, StepRow, WaitingAmendmentRow
from services.customer_success.models.copies import AccountRow, LeadAliasRow, OpportunityRow
from services.customer_success.models.customers import (
    ChurnRow,
    CustomerRow,
    OnboardingTaskRow,
    PromiseRow,
    RevisionRow,
    RuleRow,
)
from services.customer_success.models.health import HealthRow, HealthSnapshotRow, RiskRow
from shared.imports.tables import add_import_tables

add_import_tables(Base.metadata)

__all__ = [
    "AccountRow",
    "Base",
    "ChurnRow",
    "ContractRow",
    "CustomerRow",
    "HealthRow",
    "HealthSnapshotRow",
    "LeadAliasRow",
    "MovementRow",
    "OnboardingTaskRow",
    "OpportunityRow",
    "PromiseRow",
    "PulseRow",
    "RevisionRow",
    "RiskRow",
    "RuleRow",
    "SignalRow",
    "Sliced",
    "StepRow",
    "TicketRow",
    "UsageRow",
    "UsageWeekRow",
    "WaitingAmendmentRow",
]
