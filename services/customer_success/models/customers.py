"""Customers, what they were promised and the way they are brought in."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.customer_success.models.base import Base, Page, Resource, Sliced
from shared.database import Words
from shared.rules import RuleVersion


class CustomerRow(Resource, Sliced):
    """An account under contract, or once under contract; `id` is the account's.

    `seller` is the field sales rep who won it, `owner` whoever is credited now. Plans are numbered by
    `onboarding_round`: who comes back is brought in anew. `unsettled` marks what settling has still to look at.
    """

    __tablename__ = "customer"

    external_id: Mapped[Words | None] = mapped_column(unique=True)  # the account's
    name: Mapped[Words | None]
    status: Mapped[Words] = mapped_column(default="scheduled", index=True)
    opportunity_id: Mapped[UUID | None]
    seller: Mapped[Words | None]
    accepted_at: Mapped[datetime | None]
    onboarding_round: Mapped[int] = mapped_column(default=0)
    onboarded_at: Mapped[datetime | None]
    dormant_since: Mapped[datetime | None]
    churned_at: Mapped[datetime | None]
    churn_reason: Mapped[Words | None]
    unsettled: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (Index("ix_customer_unsettled", "id", postgresql_where="unsettled"),)

    def about(self) -> dict[str, Any]:
        """What every event of this customer carries."""
        return {"account_id": self.id, "account_external_id": self.external_id, **self.dimensions()}


class OnboardingTaskRow(Base):
    __tablename__ = "onboarding_task"

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id"), primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[Words] = mapped_column(primary_key=True)
    place: Mapped[int]
    ja: Mapped[Words]
    en: Mapped[Words]
    due_on: Mapped[date]
    completed_at: Mapped[datetime | None]
    completed_by: Mapped[Words | None]
    note: Mapped[Words | None]


class PromiseRow(Base):
    """What the seller promised. `number` counts within the customer, `deal_number` within the deal."""

    __tablename__ = "promise"

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    opportunity_id: Mapped[UUID]
    deal_number: Mapped[int]
    text: Mapped[Words]
    kept: Mapped[Words | None]
    note: Mapped[Words | None]
    reviewed_at: Mapped[datetime | None]
    reviewed_by: Mapped[Words | None]

    __table_args__ = (UniqueConstraint("customer_id", "opportunity_id", "deal_number"),)


class ChurnRow(Base):
    """A churn that was announced: the instant from which the customer had no contract."""

    __tablename__ = "churn"

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id"), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    contract_id: Mapped[UUID | None]
    reason: Mapped[Words]
    reason_kind: Mapped[Words | None]


class RevisionRow(Base):
    """What a person or a file changed about a resource: `changes` is {field: [before, after]}."""

    __tablename__ = "revision"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    resource_id: Mapped[UUID] = mapped_column(index=True)
    resource: Mapped[Words]
    at: Mapped[datetime]
    by: Mapped[Words]
    changes: Mapped[Page]


class RuleRow(Base, RuleVersion):
    rule: Mapped[Page] = mapped_column("body")  # an older name
