"""How much a customer used the product in a week stands in a table of its own; when a deal was joint nobody asks."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

CALLED = """
UPDATE fact SET reference = account_id || '/' || (data ->> 'week')
WHERE type = 'customer_success.usage_summarised.v1' AND account_id IS NOT NULL
"""
FILLED = """
INSERT INTO use_week (key, at, until, account_id, week, count, active_days)
SELECT key, at, lead(at) OVER (PARTITION BY key ORDER BY at), account_id, (data ->> 'week')::date,
       (data ->> 'count')::bigint, (data ->> 'active_days')::smallint
FROM (
    SELECT DISTINCT ON (reference, occurred_at) reference AS key, occurred_at AS at, account_id, data FROM fact
    WHERE type = 'customer_success.usage_summarised.v1' AND account_id IS NOT NULL
    ORDER BY reference, occurred_at, recorded_at DESC, sequence DESC, event_id DESC
) AS told
"""


def upgrade() -> None:
    op.drop_column("joint_deal", "at")
    op.create_table(
        "use_week",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True)),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("week", sa.Date, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("active_days", sa.SmallInteger),
        sa.PrimaryKeyConstraint("key", "at", name="pk_use_week"),
    )
    op.execute(CALLED)
    op.execute(FILLED)
    held = ["account_id", "at", "until", "count", "active_days"]
    op.create_index("ix_use_week_week", "use_week", ["week"], postgresql_include=held)
