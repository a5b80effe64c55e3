"""Opportunities: as rows people change, and as drafts of rows yet to be stored."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Index, and_
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.elements import ColumnElement

from services.field_sales.domain.lifecycle import Status
from services.field_sales.models.base import Base, Codes, Dimensioned, MoneyColumns
from shared.database import Minor, Record, Words, coded


class OpportunityRow(Base, Record, Dimensioned):
    """An SQL offered to field sales and the opportunity it became, or an opportunity that no SQL preceded.

    `journey` is minted once and the key of its events. `lead_external_id` without `lead_id`: it waits for the lead.
    `note` holds the codes of inside sales' hand-over; None: inside sales never handed it over.
    `stepped_at` is when its last step occurred, `changed_at` its last change of fields; nothing is told before them.
    """

    __tablename__ = "opportunity"

    journey: Mapped[Words]
    external_id: Mapped[Words | None] = mapped_column(unique=True)
    status: Mapped[Status] = mapped_column(coded(Status))
    origin: Mapped[Words]
    lead_id: Mapped[UUID | None] = mapped_column(index=True)
    lead_external_id: Mapped[Words | None]
    cycle: Mapped[int | None]
    account_id: Mapped[UUID | None] = mapped_column(index=True)
    account_name: Mapped[Words | None]
    contract_id: Mapped[UUID | None]
    owner: Mapped[Words | None]
    team: Mapped[Words | None]
    handed_over_by: Mapped[Words | None]
    note: Mapped[Codes | None]
    mrr_amount: Mapped[Minor | None]
    mrr_currency: Mapped[Words | None]
    amount_amount: Mapped[Minor | None]
    amount_currency: Mapped[Words | None]
    one_off_amount: Mapped[Minor | None]
    one_off_currency: Mapped[Words | None]
    expected_close_date: Mapped[date | None]
    phase: Mapped[Words | None]
    forecast_category: Mapped[Words | None]
    next_step: Mapped[Words | None]
    next_step_on: Mapped[date | None]
    offered_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    stepped_at: Mapped[datetime | None]
    changed_at: Mapped[datetime | None]
    won_on: Mapped[date | None]
    starts_on: Mapped[date | None]
    billing_starts_on: Mapped[date | None]
    term_months: Mapped[int | None]
    reason: Mapped[Words | None]
    recyclable: Mapped[bool | None]
    revisit_on: Mapped[date | None]
    comment: Mapped[Words | None]
    regressions: Mapped[int] = mapped_column(default=0)
    reopenings: Mapped[int] = mapped_column(default=0)

    mrr = MoneyColumns()
    amount = MoneyColumns()
    one_off = MoneyColumns()

    @hybrid_property
    def waiting_for_lead(self) -> bool:
        return self.lead_id is None and self.lead_external_id is not None

    @waiting_for_lead.inplace.expression
    @classmethod
    def _waiting_for_lead(cls) -> ColumnElement[bool]:
        return and_(cls.lead_id.is_(None), cls.lead_external_id.is_not(None))

    __table_args__ = (
        Index("ix_opportunity_waiting_for_lead", "lead_external_id", postgresql_where="lead_id IS NULL"),
        Index("ix_opportunity_status_owner", "status", "owner"),
    )


class OpportunityDraft:
    """What is to become an OpportunityRow: its columns as plain attributes, to store thousands in one statement."""

    mrr = MoneyColumns()
    amount = MoneyColumns()
    one_off = MoneyColumns()

    def __init__(self, **values: Any) -> None:
        vars(self).update(_BLANK, **values)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    @property
    def waiting_for_lead(self) -> bool:
        return self.lead_id is None and self.lead_external_id is not None

    def columns(self) -> dict[str, Any]:
        return vars(self)


_BY_DEFAULT = {"created_at", "updated_at"}
_BLANK = {
    **dict.fromkeys(set(OpportunityRow.__table__.columns.keys()) - _BY_DEFAULT),
    "version": 1,
    "regressions": 0,
    "reopenings": 0,
}

Opportunity = OpportunityRow | OpportunityDraft
