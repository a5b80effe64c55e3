"""kpi over HTTP: figures, journeys, the live stream, and what people decide."""

from services.kpi.api.accuracy import router as accuracy
from services.kpi.api.attribution import router as attribution
from services.kpi.api.backtest import router as backtest
from services.kpi.api.bottleneck import router as bottleneck
from services.kpi.api.cohorts import router as cohorts
from services.kpi.api.coming import router as coming
from services.kpi.api.cooperation import router as cooperation
from services.kpi.api.decisions import router as decisions
from services.kpi.api.differences import router as differences
from services.kpi.api.families import router as families
from services.kpi.api.figures import router as figures
from services.kpi.api.forecast import router as forecast
from services.kpi.api.goals import router as goals
from services.kpi.api.journeys import router as journeys
from services.kpi.api.kgi import router as kgi
from services.kpi.api.landing import router as landing
from services.kpi.api.measures import router as measures
from services.kpi.api.mine import router as mine
from services.kpi.api.models import router as models
from services.kpi.api.planning import router as planning
from services.kpi.api.plans import router as plans
from services.kpi.api.records import router as records
from services.kpi.api.reports import router as reports
from services.kpi.api.scenarios import router as scenarios
from services.kpi.api.snapshots import router as snapshots
from services.kpi.api.stream import router as stream

ROUTERS = (
    *(figures, families, records, cohorts, attribution, accuracy, backtest, bottleneck),
    *(coming, cooperation, decisions, differences, forecast, goals, journeys, kgi, landing),
    *(measures, mine, models, planning, plans, reports, scenarios, snapshots, stream),
)
