"""What people send: one body per act."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, model_validator

from services.inside_sales.schemas.reasons import REASONS, Coded
from shared.http.bodies import Body, Dated, Key, LongText, Past, Priced, Text
from shared.money import Money

FURTHEST = datetime(2100, 1, 1, tzinfo=UTC)
NEVER_RECYCLABLE = "not_icp"


def _plannable(instant: datetime) -> datetime:
    if instant >= FURTHEST:
        raise ValueError("lies too far in the future")
    return instant


Planned = Annotated[AwareDatetime, AfterValidator(_plannable)]


def _not_negative(money: Money) -> Money:
    if money.amount < 0:
        raise ValueError("is not negative")
    return money


def example(**fields: Any) -> ConfigDict:
    """A body as the documentation shows it."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


class ClaimIn(Dated):
    owner: Key | None = Field(None, description="for whom; another than yourself needs ops_lead, who may also reassign")


class SliceIn(Body):
    """Which part of the queue."""

    model_config = example(segment="enterprise")

    owner: Key | None = Field(None, description="only what is credited to this rep")
    segment: Key | None = None
    channel: Key | None = None
    region: Key | None = None

    def within(self) -> dict[str, str]:
        return self.model_dump(include=set(SliceIn.model_fields), exclude_none=True)


class ActivityIn(Dated):
    model_config = example(kind="call", outcome="connected", at="2026-04-03T01:10:00Z", note="検討中。来週再度架電。")

    kind: Annotated[str, Coded("kind")]
    outcome: Annotated[str, Coded("outcome")] | None = None
    at: Past | None = Field(None, description="the same as occurred_at")
    automatic: bool = Field(False, description="sent by a machine: it does not stop the SLA clock")
    note: LongText | None = Field(None, description="stays in this service; visible to sales and marketing only")
    external_id: Key | None = Field(None, description="of the telephony or mail system; told again, nothing is added")

    @model_validator(mode="after")
    def _one_time(self) -> "ActivityIn":
        if self.at and self.occurred_at and self.at != self.occurred_at:
            raise ValueError("at and occurred_at are the same thing")
        return self

    @property
    def told(self) -> datetime | None:
        """When it happened, where that was said."""
        return self.at or self.occurred_at


class PlainIn(Dated):
    """Nothing but, where it lies in the past, when."""


class Ending(Dated):
    """How a cycle ends; `purpose` is the list its reasons stand in."""

    purpose: ClassVar[str]

    note: LongText | None = Field(None, description="stays in this service; visible to sales and marketing only")
    recyclable: bool | None = Field(None, description="may marketing begin another cycle? default: as the reason says")
    revisit_on: date | None = Field(None, description="not before that day")

    def comes_back(self, reason: str) -> bool:
        """Never after `not_icp`, whatever the caller says."""
        if reason == NEVER_RECYCLABLE:
            return False
        return bool(REASONS.find(self.purpose, reason).recyclable) if self.recyclable is None else self.recyclable


class RejectIn(Ending):
    model_config = example(reason="timing", note="来期に再検討", recyclable=True, revisit_on="2027-04-01")
    purpose = "reject"

    reason: Annotated[str, Coded("reject")]


class DropIn(Ending):
    model_config = example(reason="no_opportunity", revisit_on="2027-04-01")
    purpose = "drop"

    reason: Annotated[str, Coded("drop")]


class DiscoveryIn(Priced):
    """The discovery items (ヒアリング項目). A merge patch: absent is unchanged, null is cleared."""

    model_config = example(budget="planned", need="explicit")
    money = ("expected_mrr",)

    budget: Annotated[str, Coded("budget")] | None = None
    authority: Annotated[str, Coded("authority")] | None = None
    need: Annotated[str, Coded("need")] | None = None
    timing: Annotated[str, Coded("timing")] | None = None
    size: Annotated[str, Coded("size")] | None = None
    product: Text | None = None
    comment: LongText | None = Field(None, description="stays in this service; visible to sales and marketing only")
    expected_mrr: Annotated[Money, AfterValidator(_not_negative)] | None = None

    def given(self) -> dict[str, Any]:
        """What was said, money as money."""
        names = self.model_fields_set & set(DiscoveryIn.model_fields) - {"currency"}
        return {name: getattr(self, name) for name in names}


class AppointmentIn(Body):
    model_config = example(start_at="2026-04-14T05:00:00Z", minutes=60, rep="suzuki", place="online")

    start_at: Planned
    minutes: int = Field(60, ge=5, le=480)
    rep: Key | None = Field(None, description="the field sales rep; see GET /v1/reps/{id}/slots for what is free")
    place: Text | None = Field(None, description="online, visit, phone, or an address, which stays in this service")
    external_id: Key | None = Field(None, description="of the calendar entry")


class SetAppointmentIn(AppointmentIn, Dated):
    """An appointment of its own."""


class HandOverIn(DiscoveryIn, Dated):
    model_config = example(
        budget="planned",
        authority="recommender",
        need="explicit",
        timing="within_3_months",
        product="crm",
        size="up_to_99",
        comment="現行ツールの更新が9月。情シス部長同席予定。",
        expected_mrr={"amount": 120000, "currency": "JPY"},
        appointment={"start_at": "2026-04-14T05:00:00Z", "minutes": 60, "rep": "suzuki", "place": "online"},
    )

    appointment: AppointmentIn | None = None

    def given(self) -> dict[str, Any]:
        """What was said; a null takes nothing of what was noted before away."""
        return {name: value for name, value in super().given().items() if value is not None}


class RepIn(Body):
    model_config = example(name="佐藤 花子", email="sato@example.co.jp", team="IS1", region="kanto")

    name: Text | None = None
    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)] | None = None
    team: Key | None = None
    region: Key | None = None
    manager: Key | None = Field(None, description="the id of another rep")
    started_on: date | None = None
    archived: bool = Field(False, description="has left: no longer offered, kept in history")
