"""A prospect is one lead in its current cycle; the cycles before it are kept in `prospect_cycle`."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, synonym

from services.inside_sales.domain.lifecycle import Status
from services.inside_sales.models.base import Base
from shared.contracts.base import DIMENSIONS
from shared.database import Minor, Record, Words, coded
from shared.ids import new_id
from shared.money import Money


class CycleColumns:
    """Everything known of one cycle. `owner` is who it is credited to, `claimed_by` who works on it now."""

    cycle: Mapped[int]
    status: Mapped[Status] = mapped_column(coded(Status))
    moved_at: Mapped[datetime | None]  # when the step happened that the next one may not precede
    journey: Mapped[Words]
    external_id: Mapped[Words | None]
    account_id: Mapped[UUID | None]
    channel: Mapped[Words | None]
    campaign: Mapped[Words | None]
    segment: Mapped[Words | None]
    industry: Mapped[Words | None]
    product: Mapped[Words | None]
    price_band: Mapped[Words | None]
    region: Mapped[Words | None]
    owner: Mapped[Words | None]
    claimed_by: Mapped[Words | None]
    claimed_at: Mapped[datetime | None]

    cycle_source: Mapped[Words | None]  # what ended before, where this cycle is a recycled one
    previous_ref: Mapped[Words | None]

    score: Mapped[int | None]
    fit: Mapped[int | None]
    engagement: Mapped[int | None]
    declared: Mapped[bool] = mapped_column(default=False)
    mql_at: Mapped[datetime | None]
    sla_due_at: Mapped[datetime | None]
    sla_version: Mapped[int | None]
    unfollowed_at: Mapped[datetime | None]  # from then on a prospect without human contact is unfollowed
    first_contact_at: Mapped[datetime | None]

    accepted_at: Mapped[datetime | None]
    sql_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]  # rejected, dropped, returned, won or lost; `status` says which

    reason: Mapped[Words | None]
    note: Mapped[Words | None]
    recyclable: Mapped[bool | None]
    revisit_on: Mapped[date | None]

    budget: Mapped[Words | None]
    authority: Mapped[Words | None]
    need: Mapped[Words | None]
    timing: Mapped[Words | None]
    size: Mapped[Words | None]
    comment: Mapped[Words | None]
    expected_mrr_amount: Mapped[Minor | None]
    expected_mrr_currency: Mapped[Words | None]
    criteria_version: Mapped[int | None]
    opportunity_id: Mapped[UUID | None] = mapped_column(index=True)

    @property
    def expected_mrr(self) -> Money | None:
        if self.expected_mrr_amount is None or self.expected_mrr_currency is None:
            return None
        return Money(amount=self.expected_mrr_amount, currency=self.expected_mrr_currency)

    @expected_mrr.setter
    def expected_mrr(self, money: Money | None) -> None:
        self.expected_mrr_amount = money.amount if money else None
        self.expected_mrr_currency = money.currency if money else None

    @property
    def dimensions(self) -> dict[str, Any]:
        """What its events are sliced by, as of now."""
        return {name: getattr(self, name) for name in ("external_id", "account_id", *DIMENSIONS)}

    def take(self, other: "CycleColumns") -> None:
        """Become the cycle that `other` is."""
        for name in CYCLE_COLUMNS:
            setattr(self, name, getattr(other, name))

    def forget(self) -> None:
        """Nothing that people wrote, and no key of another system, leads to the person any more."""
        self.external_id = self.note = self.comment = None


CYCLE_COLUMNS = tuple(CycleColumns.__annotations__)


class ProspectRow(Base, Record, CycleColumns):
    """`id` is the lead's. A merged one keeps what it was, in case the leads are taken apart again."""

    __tablename__ = "prospect"
    __table_args__ = (
        Index("ix_prospect_status", "status"),
        Index("ix_prospect_external_id", "external_id"),
        Index("ix_prospect_account_id", "account_id"),
        Index("ix_prospect_owner", "owner"),
        Index(
            "ix_prospect_unfollowed_at",
            "unfollowed_at",
            postgresql_where=text("first_contact_at IS NULL AND status IN ('waiting', 'claimed', 'accepted')"),
        ),
    )

    merged_into: Mapped[UUID | None] = mapped_column(index=True)
    merged_status: Mapped[Status | None] = mapped_column(coded(Status))  # what a merged one was before
    taken_from: Mapped[UUID | None]  # the merged lead whose cycle this one goes on with

    lead_id = synonym("id")


class ProspectCycleRow(Base, CycleColumns):
    """An earlier cycle. After a merge two cycles of one lead may bear the same number."""

    __tablename__ = "prospect_cycle"
    __table_args__ = (Index("ix_prospect_cycle_lead_id_cycle", "lead_id", "cycle"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    lead_id: Mapped[UUID]

    @classmethod
    def of(cls, row: ProspectRow) -> "ProspectCycleRow":
        found = cls(id=new_id(), lead_id=row.id)
        found.take(row)
        return found


class WaitingHistoryRow(Base):
    """A row of a file whose lead is not known yet; it joins when marketing tells of the lead."""

    __tablename__ = "waiting_history"

    id: Mapped[Words] = mapped_column(primary_key=True)  # the lead's external id
    told: Mapped[dict[str, Any]] = mapped_column(JSONB)
    by: Mapped[Words]
    created_at: Mapped[datetime] = mapped_column(index=True)
    updated_at: Mapped[datetime]

    external_id = synonym("id")


class ProspectChangeRow(Base):
    """What was known before something else was told: field → old and new value. Texts people wrote are not kept."""

    __tablename__ = "prospect_change"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    lead_id: Mapped[UUID] = mapped_column(index=True)
    cycle: Mapped[int]
    at: Mapped[datetime]
    by: Mapped[Words]
    changes: Mapped[dict[str, Any]] = mapped_column(JSONB)
