"""What the tables of field sales are made of."""

from typing import Annotated, Any, overload

from sqlalchemy import ARRAY, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.database import NAMING, Table, Words
from shared.money import Money

Codes = Annotated[dict[str, Any], mapped_column(JSONB(none_as_null=True))]
Names = Annotated[list[str], mapped_column(ARRAY(Text))]

DIMENSIONS = ("channel", "campaign", "segment", "industry", "product", "price_band", "region")
"""What a lead brings along. The owner is field sales' own."""


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


class Dimensioned:
    """What events and figures are sliced by."""

    channel: Mapped[Words | None]
    campaign: Mapped[Words | None]
    segment: Mapped[Words | None]
    industry: Mapped[Words | None]
    product: Mapped[Words | None]
    price_band: Mapped[Words | None]
    region: Mapped[Words | None]
