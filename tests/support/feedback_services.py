"""Two tiny services that do nothing but give each other feedback."""

from pathlib import Path

from sqlalchemy import MetaData

from shared.contracts import customer_success, marketing
from shared.database import NAMING
from shared.feedback import Feedback
from shared.feedback.pages import feedback_pages
from shared.service import Service
from shared.web.routes import pages_router

_MIGRATION = '''"""Everything."""

from alembic import op

from shared.migrate import merged
from tests.support.feedback_services import METADATA

revision = "0001"
down_revision = None


def upgrade() -> None:
    merged(METADATA).create_all(op.get_bind())
'''

METADATA = MetaData(naming_convention=NAMING)
MARKETING = Feedback("marketing", marketing.FeedbackGiven, marketing.FeedbackUpdated, metadata=METADATA)
CUSTOMER_SUCCESS = Feedback(
    "customer_success",
    customer_success.FeedbackGiven,
    customer_success.FeedbackUpdated,
    metadata=MetaData(naming_convention=NAMING),
    parties=("customer_success", "product"),
)


def tiny_service(name: str, feedback: Feedback, folder: Path) -> Service:
    """A service called tiny_`name`, so that its schema is not taken for the real one's."""
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    (versions / "0001_initial.py").write_text(_MIGRATION)
    return Service(
        name=f"tiny_{name}",
        title=name,
        description="Feedback only",
        folder=folder,
        metadata=METADATA,
        routers=[feedback.router(), pages_router(feedback_pages(*feedback.voice.parties))],
        handlers=feedback.handlers(),
        listens=feedback.others,
    )
