"""Inside sales' tables, and the small copies of what other departments told."""

from services.inside_sales.models.base import Base
from services.inside_sales.models.copies import CompanyRow, LeadRow, OpportunityRow, RepRow
from services.inside_sales.models.prospect import (
    CYCLE_COLUMNS,
    CycleColumns,
    ProspectChangeRow,
    ProspectCycleRow,
    ProspectRow,
    WaitingHistoryRow,
)
from services.inside_sales.models.rules import RULES, RuleRow
from services.inside_sales.models.valve import ValveRow, is_held, read_thresholds
from services.inside_sales.models.work import ActivityRow, AppointmentRow, AppointmentStatus
from shared.imports.tables import add_import_tables

add_import_tables(Base.metadata)

__all__ = [
    "CYCLE_COLUMNS",
    "RULES",
    "ActivityRow",
    "AppointmentRow",
    "AppointmentStatus",
    "Base",
    "CompanyRow",
    "CycleColumns",
    "LeadRow",
    "OpportunityRow",
    "ProspectChangeRow",
    "ProspectCycleRow",
    "ProspectRow",
    "RepRow",
    "RuleRow",
    "ValveRow",
    "WaitingHistoryRow",
    "is_held",
    "read_thresholds",
]
