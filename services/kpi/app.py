"""kpi put together."""

from pathlib import Path

from fastapi import FastAPI

from services.kpi.api import ROUTERS
from services.kpi.api.freezing import keep_forecasts
from services.kpi.api.learning import Trained
from services.kpi.api.stream import Watcher
from services.kpi.commands.rebuilding import keep_folded
from services.kpi.consumers import FactStore, keep_fresh, redrive
from services.kpi.domain.stages import STAGES
from services.kpi.exporter import export
from services.kpi.models import Base
from services.kpi.pages import router as pages
from shared.service import Periodic, Runtime, Service


def _on_app(app: FastAPI, runtime: Runtime) -> None:
    app.state.watcher = Watcher(runtime)
    app.state.trained = Trained(runtime)


SERVICE = Service(
    name="kpi",
    title="KPI",
    description="The whole chain in figures: what every department told, folded into one funnel.",
    folder=Path(__file__).parent,
    metadata=Base.metadata,
    routers=(*ROUTERS, pages),
    listens=STAGES,
    periodic=(Periodic("redrive", 30, redrive),),
    tasks=(export, keep_fresh, keep_folded, keep_forecasts),
    make_store=FactStore,
    gathers=True,
    on_app=_on_app,
)
