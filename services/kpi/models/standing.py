"""What kpi notes of its own work."""

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from services.kpi.models.base import Base
from services.kpi.models.columns import instant

pulse = Table(
    "pulse",
    Base.metadata,
    Column("id", Integer, primary_key=True),
    Column("version", BigInteger, nullable=False),  # moves with every batch of facts and every decision
    instant("moved_at"),
)

folding = Table(
    "folding",
    Base.metadata,
    Column("id", Integer, primary_key=True),
    Column("version", Integer, nullable=False),  # of the folds the caches were made with
)

freshness = Table(
    "freshness",
    Base.metadata,
    Column("publisher", Text, primary_key=True),
    instant("complete_to"),  # everything it told until then is known here
)
