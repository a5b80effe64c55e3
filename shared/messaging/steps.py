"""What changed in the plumbing that every service has, for each service's migrations to run.

A step is never changed once it was released: databases have taken it as it was.
"""

DEAD_LETTERS = (
    "ALTER TABLE parked_event ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid()",
    "ALTER TABLE parked_event ADD CONSTRAINT uq_parked_event_id UNIQUE (id)",
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
    """,
)
