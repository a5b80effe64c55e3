"""The small copies of what other departments know, from their events."""

from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from services.customer_success.models.base import Base
from shared.database import Minor, Words


class AccountRow(Base):
    """A company as marketing knows it. `merged_into` is the one it turned out to be."""

    __tablename__ = "account"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    external_id: Mapped[Words | None] = mapped_column(index=True)
    name: Mapped[Words | None]
    industry: Mapped[Words | None]
    segment: Mapped[Words | None]
    merged_into: Mapped[UUID | None] = mapped_column(index=True)


class LeadAliasRow(Base):
    """Two leads that are one person: whoever asks for `lead_id` also means `merged_lead_id`."""

    __tablename__ = "lead_alias"

    merged_lead_id: Mapped[UUID] = mapped_column(primary_key=True)
    lead_id: Mapped[UUID] = mapped_column(index=True)


class OpportunityRow(Base):
    """The last amount told of an opportunity: it holds where the won deal names none."""

    __tablename__ = "opportunity"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID | None]
    mrr_amount: Mapped[Minor | None]
    mrr_currency: Mapped[Words | None]
