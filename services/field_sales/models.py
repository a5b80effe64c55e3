"""Field sales' tables: opportunities with what belongs to them, reps, rules, and copies of leads and companies."""

from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, overload
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Enum, ForeignKey, Identity, Index, MetaData, Text, and_
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.sql.elements import ColumnElement

from services.field_sales.domain.appointments import AppointmentStatus
from services.field_sales.domain.lifecycle import Status
from shared.database import NAMING, Record, Table
from shared.imports.tables import add_import_tables
from shared.money import Money

Words = Annotated[str, mapped_column(Text)]
Minor = Annotated[int, mapped_column(BigInteger)]
Codes = Annotated[dict[str, Any], mapped_column(JSONB(none_as_null=True))]
Names = Annotated[list[str], mapped_column(ARRAY(Text))]

DIMENSIONS = ("channel", "campaign", "segment", "industry", "product", "price_band", "region")
"""What a lead brings along. The owner is field sales' own."""


def coded(kind: type[StrEnum]) -> Enum:
    """A closed list as text, so that a new member needs no migration."""
    return Enum(kind, native_enum=False, length=40, values_callable=lambda found: [member.value for member in found])


class MoneyColumns:
    """Money on a row: the two columns `<name>_amount` (minor units) and `<name>_currency` as one attribute."""

    def __set_name__(self, _: type, name: str) -> None:
        self._amount, self._currency = f"{name}_amount", f"{name}_currency"

    @overload
    def __get__(self, row: None, _: type) -> "MoneyColumns": ...
    @overload
    def __get__(self, row: object, _: type) -> Money | None: ...
    def __get__(self, row: object | None, _: type) -> "MoneyColumns | Money | None":
        if row is None:
            return self
        amount, currency = getattr(row, self._amount), getattr(row, self._currency)
        return None if amount is None else Money(amount=amount, currency=currency)

    def __set__(self, row: object, money: Money | None) -> None:
        setattr(row, self._amount, None if money is None else money.amount)
        setattr(row, self._currency, None if money is None else money.currency)


class Base(Table):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMING)


class Versioned(Record):
    """A resource whose version moves by itself with every change."""

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.version}


class Dimensioned:
    """What events and figures are sliced by."""

    channel: Mapped[Words | None]
    campaign: Mapped[Words | None]
    segment: Mapped[Words | None]
    industry: Mapped[Words | None]
    product: Mapped[Words | None]
    price_band: Mapped[Words | None]
    region: Mapped[Words | None]


class OpportunityRow(Base, Versioned, Dimensioned):
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


class AppointmentRow(Base):
    """A meeting inside sales agreed on; it may be told before the opportunity it belongs to."""

    __tablename__ = "appointment"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    opportunity_id: Mapped[UUID] = mapped_column(index=True)
    rep: Mapped[Words | None]
    start_at: Mapped[datetime]
    minutes: Mapped[int]
    place: Mapped[Words | None]
    status: Mapped[AppointmentStatus] = mapped_column(coded(AppointmentStatus))
    reason: Mapped[Words | None]
    set_at: Mapped[datetime]
    stepped_at: Mapped[datetime]
    reschedules: Mapped[int] = mapped_column(default=0)

    __table_args__ = (Index("ix_appointment_rep_start_at", "rep", "start_at"),)


class FirstVisitRow(Base):
    """What the first visit found, and how it differs from inside sales' note; a corrected review replaces it."""

    __tablename__ = "first_visit"

    opportunity_id: Mapped[UUID] = mapped_column(ForeignKey(OpportunityRow.id), primary_key=True)
    at: Mapped[datetime]
    by: Mapped[Words]
    valid: Mapped[bool]
    reason: Mapped[Words | None]
    note: Mapped[Words | None]
    found: Mapped[Codes]
    compared: Mapped[Names]
    differing: Mapped[Names]
    optimistic: Mapped[Names]
    cautious: Mapped[Names]


class PromiseRow(Base):
    """What the seller promised the customer when the deal was won, and what customer success found of it."""

    __tablename__ = "promise"

    opportunity_id: Mapped[UUID] = mapped_column(ForeignKey(OpportunityRow.id), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[Words]
    kept: Mapped[Words | None]
    reviewed_at: Mapped[datetime | None]


class StepRow(Base):
    """One line of an opportunity's history: `status` and `phase` are those after it, `changes` are old and new."""

    __tablename__ = "step"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    opportunity_id: Mapped[UUID] = mapped_column(ForeignKey(OpportunityRow.id), index=True)
    kind: Mapped[Words]
    at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    by: Mapped[Words]
    status: Mapped[Status] = mapped_column(coded(Status))
    phase: Mapped[Words | None]
    reason: Mapped[Words | None]
    note: Mapped[Words | None]
    changes: Mapped[Codes | None]


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


class RepRow(Base, Versioned):
    """A field sales rep; the id is the company's own word for them."""

    __tablename__ = "rep"

    id: Mapped[Words] = mapped_column(primary_key=True)  # type: ignore[assignment]  # not ours, unlike other ids
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


add_import_tables(Base.metadata)
