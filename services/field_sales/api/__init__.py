"""The HTTP side of field sales."""

from services.field_sales.api import appointments, deals, opportunities, reasons, reps
from services.field_sales.commands.rules import RULES
from shared.auth import Role
from shared.http.rules import rules_router

ROUTERS = (
    opportunities.router,
    deals.router,
    appointments.router,
    reps.router,
    reasons.router,
    rules_router(RULES, Role.FIELD_SALES, Role.OPS_LEAD),
)
