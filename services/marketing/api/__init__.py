"""Marketing over HTTP."""

from services.marketing.api import accounts, campaigns, days, lead_acts, leads, steering
from services.marketing.api.imports import IMPORTS
from services.marketing.api.reasons import REASONS

ROUTERS = [
    leads.router,
    lead_acts.router,
    accounts.router,
    days.router,
    campaigns.router,
    steering.router,
    REASONS.router(),
    IMPORTS.router,
]

__all__ = ["IMPORTS", "ROUTERS"]
