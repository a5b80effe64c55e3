"""What was told of somebody, and when, is found in the index alone."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    for name in ("lead", "opportunity", "account"):
        op.drop_index(f"ix_fact_{name}", table_name="fact")
        op.create_index(
            f"ix_fact_{name}",
            "fact",
            [f"{name}_id", "type", "occurred_at"],
            postgresql_where=sa.text(f"{name}_id IS NOT NULL"),
        )
