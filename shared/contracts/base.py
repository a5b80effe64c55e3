"""The two shapes every event is made of: what happened, and the dimensions the KPI side slices by."""

from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Code = str  # a coded value of a closed or company-kept list; `GET /v1/reasons?for=…` tells which


class Event(BaseModel):
    """One fact, in the past tense. Readers ignore fields they do not know; a new optional field keeps the version."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: ClassVar[str]
    about: ClassVar[str] = "lead"  # the kind of thing it tells of; `<about>_id` is its id

    @property
    def subject(self) -> str:
        return f"{self.about}/{getattr(self, f'{self.about}_id')}"

    def data(self) -> dict[str, Any]:
        """What goes on the wire: absent is left out, never null."""
        return self.model_dump(mode="json", exclude_none=True)


class Dimensions(Event):
    """What every funnel event is sliced by, as of its moment. Unknown is absent, never an empty string."""

    lead_id: UUID | None = Field(None, description="the person; absent where the way did not begin with a lead")
    external_id: str | None = Field(None, description="the caller's own id of the lead")
    cycle: int | None = Field(None, ge=1, description="1, 2, …: a recycled lead is a new cycle of the same person")
    account_id: UUID | None = Field(None, description="the company")
    channel: str | None = None
    campaign: str | None = None
    segment: str | None = None
    industry: str | None = None
    product: str | None = None
    price_band: str | None = None
    region: str | None = None
    owner: str | None = Field(None, description="the id of the rep it is credited to")


class LeadEvent(Dimensions):
    """An event of a lead's cycle: both are always known."""

    lead_id: UUID
    cycle: int = Field(ge=1)


DIMENSIONS = ("channel", "campaign", "segment", "industry", "product", "price_band", "region", "owner")
"""The dimensions a figure can be grouped by, in the order they are shown."""
