"""What could not be taken in is kept, and has an id."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("ALTER TABLE parked_event ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid()")
    op.execute("ALTER TABLE parked_event ADD CONSTRAINT uq_parked_event_id UNIQUE (id)")
    op.execute(
        """
        CREATE TABLE dead_letter (
            id uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT pk_dead_letter PRIMARY KEY,
            topic text NOT NULL,
            partition integer NOT NULL,
            "offset" bigint,
            source text,
            stream text,
            sequence bigint,
            type text,
            key bytea,
            value bytea,
            headers jsonb NOT NULL,
            error text,
            found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            discarded_at timestamptz,
            discarded_by text,
            discarded_because text,
            CONSTRAINT uq_dead_letter_place UNIQUE (topic, partition, "offset")
        )
        """
    )
