"""The tables of kpi share one catalogue."""

from sqlalchemy import MetaData

from shared import database
from shared.database import NAMING


class Base(database.Table):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMING)
