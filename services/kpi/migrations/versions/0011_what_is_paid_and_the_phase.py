"""What an account pays at a moment and the phase a deal is in since when stand in their rows."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"

PAID = """
UPDATE movement m SET paid = s.paid, until = s.until FROM (
    SELECT account_id, basis, at, currency, sum(delta) OVER mine AS paid, lead(at) OVER mine AS until
    FROM movement WINDOW mine AS (PARTITION BY account_id, basis, currency ORDER BY at)
) AS s WHERE (m.account_id, m.basis, m.at, m.currency) = (s.account_id, s.basis, s.at, s.currency)
"""
SINCE = """
UPDATE opportunity_state o SET phase_since = s.since FROM (
    SELECT opportunity_id, at, min(at) OVER (PARTITION BY opportunity_id, spell) AS since FROM (
        SELECT opportunity_id, at, status, count(*) FILTER (WHERE began) OVER mine AS spell FROM (
            SELECT opportunity_id, at, status,
                   (status, phase) IS DISTINCT FROM (lag(status) OVER mine, lag(phase) OVER mine) AS began
            FROM opportunity_state WINDOW mine AS (PARTITION BY opportunity_id ORDER BY at)
        ) AS b WINDOW mine AS (PARTITION BY opportunity_id ORDER BY at)
    ) AS n WHERE status = 'open'
) AS s WHERE o.opportunity_id = s.opportunity_id AND o.at = s.at
"""
STAYS = """
UPDATE passage p SET stays = s.stays FROM (
    SELECT subject, ordinal, coalesce(jsonb_object_agg(phase, seconds) FILTER (WHERE phase IS NOT NULL), '{}') AS stays
    FROM (
        SELECT p.subject, p.ordinal, s.phase, sum(extract(epoch FROM least(s.until, p.at) - s.at)) AS seconds
        FROM passage p LEFT JOIN opportunity_state s
          ON s.opportunity_id = p.subject AND s.status = 'open' AND s.phase <> '' AND s.at < p.at
        WHERE p.milestone = 'won' GROUP BY 1, 2, 3
    ) AS d GROUP BY 1, 2
) AS s WHERE p.milestone = 'won' AND p.subject = s.subject AND p.ordinal = s.ordinal
"""


def upgrade() -> None:
    op.add_column("movement", sa.Column("paid", sa.BigInteger))
    op.add_column("movement", sa.Column("until", sa.DateTime(timezone=True)))
    op.add_column("opportunity_state", sa.Column("phase_since", sa.DateTime(timezone=True)))
    op.add_column("passage", sa.Column("stays", postgresql.JSONB))
    for statement in (PAID, SINCE, STAYS):
        op.execute(statement)
    op.alter_column("movement", "paid", nullable=False)
    op.drop_index("ix_movement_at", table_name="movement")
    op.create_index(
        "ix_movement_at",
        "movement",
        ["basis", "at", "until"],
        postgresql_include=["account_id", "kind", "currency", "delta", "paid"],
    )
    lasts = sa.text("coalesce(until, 'infinity'::timestamptz)")
    op.drop_index("ix_place_place", table_name="place")
    op.create_index("ix_place_place", "place", ["place", "at", lasts], postgresql_include=["until"])
    op.drop_index("ix_opportunity_state_status", table_name="opportunity_state")
    op.create_index("ix_opportunity_state_status", "opportunity_state", ["status", "at", lasts])
    op.create_index(
        "ix_opportunity_state_step",
        "opportunity_state",
        ["opportunity_id", "at"],
        postgresql_include=["status", "phase"],
        postgresql_where=sa.text("phase_since IS NULL OR phase_since = at"),
    )
