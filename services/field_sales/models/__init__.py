"""Field sales' tables: opportunities with what belongs to them, reps, rules, and copies of leads and companies."""

from services.field_sales.models.base import DIMENSIONS, Base
from services.field_sales.models.opportunity import Opportunity, OpportunityDraft, OpportunityRow
from services.field_sales.models.parts import AppointmentRow, FirstVisitRow, PromiseRow, StepRow
from services.field_sales.models.team import AccountRow, LeadRow, RepRow, RuleRow
from shared.imports.tables import add_import_tables

add_import_tables(Base.metadata)

__all__ = [
    "DIMENSIONS",
    "AccountRow",
    "AppointmentRow",
    "Base",
    "FirstVisitRow",
    "LeadRow",
    "Opportunity",
    "OpportunityDraft",
    "OpportunityRow",
    "PromiseRow",
    "RepRow",
    "RuleRow",
    "StepRow",
]
