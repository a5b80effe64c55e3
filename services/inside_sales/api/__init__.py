"""Inside sales over HTTP."""

from fastapi import APIRouter

from services.inside_sales.api import acts, prospects, queue, reps, rules
from services.inside_sales.schemas.reasons import REASONS

ROUTERS: tuple[APIRouter, ...] = (
    queue.router,
    prospects.router,
    acts.router,
    reps.router,
    rules.router,
    REASONS.router(),
)
