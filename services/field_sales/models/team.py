"""Field sales itself, its reps and the rules it works by, and its copies of leads and companies."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from services.field_sales.models.base import Base, Codes, Dimensioned
from shared.database import Changing, Words


class RepRow(Base, Changing):
    """A field sales rep; the id is the company's own word for them."""

    __tablename__ = "rep"

    id: Mapped[Words] = mapped_column(primary_key=True)  # not ours, unlike other ids
    name: Mapped[Words] = mapped_column(index=True)
    email: Mapped[Words | None]
    team: Mapped[Words | None]
    manager: Mapped[Words | None]
    region: Mapped[Words | None]
    started_on: Mapped[date | None]
    slots_per_week: Mapped[int | None]
    capacity_at: Mapped[datetime | None]


class RuleRow(Base):
    """One version of a rule that is data; the newest whose `valid_from` has come is in force."""

    __tablename__ = "rule"

    name: Mapped[Words] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    valid_from: Mapped[datetime]
    content: Mapped[Codes]
    by: Mapped[Words]
    recorded_at: Mapped[datetime]


class LeadRow(Base, Dimensioned):
    """The copy of a lead: what opportunities are linked by and inherit. `cycle` is its newest."""

    __tablename__ = "lead"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    external_id: Mapped[Words | None] = mapped_column(index=True)
    cycle: Mapped[int]
    account_id: Mapped[UUID | None]
    merged_into: Mapped[UUID | None] = mapped_column(index=True)
    erased_at: Mapped[datetime | None]


class AccountRow(Base):
    """The copy of a company: its name."""

    __tablename__ = "account"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[Words]
