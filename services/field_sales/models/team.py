"""Field sales itself, its reps and the rules it works by, and its copies of leads and companies."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from services.field_sales.models.base import Base, Codes, Dimensioned
from shared.database import Changing, Words
from shared.rules import RuleVersion


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


class RuleRow(Base, RuleVersion):
    rule: Mapped[Codes] = mapped_column("content")  # older names
    created_at: Mapped[datetime] = mapped_column("recorded_at")


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
