"""What every table here is made of."""

from enum import StrEnum
from typing import Annotated, Any

from sqlalchemy import BigInteger, Enum, MetaData, Text
from sqlalchemy.orm import declared_attr, mapped_column

from shared.database import NAMING, Record, Table

Words = Annotated[str, mapped_column(Text)]
Minor = Annotated[int, mapped_column(BigInteger)]
"""An amount in minor units of the currency beside it."""


class Base(Table):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMING)


class Versioned(Record):
    """A resource whose version, its ETag, moves with every change."""

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.version}


def coded(kind: type[StrEnum]) -> Enum:
    """A closed list, stored as text: a new member needs no migration."""
    return Enum(kind, native_enum=False, length=40, values_callable=lambda found: [member.value for member in found])
