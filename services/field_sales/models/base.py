"""What the tables of field sales are made of."""

from enum import StrEnum
from typing import Annotated, Any, overload

from sqlalchemy import ARRAY, BigInteger, Enum, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from shared.database import NAMING, Record, Table
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
