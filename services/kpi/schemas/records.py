"""The records behind a figure, as they are shown."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from services.kpi.schemas.figures import Basis
from shared.http.bodies import Answer


class RecordOut(Answer):
    """One of those a figure counts: in its numerator, in its denominator, or in both."""

    at: datetime
    key: str = Field(description="unique among the records of one figure")
    kind: str = Field(description="the milestone entered, or what else it is")
    numerator: bool | None
    denominator: bool | None = Field(description="null where nothing is divided")
    lead_id: UUID | None
    lead_external_id: str | None
    cycle: int | None
    opportunity_id: UUID | None
    opportunity_external_id: str | None
    account_id: UUID | None
    account_external_id: str | None
    slice: str | None = Field(description="its value of the asked dimension")
    figures: dict[str, Any] = Field(description="what it contributes; money in minor units of the asked currency")


class RecordsOut(Basis):
    metric: str
    items: list[RecordOut]
    next_cursor: str | None = Field(None, description="null on the last page")
