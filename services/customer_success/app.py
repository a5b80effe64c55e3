"""What customer success is made of."""

from pathlib import Path

from services.customer_success.api import ROUTERS
from services.customer_success.commands.by_calendar import (
    CHUNK,
    follow_dormancy,
    follow_due_contracts,
    settle_imported,
)
from services.customer_success.commands.health import CHUNK as JUDGED
from services.customer_success.commands.health import judge_stale
from services.customer_success.commands.import_activity import IMPORTERS
from services.customer_success.commands.import_contracts import IMPORTER
from services.customer_success.commands.summarise_usage import CHUNK as WEEKS
from services.customer_success.commands.summarise_usage import summarise_weeks
from services.customer_success.commands.waiting import join_missed
from services.customer_success.consumers import HANDLERS
from services.customer_success.models import Base, CustomerRow
from services.customer_success.pages import router as pages
from shared.auth import Role
from shared.contracts.customer_success import FeedbackGiven, FeedbackUpdated
from shared.feedback import Feedback
from shared.imports.api import Imports
from shared.service import Concerned, Periodic, Service

FEEDBACK = Feedback(
    "customer_success",
    FeedbackGiven,
    FeedbackUpdated,
    metadata=Base.metadata,
    parties=("customer_success", "product"),
)
IMPORTS = Imports([IMPORTER, *IMPORTERS], roles=[Role.CUSTOMER_SUCCESS, Role.OPS_LEAD])

SERVICE = Service(
    name="customer_success",
    title="Customer success",
    description="Takes customers over from field sales, brings them in, keeps and grows them; sees who may leave.",
    folder=Path(__file__).parent,
    metadata=Base.metadata,
    record=Concerned("customer", CustomerRow.journey, CustomerRow.id, CustomerRow.owner),
    routers=(*ROUTERS, IMPORTS.router, FEEDBACK.router(), pages),
    handlers={**HANDLERS, **FEEDBACK.handlers()},
    listens=("marketing", "inside_sales", "field_sales"),
    periodic=(
        Periodic("settle", 1.0, settle_imported, more_than=CHUNK),
        Periodic("health", 2.0, judge_stale, more_than=JUDGED),
        Periodic("join waiting", 10.0, join_missed),
        Periodic("usage weeks", 10.0, summarise_weeks, more_than=WEEKS),
        Periodic("contracts due", 30.0, follow_due_contracts, more_than=CHUNK),
        Periodic("dormancy", 60.0, follow_dormancy, more_than=CHUNK),
    ),
    tasks=(IMPORTS.work,),
)
