"""Where every cycle is at a moment is counted from the index alone."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.drop_index("ix_place_place", table_name="place")
    op.create_index("ix_place_place", "place", ["place", "at", "until"])
