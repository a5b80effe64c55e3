"""What inside sales is made of."""

from pathlib import Path

from services.inside_sales.api import ROUTERS
from services.inside_sales.commands.drop_prospect import BATCH, drop_unfollowed
from services.inside_sales.commands.import_prospects import PROSPECTS, load_prospects
from services.inside_sales.commands.import_reps import REPS, load_reps
from services.inside_sales.commands.keep_lead import JOINED_AT_ONCE, join_waiting
from services.inside_sales.commands.move_valve import move_valve
from services.inside_sales.consumers import HANDLERS, prepare
from services.inside_sales.models import Base, ProspectRow
from services.inside_sales.pages import router as pages
from shared.auth import Role
from shared.contracts.inside_sales import FeedbackGiven, FeedbackUpdated
from shared.feedback import Feedback
from shared.imports.api import Imports
from shared.imports.importer import Importer
from shared.service import Concerned, Periodic, Service

IMPORTS = Imports(
    [Importer(PROSPECTS, load_prospects), Importer(REPS, load_reps)], roles=[Role.INSIDE_SALES, Role.OPS_LEAD]
)
FEEDBACK = Feedback("inside_sales", FeedbackGiven, FeedbackUpdated, metadata=Base.metadata)

SERVICE = Service(
    name="inside_sales",
    title="Inside sales",
    description="Answers MQLs in time, judges them, and hands over to field sales what is worth a meeting.",
    folder=Path(__file__).parent,
    metadata=Base.metadata,
    record=Concerned("prospect", ProspectRow.journey, ProspectRow.id, ProspectRow.owner),
    routers=(*ROUTERS, FEEDBACK.router(), pages, IMPORTS.router),
    handlers={**HANDLERS, **FEEDBACK.handlers()},
    prepare=prepare,
    listens=("marketing", "field_sales", "customer_success"),
    tasks=(IMPORTS.work,),
    periodic=(
        Periodic("join waiting history", 5.0, join_waiting, more_than=JOINED_AT_ONCE),
        Periodic("unfollowed", 10.0, drop_unfollowed, more_than=BATCH),
        Periodic("valve", 15.0, move_valve),
    ),
)
