"""Inside sales over HTTP."""

from fastapi import APIRouter

from services.inside_sales.api import acts, prospects, queue, reps
from services.inside_sales.commands.follow_rule import follow_rule
from services.inside_sales.models import RULES
from services.inside_sales.schemas.reasons import REASONS
from shared.auth import Role
from shared.http.rules import rules_router

ROUTERS: tuple[APIRouter, ...] = (
    queue.router,
    prospects.router,
    acts.router,
    reps.router,
    rules_router(RULES, Role.INSIDE_SALES, Role.OPS_LEAD, then=follow_rule),
    REASONS.router(),
)
