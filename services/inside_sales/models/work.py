"""What inside sales does with a prospect: activities, and appointments (アポ) for field sales."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from services.inside_sales.models.base import Base
from shared.database import Record, Words, coded


class AppointmentStatus(StrEnum):
    SET = "set"
    HELD = "held"
    MISSED = "missed"
    CANCELLED = "cancelled"


class ActivityRow(Base, Record):
    """`note` is free text about a person and never leaves this database."""

    __tablename__ = "activity"
    __table_args__ = (Index("ix_activity_lead_id_at", "lead_id", "at"),)

    external_id: Mapped[Words | None] = mapped_column(unique=True)
    lead_id: Mapped[UUID]
    cycle: Mapped[int]
    kind: Mapped[Words]
    outcome: Mapped[Words | None]
    automatic: Mapped[bool]
    at: Mapped[datetime]
    owner: Mapped[Words]  # who did it
    note: Mapped[Words | None]


class AppointmentRow(Base, Record):
    """`place` may be an address and stays here; the wire only knows online, visit or phone."""

    __tablename__ = "appointment"
    __table_args__ = (Index("ix_appointment_rep_start_at", "rep", "start_at"),)

    external_id: Mapped[Words | None] = mapped_column(unique=True)
    lead_id: Mapped[UUID] = mapped_column(index=True)
    cycle: Mapped[int]
    opportunity_id: Mapped[UUID] = mapped_column(index=True)
    rep: Mapped[Words | None]
    start_at: Mapped[datetime]
    end_at: Mapped[datetime]
    place: Mapped[Words | None]
    status: Mapped[AppointmentStatus] = mapped_column(coded(AppointmentStatus), default=AppointmentStatus.SET)

    @property
    def minutes(self) -> int:
        return int((self.end_at - self.start_at).total_seconds() // 60)
