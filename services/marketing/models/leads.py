"""People (リード), their cycles, what they did, and who they turned out to be."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, synonym

from services.marketing.models.base import Base
from shared.database import Record


class LeadRow(Record, Base):
    """One person; `created_at` is when they became a lead. The `_key` columns are the folded spellings.

    `cycle` is the newest; `cycle_opened_at` and `mql_at` are of it. `stage` is where the lead stands, `revisit_on` the
    day an ended cycle comes back. `merged_into_id` points to the lead that stands for this person now, never to one
    that is merged itself.
    """

    __tablename__ = "lead"

    external_id: Mapped[str | None] = mapped_column(Text, unique=True)
    account_id: Mapped[UUID | None] = mapped_column(index=True)
    name: Mapped[str | None] = mapped_column(Text)
    name_kana: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    phone: Mapped[str | None] = mapped_column(Text)
    department: Mapped[str | None] = mapped_column(Text)
    job_title: Mapped[str | None] = mapped_column(Text)
    email_key: Mapped[str | None] = mapped_column(Text, unique=True)
    phone_key: Mapped[str | None] = mapped_column(Text, index=True)
    name_key: Mapped[str | None] = mapped_column(Text, index=True)
    channel: Mapped[str | None] = mapped_column(Text)
    campaign: Mapped[str | None] = mapped_column(Text)
    content: Mapped[str | None] = mapped_column(Text)
    segment: Mapped[str | None] = mapped_column(Text)
    industry: Mapped[str | None] = mapped_column(Text)
    product: Mapped[str | None] = mapped_column(Text)
    price_band: Mapped[str | None] = mapped_column(Text)
    region: Mapped[str | None] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(Text)
    utm: Mapped[dict[str, str] | None] = mapped_column(JSONB)
    consent: Mapped[bool | None]
    consent_source: Mapped[str | None] = mapped_column(Text)
    consent_at: Mapped[datetime | None]
    cycle: Mapped[int] = mapped_column(default=1)
    stage: Mapped[str] = mapped_column(Text, default="nurturing", index=True)
    cycle_opened_at: Mapped[datetime]
    revisit_on: Mapped[date | None]
    mql_at: Mapped[datetime | None]
    downstream_owner: Mapped[str | None] = mapped_column(Text)
    joins_kind: Mapped[str | None] = mapped_column(Text)
    joins_ref: Mapped[str | None] = mapped_column(Text)
    score: Mapped[int | None]
    fit: Mapped[int | None]
    engagement: Mapped[float | None]
    scored_at: Mapped[datetime | None]
    merged_into_id: Mapped[UUID | None] = mapped_column(index=True)
    erased_at: Mapped[datetime | None]
    lead_id = synonym("id")
    status = synonym("stage")

    __table_args__ = (
        Index("ix_lead_lively", "scored_at", postgresql_where="engagement >= 0.5"),  # those whose interest decays
    )

    @property
    def stands_for(self) -> UUID:
        """The lead that is this person now."""
        return self.merged_into_id or self.id


class LeadCycleRow(Base):
    """One way of a person through the funnel. Only marketing mints its number."""

    __tablename__ = "lead_cycle"

    lead_id: Mapped[UUID] = mapped_column(primary_key=True)
    cycle: Mapped[int] = mapped_column(primary_key=True)
    opened_at: Mapped[datetime]
    cycle_source: Mapped[str | None] = mapped_column(Text)
    previous_ref: Mapped[str | None] = mapped_column(Text)
    revisit_on: Mapped[date | None]
    stage: Mapped[str] = mapped_column(Text, default="nurturing")
    mql_at: Mapped[datetime | None]
    mql_score: Mapped[int | None]
    declared_by: Mapped[str | None] = mapped_column(Text)
    override_reason: Mapped[str | None] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(Text)
    opportunity_id: Mapped[str | None] = mapped_column(Text)


class MilestoneRow(Base):
    """One thing told of a cycle by any department. An opportunity's wait for its lead until the two are linked."""

    __tablename__ = "milestone"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    lead_id: Mapped[UUID | None]
    cycle: Mapped[int | None]
    opportunity_id: Mapped[str | None] = mapped_column(Text, index=True)
    kind: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    owner: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    recyclable: Mapped[bool] = mapped_column(default=False)
    revisit_on: Mapped[date | None]

    __table_args__ = (Index(None, "lead_id", "cycle"),)


class TouchRow(Record, Base):
    """Something the person did, or we did towards them, at `at`. `note` never leaves this service; `content` does
    only while it is `shared`: the name of a content, not something about the person."""

    __tablename__ = "touch"

    external_id: Mapped[str | None] = mapped_column(Text, unique=True)
    lead_id: Mapped[UUID]
    cycle: Mapped[int]
    kind: Mapped[str] = mapped_column(Text)
    content: Mapped[str | None] = mapped_column(Text)
    shared: Mapped[bool] = mapped_column(default=True)
    note: Mapped[str | None] = mapped_column(Text)
    channel: Mapped[str | None] = mapped_column(Text)
    campaign: Mapped[str | None] = mapped_column(Text)
    score: Mapped[int | None]
    by: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(default=1)
    at = synonym("created_at")

    __table_args__ = (Index(None, "lead_id", "created_at"),)


class LeadMergeRow(Base):
    """One joining of two leads, with what is needed to take it back exactly.

    `filled` are the fields the surviving lead got from the other; `followed` the leads that had been merged into the
    other before.
    """

    __tablename__ = "lead_merge"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    lead_id: Mapped[UUID] = mapped_column(index=True)
    merged_lead_id: Mapped[UUID] = mapped_column(index=True)
    merged_at: Mapped[datetime]
    unmerged_at: Mapped[datetime | None]
    by: Mapped[str] = mapped_column(Text)
    filled: Mapped[list[str]] = mapped_column(JSONB)
    followed: Mapped[list[str]] = mapped_column(JSONB)


class RecyclingRow(Record, Base):
    """The way back of one ended cycle: waiting for its day, opened as `next_cycle`, or cancelled."""

    __tablename__ = "recycling"

    lead_id: Mapped[UUID] = mapped_column(index=True)
    cycle: Mapped[int]
    cycle_source: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    previous_ref: Mapped[str] = mapped_column(Text)
    revisit_on: Mapped[date | None]
    hand_over: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(Text)
    next_cycle: Mapped[int | None]
    opened_at: Mapped[datetime | None]
    note: Mapped[str | None] = mapped_column(Text)
    by: Mapped[str] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(Text)
    channel: Mapped[str | None] = mapped_column(Text)
    segment: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        Index("uq_recycling_cycle", "lead_id", "cycle", unique=True),
        Index("ix_recycling_waiting", "revisit_on", postgresql_where="state = 'waiting'"),
    )


class ChangeRow(Base):
    """What a lead or an account was before, field by field: `{field: [before, after]}`."""

    __tablename__ = "change"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(index=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(Text)
    fields: Mapped[dict[str, list[Any]]] = mapped_column(JSONB)


class AliasRow(Base):
    """A second external id that turned out to mean something known under another one."""

    __tablename__ = "alias"

    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    external_id: Mapped[str] = mapped_column(Text, primary_key=True)
    target_id: Mapped[UUID] = mapped_column(index=True)
