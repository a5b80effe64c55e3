"""Marketing over HTTP."""

from services.marketing.api import accounts, campaigns, days, lead_acts, leads, recycling
from services.marketing.api.imports import IMPORTS
from services.marketing.api.reasons import REASONS
from services.marketing.commands.rules import RULES
from shared.auth import Role
from shared.http.rules import rules_router

ROUTERS = [
    leads.router,
    lead_acts.router,
    accounts.router,
    days.router,
    campaigns.router,
    recycling.router,
    rules_router(RULES, Role.MARKETING, Role.OPS_LEAD),
    REASONS.router(),
    IMPORTS.router,
]

__all__ = ["IMPORTS", "ROUTERS"]
