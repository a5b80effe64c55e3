"""HTTP in, commands and queries, HTTP out."""

from services.customer_success.api import contracts, customers, health, tickets, usage
from services.customer_success.commands.health import judge_anew
from services.customer_success.commands.rules import RULES
from services.customer_success.settings import REASONS
from shared.auth import Role
from shared.http.rules import rules_router

ROUTERS = (
    customers.router,
    contracts.router,
    usage.router,
    tickets.router,
    health.router,
    rules_router(RULES, Role.CUSTOMER_SUCCESS, Role.OPS_LEAD, then=judge_anew),
    REASONS.router(),
)
