"""What could not be taken in is kept, and has an id."""

from alembic import op

from shared.messaging.steps import DEAD_LETTERS

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    for statement in DEAD_LETTERS:
        op.execute(statement)
