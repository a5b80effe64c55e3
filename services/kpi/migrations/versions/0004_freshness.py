"""Up to which moment everything each department told is known."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "freshness",
        sa.Column("publisher", sa.Text(), nullable=False),
        sa.Column("complete_to", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("publisher", name=op.f("pk_freshness")),
    )
