"""Which touches deals are credited to."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from services.kpi.schemas.figures import Basis
from shared.http.bodies import Answer
from shared.money import Money


class TouchOut(Answer):
    """One touch before the win, with the roles it plays. Amounts of a deal add up to it."""

    touch_id: str
    at: datetime
    kind: str
    content: str | None
    channel: str | None
    campaign: str | None
    roles: list[str]
    weight: float
    amount: Money
    exact: float = Field(description="to a hundredth of the major unit, not made to add up")


class CreditedOut(Answer):
    opportunity_id: UUID
    opportunity_external_id: str | None
    lead_id: UUID | None
    value: Money
    retained: Money = Field(description="what of it the customer still pays at as_of")
    touches: list[TouchOut]


class SourceOut(Answer):
    """What one source was credited: deals may be parts of deals."""

    source: str
    deals: float
    value: Money
    retained: Money


class AttributionOut(Basis):
    model: str
    by_source: str
    currency: str
    deals: int
    value: Money
    sources: list[SourceOut] = Field(description="their values add up to the value of all deals")
    credited: list[CreditedOut] = Field(description="each deal with its touches, where one was asked for")
