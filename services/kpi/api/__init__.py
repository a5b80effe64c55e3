"""kpi over HTTP: figures, journeys, the live stream, and what people decide."""

from services.kpi.api.decisions import router as decisions
from services.kpi.api.figures import router as figures
from services.kpi.api.journeys import router as journeys
from services.kpi.api.stream import router as stream

ROUTERS = (figures, journeys, decisions, stream)
