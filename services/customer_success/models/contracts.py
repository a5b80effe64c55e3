"""Contracts, the steps of their lives, and what of them was announced."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from services.customer_success.models.base import Base, Noted, Page, Resource, Sliced
from shared.database import Minor, Words


class ContractRow(Resource, Sliced):
    """`mrr_amount` is what holds now, null where nobody told; `opening_key` joins it with the deal it came from.

    `due_at` is the next step already known but still to come: its beginning, its end.
    """

    __tablename__ = "contract"

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id"), index=True)
    external_id: Mapped[Words | None] = mapped_column(unique=True)
    opportunity_id: Mapped[UUID | None] = mapped_column(index=True)
    opening_key: Mapped[Words]
    status: Mapped[Words] = mapped_column(index=True)
    mrr_amount: Mapped[Minor | None]
    mrr_currency: Mapped[Words | None]
    one_off_amount: Mapped[Minor | None]
    one_off_currency: Mapped[Words | None]
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    billing_starts_on: Mapped[date | None]
    term_months: Mapped[int | None]
    renewal_on: Mapped[date | None] = mapped_column(index=True)
    auto_renew: Mapped[bool] = mapped_column(default=False)
    billing_frequency: Mapped[Words | None]
    plan: Mapped[Words | None]
    seats: Mapped[int | None]
    trial: Mapped[bool] = mapped_column(default=False)
    end_reason: Mapped[Words | None]
    end_reason_kind: Mapped[Words | None]
    end_recyclable: Mapped[bool | None]
    revisit_on: Mapped[date | None]
    last_step_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_contract_due_at", "due_at", postgresql_where="due_at IS NOT NULL"),)

    @property
    def renews_monthly(self) -> bool:
        """It goes on from month to month by itself: nothing ever falls due."""
        return self.auto_renew and (self.term_months == 1 or (self.term_months is None and self.renewal_on is None))


class StepRow(Base, Noted):
    """What is known of a contract's life. A step that was told otherwise later keeps standing, superseded.

    `external_id` is that of the amendment's own row where the step came from one.
    """

    __tablename__ = "contract_step"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    contract_id: Mapped[UUID] = mapped_column(ForeignKey("contract.id"), index=True)
    kind: Mapped[Words]
    mrr_amount: Mapped[Minor | None]
    reason: Mapped[Words | None]
    on: Mapped[date | None]  # the day of an end
    renewal_on: Mapped[date | None]
    term_months: Mapped[int | None]
    external_id: Mapped[Words | None] = mapped_column(index=True)
    superseded_at: Mapped[datetime | None]


class MovementRow(Base):
    """An opening (`amount` is the MRR) or a change (`amount` is the delta) that was announced of a contract.

    `closed` ones belong to a life that was voided: nothing is reckoned against them any more.
    """

    __tablename__ = "movement"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    contract_id: Mapped[UUID] = mapped_column(ForeignKey("contract.id"), index=True)
    opening: Mapped[bool]
    at: Mapped[datetime]
    amount: Mapped[Minor]
    reason: Mapped[Words | None]
    recorded_at: Mapped[datetime]
    closed: Mapped[bool] = mapped_column(default=False)


class WaitingAmendmentRow(Base):
    """An amendment whose contract is not known yet: it joins when that contract comes."""

    __tablename__ = "waiting_amendment"

    external_id: Mapped[Words] = mapped_column(primary_key=True)
    change_of: Mapped[Words] = mapped_column(index=True)
    body: Mapped[Page]
    since: Mapped[datetime]
