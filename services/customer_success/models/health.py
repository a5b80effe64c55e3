"""Health: what is known of it now, what was told of it, and the alarms."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.customer_success.models.base import Base, Page
from shared.database import Words


class Judged:
    """One judgement. `reasons` is [{input, contribution}], `inputs` {name: 0 to 100, or null where missing}."""

    score: Mapped[float | None]
    band: Mapped[Words] = mapped_column(default="unknown")
    coverage: Mapped[float] = mapped_column(default=0.0)
    reasons: Mapped[list[Any]] = mapped_column(JSONB, default=list)
    inputs: Mapped[Page] = mapped_column(default=dict)
    formula_version: Mapped[int] = mapped_column(default=1)
    profile: Mapped[Words | None]


class HealthRow(Base, Judged):
    """How a customer does now, beside what was last told. `stale`: something changed since it was judged."""

    __tablename__ = "health"

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id"), primary_key=True)
    told_score: Mapped[float | None]
    told_band: Mapped[Words] = mapped_column(default="unknown")
    judged_on: Mapped[date | None] = mapped_column(index=True)
    stale: Mapped[bool] = mapped_column(default=True)

    __table_args__ = (Index("ix_health_stale", "customer_id", postgresql_where="stale"),)


class HealthSnapshotRow(Base, Judged):
    """A health that was told."""

    __tablename__ = "health_snapshot"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id"))
    at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("customer_id", "at"),)


class RiskRow(Base):
    """A churn-risk alarm, from when it rang until it was cleared."""

    __tablename__ = "churn_risk"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id"))
    reasons: Mapped[list[str]] = mapped_column(ARRAY(Text))
    raised_at: Mapped[datetime]
    cleared_at: Mapped[datetime | None]

    __table_args__ = (Index("uq_churn_risk_open", "customer_id", unique=True, postgresql_where="cleared_at IS NULL"),)
