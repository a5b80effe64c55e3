"""Why a rule was changed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("rule", sa.Column("note", sa.Text()))
