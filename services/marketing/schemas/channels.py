"""Bodies of campaigns, visits and spend."""

import datetime as dt
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AfterValidator, AliasChoices, AwareDatetime, Field

from services.marketing.domain.campaigns import CampaignStatus
from shared.http.bodies import Answer, Dated, Key, Past, Priced, Text
from shared.money import Money


def _not_negative(money: Money) -> Money:
    if money.amount < 0:
        raise ValueError("is 0 or more")
    return money


Cost = Annotated[Money, AfterValidator(_not_negative)]


class DayIn(Dated):
    """One day of a channel, or of one campaign of it. `occurred_at`: when it was counted; default the day itself."""

    date: dt.date = Field(ge=dt.date(1900, 1, 1))
    channel: Key
    campaign: Key | None = None


class VisitsIn(DayIn):
    visitors: int = Field(ge=0, le=2_000_000_000)


class SpendIn(DayIn, Priced):
    """What was spent; a bare number is in major units of `currency`."""

    money: ClassVar[tuple[str, ...]] = ("amount", "spend")

    amount: Cost = Field(validation_alias=AliasChoices("amount", "spend"))


class VisitsOut(Answer):
    id: UUID
    date: dt.date
    channel: str
    campaign: str | None
    visitors: int
    created_at: AwareDatetime
    updated_at: AwareDatetime
    version: int


class SpendOut(Answer):
    id: UUID
    date: dt.date
    channel: str
    campaign: str | None
    amount: Money
    created_at: AwareDatetime
    updated_at: AwareDatetime
    version: int


class CampaignFields(Priced):
    money: ClassVar[tuple[str, ...]] = ("budget",)

    external_id: Key | None = None
    channel: Key | None = None
    segment: Key | None = None
    owner: Key | None = None
    budget: Cost | None = None
    starts_on: dt.date | None = None
    ends_on: dt.date | None = None

    def told(self) -> dict[str, Any]:
        """The campaign's columns this body speaks of; a null clears."""
        names = self.model_fields_set - {"budget", "currency"}
        found = {name: getattr(self, name) for name in names}
        if "budget" in self.model_fields_set:
            found["budget_amount"] = self.budget.amount if self.budget else None
            found["budget_currency"] = self.budget.currency if self.budget else None
        return found


class CampaignIn(CampaignFields):
    """Something marketing runs to be found; `type` is a code of yours, such as webinar, ads or exhibition."""

    name: Text
    type: Key
    status: CampaignStatus = CampaignStatus.PLANNED


class CampaignPatch(CampaignFields):
    name: Text = ""  # absent is unchanged, as for the next two; they cannot be cleared
    type: Key = ""
    status: CampaignStatus = CampaignStatus.PLANNED
    archived_at: Past | None = None


class CampaignOut(Answer):
    id: UUID
    external_id: str | None
    name: str
    type: str
    status: CampaignStatus
    channel: str | None
    segment: str | None
    owner: str | None
    budget: Money | None
    starts_on: dt.date | None
    ends_on: dt.date | None
    archived_at: AwareDatetime | None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    version: int
