"""Small copies of what other departments told: companies, opportunities, reps and their slots."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, synonym

from services.inside_sales.domain.lifecycle import Status
from services.inside_sales.models.base import Base
from shared.database import Changing, Words, coded


class CompanyRow(Base):
    __tablename__ = "company"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[Words | None]
    merged_into: Mapped[UUID | None] = mapped_column(index=True)


class LeadRow(Base):
    """A lead marketing told of, handed over or not: files name leads by their external ids."""

    __tablename__ = "lead"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    external_id: Mapped[Words | None] = mapped_column(index=True)
    cycle: Mapped[int]
    journey: Mapped[Words]
    dimensions: Mapped[dict[str, Any]] = mapped_column(JSONB)
    merged_into: Mapped[UUID | None] = mapped_column(index=True)
    erased: Mapped[bool] = mapped_column(default=False)


class OpportunityRow(Base):
    """What field sales told of an opportunity, kept until the lead behind it is known here, and to count its load.

    `status` is what it makes of the prospect.
    """

    __tablename__ = "opportunity"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    lead_id: Mapped[UUID | None] = mapped_column(index=True)
    cycle: Mapped[int | None]
    status: Mapped[Status] = mapped_column(coded(Status))
    origin: Mapped[Words | None]
    region: Mapped[Words | None]
    received_at: Mapped[datetime | None]  # as an SQL, where inside sales never told so
    opened_at: Mapped[datetime | None] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    reason: Mapped[Words | None]
    recyclable: Mapped[bool | None]
    revisit_on: Mapped[date | None]


class RepRow(Base, Changing):
    """A colleague of inside or field sales. `slots_per_week` is field sales' word; None: takes no appointments."""

    __tablename__ = "rep"

    id: Mapped[Words] = mapped_column(primary_key=True)  # people bring their own ids
    name: Mapped[Words | None]
    email: Mapped[Words | None]
    team: Mapped[Words | None] = mapped_column(index=True)
    region: Mapped[Words | None]
    manager: Mapped[Words | None]
    started_on: Mapped[date | None]
    slots_per_week: Mapped[int | None]

    external_id = synonym("id")
