"""What the tables share."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import MetaData
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.contracts.base import DIMENSIONS
from shared.database import NAMING, Record, Table, Words

Page = Annotated[dict[str, Any], mapped_column(JSONB)]


class Base(Table):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMING)


class Resource(Record, Base):
    """What people change: its version moves with every change and is its ETag."""

    __abstract__ = True


class Sliced:
    """The lead it began with and what figures are sliced by, as of now; every event carries them."""

    journey: Mapped[Words]
    lead_id: Mapped[UUID | None] = mapped_column(index=True)
    lead_external_id: Mapped[Words | None]
    cycle: Mapped[int | None]
    channel: Mapped[Words | None]
    campaign: Mapped[Words | None]
    segment: Mapped[Words | None]
    industry: Mapped[Words | None]
    product: Mapped[Words | None]
    price_band: Mapped[Words | None]
    region: Mapped[Words | None]
    owner: Mapped[Words | None]

    def dimensions(self) -> dict[str, Any]:
        """What an event of this row carries beside its own fields."""
        return {
            "lead_id": self.lead_id,
            "external_id": self.lead_external_id,
            "cycle": self.cycle,
            **{name: getattr(self, name) for name in DIMENSIONS},
        }


class Noted:
    """A fact someone or something told: when it occurred, who told it, when it was written down."""

    at: Mapped[datetime]
    by: Mapped[Words]
    recorded_at: Mapped[datetime]
