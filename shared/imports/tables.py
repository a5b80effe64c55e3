"""The tables of import jobs, in the database of each service that imports."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared import clock
from shared.database import NAMING, Table


class _Base(Table):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMING)


class ImportJobRow(_Base):
    """One file on its way in. `read` and the outcomes after it are the progress: they are committed with the rows."""

    __tablename__ = "import_job"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    resource: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text, default="queued")
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary, index=True)
    dry_run: Mapped[bool]
    user: Mapped[str] = mapped_column(Text)
    file_name: Mapped[str | None] = mapped_column(Text)
    mapping: Mapped[str | None] = mapped_column(Text)
    encoding: Mapped[str | None] = mapped_column(Text)
    timezone: Mapped[str] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(Text)
    rows: Mapped[int]
    columns: Mapped[dict[str, str]] = mapped_column(JSONB)
    unused_columns: Mapped[list[str]] = mapped_column(JSONB)
    read: Mapped[int] = mapped_column(default=0)
    new: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    waiting: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    events: Mapped[int] = mapped_column(default=0)
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(default=clock.utc_now, index=True)
    updated_at: Mapped[datetime] = mapped_column(default=clock.utc_now, index=True)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("status IN ('queued', 'running', 'finished', 'failed')", name="status"),
        Index("ix_import_job_open", "created_at", postgresql_where="status IN ('queued', 'running')"),
    )


class ImportChunkRow(_Base):
    """A piece of an uploaded file, so that any worker can run the job; gone when the job is over."""

    __tablename__ = "import_chunk"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("import_job.id", ondelete="CASCADE"), primary_key=True)
    file: Mapped[str] = mapped_column(Text, primary_key=True)  # empty: the file itself; else a joined file's name
    number: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class ImportRefusalRow(_Base):
    """One rule broken by one row, for errors.csv. A cell may hold a person's data: value and explanation go when any
    person is erased, everything after a while."""

    __tablename__ = "import_refusal"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("import_job.id", ondelete="CASCADE"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)
    column: Mapped[str] = mapped_column(Text)
    value: Mapped[str] = mapped_column(Text)
    rule: Mapped[str] = mapped_column(Text)
    explanation: Mapped[str] = mapped_column(Text)


def add_import_tables(metadata: MetaData) -> None:
    """Called in the `models.py` of a service that imports: the tables become part of its schema and migrations."""
    for table in _Base.metadata.sorted_tables:
        table.to_metadata(metadata)
