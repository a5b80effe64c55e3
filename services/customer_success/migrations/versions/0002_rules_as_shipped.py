"""Why a rule was changed; and version 1 of every rule, as shipped, where nobody has used or changed it yet."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, insert

from services.customer_success.settings import SHIPPED_RULES

revision = "0002"
down_revision = "0001"

BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)


def upgrade() -> None:
    op.add_column("rule", sa.Column("note", sa.Text()))
    rule = sa.table(
        "rule",
        sa.column("name", sa.Text),
        sa.column("version", sa.Integer),
        sa.column("valid_from", sa.DateTime(timezone=True)),
        sa.column("body", JSONB),
        sa.column("by", sa.Text),
        sa.column("created_at", sa.DateTime(timezone=True)),
    )
    first = {"version": 1, "valid_from": BEGINNING, "by": "product", "created_at": datetime.now(UTC)}
    rows = [{"name": name, "body": body, **first} for name, body in SHIPPED_RULES.items()]
    op.execute(insert(rule).values(rows).on_conflict_do_nothing())
