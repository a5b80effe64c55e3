"""Initial: the tables, and version 1 of every rule."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
FIRST_RULES = {
    "sla": {
        "minutes": 60,
        "unfollowed_factor": 24,
        "settle_seconds": 20,
        "timezone": "Asia/Tokyo",
        "opens": "09:00:00",
        "closes": "18:00:00",
        "days": [1, 2, 3, 4, 5],
        "holidays": [],
    },
    "hand_over": {
        "required": ["budget", "authority", "need", "timing"],
        "passes": {
            "budget": ["secured", "planned", "requestable", "undecided"],
            "authority": ["decision_maker", "recommender", "evaluator"],
            "need": ["explicit", "latent"],
            "timing": ["within_1_month", "within_3_months", "within_6_months", "within_1_year"],
        },
    },
    "queue": {
        "default_score": 50,
        "score_floor": 0.05,
        "age_minutes": 480,
        "age_cap": 3,
        "sla_soon_minutes": 30,
        "sla_soon": 3,
        "sla_overdue": 2,
        "held": 0.1,
    },
    "valve": {
        "low": 0.8,
        "high": 1.2,
        "width": 0.4,
        "base": 40,
        "step": 20,
        "minimum": 0,
        "maximum": 80,
        "origins": ["sql", "self_sourced", "partner", "referral"],
        "per": "company",
    },
}


def upgrade() -> None:
    op.create_table(
        "activity",
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activity")),
        sa.UniqueConstraint("external_id", name=op.f("uq_activity_external_id")),
    )
    op.create_index(op.f("ix_activity_created_at"), "activity", ["created_at"], unique=False)
    op.create_index("ix_activity_lead_id_at", "activity", ["lead_id", "at"], unique=False)
    op.create_index(op.f("ix_activity_updated_at"), "activity", ["updated_at"], unique=False)
    op.create_table(
        "applied_sequence",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "stream", name=op.f("pk_applied_sequence")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "appointment",
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("opportunity_id", sa.Uuid(), nullable=False),
        sa.Column("rep", sa.Text(), nullable=True),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column(
            "status",
            sa.Enum("set", "held", "missed", "cancelled", name="appointmentstatus", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointment")),
        sa.UniqueConstraint("external_id", name=op.f("uq_appointment_external_id")),
    )
    op.create_index(op.f("ix_appointment_created_at"), "appointment", ["created_at"], unique=False)
    op.create_index(op.f("ix_appointment_lead_id"), "appointment", ["lead_id"], unique=False)
    op.create_index(op.f("ix_appointment_opportunity_id"), "appointment", ["opportunity_id"], unique=False)
    op.create_index("ix_appointment_rep_start_at", "appointment", ["rep", "start_at"], unique=False)
    op.create_index(op.f("ix_appointment_updated_at"), "appointment", ["updated_at"], unique=False)
    op.create_table(
        "company",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("merged_into", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_company")),
    )
    op.create_index(op.f("ix_company_merged_into"), "company", ["merged_into"], unique=False)
    op.create_table(
        "consumer_offset",
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "topic", name=op.f("pk_consumer_offset")),
    )
    op.create_table(
        "feedback",
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("sender", sa.Text(), nullable=True),
        sa.Column("receiver", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("refs", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("opportunity_id", sa.Uuid(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("segment", sa.Text(), nullable=True),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("acted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("change", sa.Text(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("useful", sa.Boolean(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
        sa.UniqueConstraint("sender", "external_id", name=op.f("uq_feedback_sender_external_id")),
    )
    op.create_index(op.f("ix_feedback_account_id"), "feedback", ["account_id"], unique=False)
    op.create_index(op.f("ix_feedback_created_at"), "feedback", ["created_at"], unique=False)
    op.create_index(op.f("ix_feedback_lead_id"), "feedback", ["lead_id"], unique=False)
    op.create_index(op.f("ix_feedback_opportunity_id"), "feedback", ["opportunity_id"], unique=False)
    op.create_index(op.f("ix_feedback_receiver_feedback_state"), "feedback", ["receiver", "state"], unique=False)
    op.create_index(op.f("ix_feedback_sender_feedback_state"), "feedback", ["sender", "state"], unique=False)
    op.create_index(op.f("ix_feedback_updated_at"), "feedback", ["updated_at"], unique=False)
    op.create_table(
        "idempotency_key",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_idempotency_key")),
    )
    op.create_index(op.f("ix_idempotency_key_created_at"), "idempotency_key", ["created_at"], unique=False)
    op.create_table(
        "import_job",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("mapping", sa.Text(), nullable=True),
        sa.Column("encoding", sa.Text(), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("unused_columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("read", sa.Integer(), nullable=False),
        sa.Column("new", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("problem", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('queued', 'running', 'finished', 'failed')", name=op.f("ck_import_job_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_job")),
    )
    op.create_index(op.f("ix_import_job_created_at"), "import_job", ["created_at"], unique=False)
    op.create_index(op.f("ix_import_job_fingerprint"), "import_job", ["fingerprint"], unique=False)
    op.create_index(
        "ix_import_job_open",
        "import_job",
        ["created_at"],
        unique=False,
        postgresql_where="status IN ('queued', 'running')",
    )
    op.create_index(op.f("ix_import_job_updated_at"), "import_job", ["updated_at"], unique=False)
    op.create_table(
        "lead",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("dimensions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("merged_into", sa.Uuid(), nullable=True),
        sa.Column("erased", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead")),
    )
    op.create_index(op.f("ix_lead_external_id"), "lead", ["external_id"], unique=False)
    op.create_index(op.f("ix_lead_merged_into"), "lead", ["merged_into"], unique=False)
    op.create_table(
        "opportunity",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=True),
        sa.Column("cycle", sa.Integer(), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "nurturing",
                "waiting",
                "claimed",
                "accepted",
                "handed_over",
                "opened",
                "won",
                "lost",
                "returned",
                "rejected",
                "dropped",
                "merged",
                "erased",
                name="status",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("origin", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("recyclable", sa.Boolean(), nullable=True),
        sa.Column("revisit_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opportunity")),
    )
    op.create_index(op.f("ix_opportunity_lead_id"), "opportunity", ["lead_id"], unique=False)
    op.create_index(op.f("ix_opportunity_opened_at"), "opportunity", ["opened_at"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "stream IS NULL OR octet_length(payload) <= 262144", name=op.f("ck_outbox_ck_outbox_payload")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("stream", "sequence", name="uq_outbox_stream_sequence"),
        postgresql_with={
            "fillfactor": 70,
            "autovacuum_vacuum_scale_factor": 0,
            "autovacuum_vacuum_threshold": 2000,
            "autovacuum_vacuum_cost_delay": 0,
        },
    )
    op.create_table(
        "outbox_dead",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("voided_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_outbox_dead")),
    )
    op.create_table(
        "outbox_stream",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk_outbox_stream")),
        postgresql_with={"fillfactor": 60},
    )
    op.create_table(
        "parked_event",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("parked_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("source", "stream", "sequence", name=op.f("pk_parked_event")),
    )
    op.create_table(
        "prospect",
        sa.Column("merged_into", sa.Uuid(), nullable=True),
        sa.Column(
            "merged_status",
            sa.Enum(
                "nurturing",
                "waiting",
                "claimed",
                "accepted",
                "handed_over",
                "opened",
                "won",
                "lost",
                "returned",
                "rejected",
                "dropped",
                "merged",
                "erased",
                name="status",
                native_enum=False,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("taken_from", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "nurturing",
                "waiting",
                "claimed",
                "accepted",
                "handed_over",
                "opened",
                "won",
                "lost",
                "returned",
                "rejected",
                "dropped",
                "merged",
                "erased",
                name="status",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("campaign", sa.Text(), nullable=True),
        sa.Column("segment", sa.Text(), nullable=True),
        sa.Column("industry", sa.Text(), nullable=True),
        sa.Column("product", sa.Text(), nullable=True),
        sa.Column("price_band", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cycle_source", sa.Text(), nullable=True),
        sa.Column("previous_ref", sa.Text(), nullable=True),
        sa.Column("score", sa.Integer(), nullable=True),
        sa.Column("fit", sa.Integer(), nullable=True),
        sa.Column("engagement", sa.Integer(), nullable=True),
        sa.Column("declared", sa.Boolean(), nullable=False),
        sa.Column("mql_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sla_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sla_version", sa.Integer(), nullable=True),
        sa.Column("unfollowed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_contact_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sql_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("recyclable", sa.Boolean(), nullable=True),
        sa.Column("revisit_on", sa.Date(), nullable=True),
        sa.Column("budget", sa.Text(), nullable=True),
        sa.Column("authority", sa.Text(), nullable=True),
        sa.Column("need", sa.Text(), nullable=True),
        sa.Column("timing", sa.Text(), nullable=True),
        sa.Column("size", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("expected_mrr_amount", sa.BigInteger(), nullable=True),
        sa.Column("expected_mrr_currency", sa.Text(), nullable=True),
        sa.Column("criteria_version", sa.Integer(), nullable=True),
        sa.Column("opportunity_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prospect")),
    )
    op.create_index("ix_prospect_account_id", "prospect", ["account_id"], unique=False)
    op.create_index(op.f("ix_prospect_created_at"), "prospect", ["created_at"], unique=False)
    op.create_index("ix_prospect_external_id", "prospect", ["external_id"], unique=False)
    op.create_index(op.f("ix_prospect_merged_into"), "prospect", ["merged_into"], unique=False)
    op.create_index(op.f("ix_prospect_opportunity_id"), "prospect", ["opportunity_id"], unique=False)
    op.create_index("ix_prospect_owner", "prospect", ["owner"], unique=False)
    op.create_index("ix_prospect_status", "prospect", ["status"], unique=False)
    op.create_index(
        "ix_prospect_unfollowed_at",
        "prospect",
        ["unfollowed_at"],
        unique=False,
        postgresql_where=sa.text("first_contact_at IS NULL AND status IN ('waiting', 'claimed', 'accepted')"),
    )
    op.create_index(op.f("ix_prospect_updated_at"), "prospect", ["updated_at"], unique=False)
    op.create_table(
        "prospect_change",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prospect_change")),
    )
    op.create_index(op.f("ix_prospect_change_lead_id"), "prospect_change", ["lead_id"], unique=False)
    op.create_table(
        "prospect_cycle",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "nurturing",
                "waiting",
                "claimed",
                "accepted",
                "handed_over",
                "opened",
                "won",
                "lost",
                "returned",
                "rejected",
                "dropped",
                "merged",
                "erased",
                name="status",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("campaign", sa.Text(), nullable=True),
        sa.Column("segment", sa.Text(), nullable=True),
        sa.Column("industry", sa.Text(), nullable=True),
        sa.Column("product", sa.Text(), nullable=True),
        sa.Column("price_band", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cycle_source", sa.Text(), nullable=True),
        sa.Column("previous_ref", sa.Text(), nullable=True),
        sa.Column("score", sa.Integer(), nullable=True),
        sa.Column("fit", sa.Integer(), nullable=True),
        sa.Column("engagement", sa.Integer(), nullable=True),
        sa.Column("declared", sa.Boolean(), nullable=False),
        sa.Column("mql_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sla_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sla_version", sa.Integer(), nullable=True),
        sa.Column("unfollowed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_contact_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sql_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("recyclable", sa.Boolean(), nullable=True),
        sa.Column("revisit_on", sa.Date(), nullable=True),
        sa.Column("budget", sa.Text(), nullable=True),
        sa.Column("authority", sa.Text(), nullable=True),
        sa.Column("need", sa.Text(), nullable=True),
        sa.Column("timing", sa.Text(), nullable=True),
        sa.Column("size", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("expected_mrr_amount", sa.BigInteger(), nullable=True),
        sa.Column("expected_mrr_currency", sa.Text(), nullable=True),
        sa.Column("criteria_version", sa.Integer(), nullable=True),
        sa.Column("opportunity_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prospect_cycle")),
    )
    op.create_index("ix_prospect_cycle_lead_id_cycle", "prospect_cycle", ["lead_id", "cycle"], unique=False)
    op.create_index(op.f("ix_prospect_cycle_opportunity_id"), "prospect_cycle", ["opportunity_id"], unique=False)
    op.create_table(
        "relay_offset",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name=op.f("pk_relay_offset")),
    )
    op.create_table(
        "rep",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("team", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("manager", sa.Text(), nullable=True),
        sa.Column("started_on", sa.Date(), nullable=True),
        sa.Column("slots_per_week", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rep")),
    )
    op.create_index(op.f("ix_rep_created_at"), "rep", ["created_at"], unique=False)
    op.create_index(op.f("ix_rep_team"), "rep", ["team"], unique=False)
    op.create_index(op.f("ix_rep_updated_at"), "rep", ["updated_at"], unique=False)
    op.create_table(
        "rule",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_rule")),
    )
    op.create_table(
        "valve",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("utilisation", sa.Double(), nullable=True),
        sa.Column("offered", sa.Integer(), nullable=False),
        sa.Column("opened", sa.Integer(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=True),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_valve")),
    )
    op.create_table(
        "waiting_history",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("told", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waiting_history")),
    )
    op.create_index(op.f("ix_waiting_history_created_at"), "waiting_history", ["created_at"], unique=False)
    op.create_table(
        "import_chunk",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["import_job.id"], name=op.f("fk_import_chunk_job_id_import_job"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "file", "number", name=op.f("pk_import_chunk")),
    )
    op.create_table(
        "import_refusal",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("column", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["import_job.id"], name=op.f("fk_import_refusal_job_id_import_job"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "line", "place", name=op.f("pk_import_refusal")),
    )
    op.bulk_insert(
        sa.table(
            "rule",
            sa.column("name", sa.Text()),
            sa.column("version", sa.Integer()),
            sa.column("valid_from", sa.DateTime(timezone=True)),
            sa.column("body", postgresql.JSONB()),
            sa.column("by", sa.Text()),
            sa.column("created_at", sa.DateTime(timezone=True)),
        ),
        [
            {
                "name": name,
                "version": 1,
                "valid_from": BEGINNING,
                "body": body,
                "by": "themodel",
                "created_at": BEGINNING,
            }
            for name, body in FIRST_RULES.items()
        ],
    )
    valve = sa.table(
        "valve",
        *(sa.column(name, sa.Text()) for name in ("id", "why")),
        *(sa.column(name, sa.Integer()) for name in ("threshold", "offered", "opened", "rule_version")),
    )
    stands = {"id": "company", "why": "no_capacity_told", "threshold": 0, "offered": 0, "opened": 0, "rule_version": 1}
    op.bulk_insert(valve, [stands])
