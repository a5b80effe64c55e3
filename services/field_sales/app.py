"""What field sales is made of."""

from pathlib import Path

from services.field_sales.api import ROUTERS
from services.field_sales.commands.import_opportunities import IMPORTER as OPPORTUNITIES
from services.field_sales.commands.import_reps import IMPORTER as REPS
from services.field_sales.commands.keep_leads import join_waiting
from services.field_sales.consumers import HANDLERS, prepare
from services.field_sales.models import Base, OpportunityRow
from services.field_sales.pages import router as pages
from shared.auth import Role
from shared.contracts.field_sales import FeedbackGiven, FeedbackUpdated
from shared.feedback import Feedback
from shared.imports.api import Imports
from shared.service import Concerned, Periodic, Service

FEEDBACK = Feedback("field_sales", FeedbackGiven, FeedbackUpdated, metadata=Base.metadata)
IMPORTS = Imports([OPPORTUNITIES, REPS], roles=[Role.FIELD_SALES, Role.OPS_LEAD])

SERVICE = Service(
    name="field_sales",
    title="Field sales",
    description="Takes SQLs or sends them back, leads opportunities through their phases, wins and loses deals.",
    folder=Path(__file__).parent,
    metadata=Base.metadata,
    record=Concerned("opportunity", OpportunityRow.journey, OpportunityRow.id, OpportunityRow.owner),
    routers=(*ROUTERS, IMPORTS.router, FEEDBACK.router(), pages),
    handlers={**HANDLERS, **FEEDBACK.handlers()},
    prepare=prepare,
    listens=("marketing", "inside_sales", "customer_success"),
    periodic=(Periodic("join waiting leads", 30.0, join_waiting, more_than=500),),
    tasks=(IMPORTS.work,),
)
