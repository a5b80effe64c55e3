"""What every table here is made of."""

from sqlalchemy import MetaData

from shared.database import NAMING, Table


class Base(Table):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMING)
