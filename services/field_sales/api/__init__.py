"""The HTTP side of field sales."""

from services.field_sales.api import appointments, deals, opportunities, reps, rules

ROUTERS = (opportunities.router, deals.router, appointments.router, reps.router, rules.router)
