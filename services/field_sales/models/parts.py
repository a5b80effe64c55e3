"""What belongs to an opportunity: appointments, the first visit, promises, history."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from services.field_sales.domain.appointments import AppointmentStatus
from services.field_sales.domain.lifecycle import Status
from services.field_sales.models.base import Base, Codes, Names
from services.field_sales.models.opportunity import OpportunityRow
from shared.database import Words, coded


class AppointmentRow(Base):
    """A meeting inside sales agreed on; it may be told before the opportunity it belongs to."""

    __tablename__ = "appointment"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    opportunity_id: Mapped[UUID] = mapped_column(index=True)
    rep: Mapped[Words | None]
    start_at: Mapped[datetime]
    minutes: Mapped[int]
    place: Mapped[Words | None]
    status: Mapped[AppointmentStatus] = mapped_column(coded(AppointmentStatus))
    reason: Mapped[Words | None]
    set_at: Mapped[datetime]
    stepped_at: Mapped[datetime]
    reschedules: Mapped[int] = mapped_column(default=0)

    __table_args__ = (Index("ix_appointment_rep_start_at", "rep", "start_at"),)


class FirstVisitRow(Base):
    """What the first visit found, and how it differs from inside sales' note; a corrected review replaces it."""

    __tablename__ = "first_visit"

    opportunity_id: Mapped[UUID] = mapped_column(ForeignKey(OpportunityRow.id), primary_key=True)
    at: Mapped[datetime]
    by: Mapped[Words]
    valid: Mapped[bool]
    reason: Mapped[Words | None]
    note: Mapped[Words | None]
    found: Mapped[Codes]
    compared: Mapped[Names]
    differing: Mapped[Names]
    optimistic: Mapped[Names]
    cautious: Mapped[Names]


class PromiseRow(Base):
    """What the seller promised the customer when the deal was won, and what customer success found of it."""

    __tablename__ = "promise"

    opportunity_id: Mapped[UUID] = mapped_column(ForeignKey(OpportunityRow.id), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[Words]
    kept: Mapped[Words | None]
    reviewed_at: Mapped[datetime | None]


class StepRow(Base):
    """One line of an opportunity's history: `status` and `phase` are those after it, `changes` are old and new."""

    __tablename__ = "step"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    opportunity_id: Mapped[UUID] = mapped_column(ForeignKey(OpportunityRow.id), index=True)
    kind: Mapped[Words]
    at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    by: Mapped[Words]
    status: Mapped[Status] = mapped_column(coded(Status))
    phase: Mapped[Words | None]
    reason: Mapped[Words | None]
    note: Mapped[Words | None]
    changes: Mapped[Codes | None]
