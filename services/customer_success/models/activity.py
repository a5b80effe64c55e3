"""What a customer does and says: use, scores, tickets, and what their manager notes."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column, synonym

from services.customer_success.models.base import Base, Noted, Resource
from shared.database import Words


class UsageRow(Base):
    """One row of use. `key` says which row it is when it is told again: its external id, else contract or customer,
    day and feature. `link` names the contract or account it waits for."""

    __tablename__ = "usage"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    key: Mapped[Words] = mapped_column(unique=True)
    external_id: Mapped[Words | None]
    customer_id: Mapped[UUID | None]
    contract_id: Mapped[UUID | None]
    link: Mapped[Words | None]
    day: Mapped[date]
    feature: Mapped[Words | None]
    count: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[int] = mapped_column(BigInteger)
    errors: Mapped[int] = mapped_column(BigInteger)
    active_users: Mapped[int | None]
    recorded_at: Mapped[datetime]

    __table_args__ = (
        Index("ix_usage_customer_id_day", "customer_id", "day"),
        Index("ix_usage_link", "link", postgresql_where="link IS NOT NULL"),
    )


class UsageWeekRow(Base):
    """A customer's ISO week. `stale`: use was told since it was added up; the sums are what was announced."""

    __tablename__ = "usage_week"

    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    week: Mapped[date] = mapped_column(primary_key=True)
    stale: Mapped[bool] = mapped_column(default=True)
    told_at: Mapped[datetime | None]
    count: Mapped[int | None] = mapped_column(BigInteger)
    seconds: Mapped[int | None] = mapped_column(BigInteger)
    errors: Mapped[int | None] = mapped_column(BigInteger)
    features: Mapped[int | None]
    active_days: Mapped[int | None]

    __table_args__ = (Index("ix_usage_week_stale", "week", "customer_id", postgresql_where="stale"),)


class PulseRow(Base, Noted):
    """A score someone gave; `note` and the person stay here."""

    __tablename__ = "pulse"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id"))
    kind: Mapped[Words]
    score: Mapped[int]
    respondent_role: Mapped[Words | None]
    lead_id: Mapped[UUID | None] = mapped_column(index=True)
    note: Mapped[Words | None]
    created_at = synonym("recorded_at")
    updated_at = synonym("recorded_at")

    __table_args__ = (Index("ix_pulse_customer_id_kind_at", "customer_id", "kind", "at"),)


class SignalRow(Base, Noted):
    """What a manager noted of a customer: a review held, a champion lost, a payment overdue since `on`."""

    __tablename__ = "signal"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id"))
    kind: Mapped[Words]
    on: Mapped[date | None]
    note: Mapped[Words | None]
    created_at = synonym("recorded_at")
    updated_at = synonym("recorded_at")

    __table_args__ = (Index("ix_signal_customer_id_kind_at", "customer_id", "kind", "at"),)


class TicketRow(Resource):
    """A customer asks for help or complains. Subject and text stay here; `lead_id` is the person who asked."""

    __tablename__ = "ticket"

    external_id: Mapped[Words | None] = mapped_column(unique=True)
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customer.id"), index=True)
    contract_id: Mapped[UUID | None] = mapped_column(ForeignKey("contract.id"))
    link: Mapped[Words | None]
    lead_id: Mapped[UUID | None] = mapped_column(index=True)
    owner: Mapped[Words | None]
    status: Mapped[Words]
    kind: Mapped[Words | None]
    priority: Mapped[Words | None]
    subject: Mapped[Words | None]
    text: Mapped[Words | None]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    satisfaction: Mapped[int | None]

    __table_args__ = (Index("ix_ticket_link", "link", postgresql_where="link IS NOT NULL"),)
