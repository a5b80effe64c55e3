"""Campaigns, and what channels bring and cost: aggregate figures of days, no people."""

from datetime import date

from sqlalchemy import BigInteger, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.marketing.models.base import Base
from shared.database import Record
from shared.http.bodies import money_of
from shared.money import Money


class CampaignRow(Record, Base):
    __tablename__ = "campaign"

    external_id: Mapped[str | None] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    channel: Mapped[str | None] = mapped_column(Text)
    segment: Mapped[str | None] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(Text)
    budget_amount: Mapped[int | None] = mapped_column(BigInteger)
    budget_currency: Mapped[str | None] = mapped_column(Text)
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]

    @property
    def budget(self) -> Money | None:
        return money_of(self.budget_amount, self.budget_currency)


class VisitsRow(Record, Base):
    """Visitors (来訪者数) of one day, channel and campaign; the last told wins."""

    __tablename__ = "visits"

    date: Mapped[date]
    channel: Mapped[str] = mapped_column(Text)
    campaign: Mapped[str | None] = mapped_column(Text)
    visitors: Mapped[int]

    __table_args__ = (
        Index("uq_visits_day", "date", "channel", "campaign", unique=True, postgresql_nulls_not_distinct=True),
    )


class SpendRow(Record, Base):
    """What one day, channel and campaign cost; the last told wins."""

    __tablename__ = "spend"

    date: Mapped[date]
    channel: Mapped[str] = mapped_column(Text)
    campaign: Mapped[str | None] = mapped_column(Text)
    spend_amount: Mapped[int] = mapped_column(BigInteger)
    spend_currency: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        Index("uq_spend_day", "date", "channel", "campaign", unique=True, postgresql_nulls_not_distinct=True),
    )

    @property
    def amount(self) -> Money:
        return Money(amount=self.spend_amount, currency=self.spend_currency)
