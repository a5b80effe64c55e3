"""Reps, their capacity and their free slots over HTTP."""

from datetime import date, datetime
from typing import Annotated

from pydantic import ConfigDict, Field

from shared.http.bodies import Answer, Body, Dated, Text
from shared.http.paging import ListQuery

Slots = Annotated[int, Field(ge=0, le=1000)]


class RepIn(Body):
    """A rep as a whole: what is left out is cleared. Capacity is told apart."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "佐藤 花子", "team": "東日本"}]})
    name: Text
    email: Annotated[Text, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    team: Text | None = None
    manager: Text | None = None
    region: Text | None = None
    started_on: date | None = None
    archived: bool = False


class CapacityIn(Dated):
    model_config = ConfigDict(json_schema_extra={"examples": [{"slots_per_week": 5}]})
    slots_per_week: Slots = Field(description="new opportunities a week this rep can take")


class RepOut(Answer):
    id: str
    name: str
    email: str | None
    team: str | None
    manager: str | None
    region: str | None
    started_on: date | None
    slots_per_week: int | None
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class RepQuery(ListQuery):
    external_id: None = Field(None, exclude=True, description="a rep's id is the company's own")
    name: Text | None = None
    team: Text | None = None
    manager: Text | None = None
    region: Text | None = None


class SlotOut(Answer):
    start_at: datetime
    end_at: datetime


class SlotsOut(Answer):
    """Business hours minus appointments; `from` inclusive, `to` exclusive days in `timezone`."""

    rep: str
    timezone: str
    minutes: int
    items: list[SlotOut]
