"""A segment may have a chain of its own."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("stage_definition", sa.Column("segments", JSONB, nullable=False, server_default="{}"))
