"""The MetaData of marketing's tables."""

from sqlalchemy import MetaData

from shared.database import NAMING, Table


class Base(Table):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMING)
