"""Appointments and the terms of contracts, folded; what is paid for contracts, and items of feedback, by index."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
DIMENSIONS = ("channel", "campaign", "segment", "industry", "product", "price_band", "region", "owner")


def _sliced() -> list[sa.Column[str]]:
    return [
        *(sa.Column(name, sa.Text(), nullable=True) for name in DIMENSIONS),
        sa.Column("latest", postgresql.JSONB(), nullable=False),
    ]


def upgrade() -> None:
    op.create_table(
        "appointment",
        sa.Column("opportunity_id", sa.Uuid(), nullable=False),
        sa.Column("appointment_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("missed", sa.Boolean(), nullable=False),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.Column("moves", sa.Integer(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=True),
        sa.Column("cycle", sa.Integer(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        *_sliced(),
        sa.PrimaryKeyConstraint("opportunity_id", "appointment_id", "at", name=op.f("pk_appointment")),
    )
    op.create_index("ix_appointment_start", "appointment", ["start_at"])
    op.create_table(
        "term",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("term_months", sa.Integer(), nullable=True),
        sa.Column("cycle", sa.Integer(), nullable=True),
        *_sliced(),
        sa.PrimaryKeyConstraint("account_id", "contract_id", "due_on", "at", name=op.f("pk_term")),
    )
    op.create_index("ix_term_due", "term", ["due_on"])
    names = ("contract_started", "contract_renewed", "subscription_changed")
    paid = ", ".join(f"'customer_success.{name}.v1'" for name in names)
    op.create_index(
        "ix_fact_paid",
        "fact",
        ["account_id"],
        postgresql_include=["type", "contract_id", "occurred_at", "recorded_at", "mrr_amount", "mrr_currency"],
        postgresql_where=sa.text(f"type IN ({paid})"),
    )
    op.create_index(
        "ix_fact_feedback",
        "fact",
        [sa.text("(data ->> 'feedback_id')"), "occurred_at"],
        postgresql_where=sa.text("data ->> 'feedback_id' IS NOT NULL"),
    )
