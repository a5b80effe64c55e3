"""The marketing service, put together."""

from pathlib import Path

from sqlalchemy import Text, cast

from services.marketing.api import IMPORTS, ROUTERS
from services.marketing.commands.recycle import BATCH, open_due
from services.marketing.commands.scores import BATCH as SCORED
from services.marketing.commands.scores import let_interest_pass
from services.marketing.consumers import HANDLERS, prepare
from services.marketing.models import Base, LeadRow
from services.marketing.pages import router as pages
from shared.contracts.marketing import FeedbackGiven, FeedbackUpdated
from shared.feedback import Feedback
from shared.service import Concerned, Periodic, Service

FEEDBACK = Feedback("marketing", FeedbackGiven, FeedbackUpdated, metadata=Base.metadata)

SERVICE = Service(
    name="marketing",
    title="Marketing",
    description="Companies and people found, their interest, MQLs handed on, ended cycles opened again.",
    folder=Path(__file__).parent,
    metadata=Base.metadata,
    record=Concerned("lead", cast(LeadRow.id, Text), LeadRow.id, LeadRow.owner),
    routers=(*ROUTERS, FEEDBACK.router(), pages),
    handlers={**HANDLERS, **FEEDBACK.handlers()},
    prepare=prepare,
    listens=("inside_sales", "field_sales", "customer_success"),
    tasks=(IMPORTS.work,),
    periodic=(
        Periodic("recycle due leads", 30.0, open_due, more_than=BATCH),
        Periodic("let interest pass", 3600.0, let_interest_pass, more_than=SCORED),
    ),
)
