"""HTTP in, commands and queries, HTTP out."""

from services.customer_success.api import contracts, customers, health, rules, tickets, usage
from services.customer_success.settings import REASONS

ROUTERS = (
    customers.router,
    contracts.router,
    usage.router,
    tickets.router,
    health.router,
    rules.router,
    REASONS.router(),
)
