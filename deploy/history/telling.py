"""One line of a told history and the event it is.

`{"id", "type", "occurred_at", "recorded_at", "data": {"lead", "opportunity", "account", …}}`: ids are another
system's, money may be bare in major units with a sibling `currency`. The same outside id is the same id of ours,
whoever loads it; an account whose id equals a lead's is that lead's customer and shares its journey.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from shared.contracts import EVENTS, Event
from shared.ids import told_id
from shared.money import from_major

KINDS = {"lead": "lead_id", "opportunity": "opportunity_id", "account": "account_id", "contract": "contract_id"}
MONEY = ("mrr", "delta", "amount", "one_off", "expected_mrr", "spend")
OUTSIDE_ID = {"lead": "external_id", "opportunity": "opportunity_external_id", "account": "account_external_id"}


class BadLine(ValueError):
    """A line that cannot be told; the message names the line, the field and the rule."""


class Line(BaseModel):
    """A line as it stands in the file."""

    model_config = ConfigDict(extra="forbid")

    id: str
    type: str
    occurred_at: AwareDatetime
    recorded_at: AwareDatetime | None = None
    data: dict[str, Any]


@dataclass(frozen=True)
class Telling:
    """An event with its envelope's particulars. `place` says where it was told, `names` are its outside ids by kind."""

    event: Event
    event_id: UUID
    key: str
    at: datetime
    recorded: datetime
    place: str = ""
    names: Mapping[str, str] = field(default_factory=dict)


def read(lines: Iterable[str], currency: str) -> list[Telling]:
    """Every line as an event. Raises BadLine at the first that is none; nothing has then been told."""
    parsed = [_parse(number, text) for number, text in enumerate(lines, 1) if text.strip()]
    journeys = _journeys(line for _, line in parsed)
    return [_tell(number, line, journeys, currency) for number, line in parsed]


def _parse(number: int, text: str) -> tuple[int, Line]:
    try:
        line = Line.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadLine(f"line {number}: {'.'.join(map(str, first['loc'])) or 'line'}: {first['msg']}") from error
    if line.type not in EVENTS:
        raise BadLine(f"line {number}: type: {line.type} is not one of ours (see `themodel asyncapi`)")
    return number, line


def _journeys(lines: Iterable[Line]) -> Mapping[tuple[str, str], str]:
    """The journey of every outside id: the lead's where one is told beside it, else the thing's own."""
    found: dict[tuple[str, str], str] = {}
    for line in lines:
        lead = line.data.get("lead")
        for kind in KINDS:
            name = line.data.get(kind)
            if isinstance(name, str) and isinstance(lead, str):
                found[kind, name] = str(told_id("lead", lead))
    return found


def _tell(number: int, line: Line, journeys: Mapping[tuple[str, str], str], currency: str) -> Telling:
    data = dict(line.data)
    code = data.pop("currency", currency)
    names = {kind: str(data[kind]) for kind in KINDS if data.get(kind) is not None}
    key = ""
    for kind, ours in KINDS.items():
        name = data.pop(kind, None)
        if name is None:
            continue
        data[ours] = told_id(kind, str(name))
        if kind in OUTSIDE_ID:
            data.setdefault(OUTSIDE_ID[kind], str(name))
        own = str(told_id(kind, str(name)))
        key = key or journeys.get((kind, str(name))) or _customer(kind, str(name), journeys) or own
    if line.type.startswith("field_sales.deal_") and "lead" in line.data:
        data.setdefault("account_id", told_id("account", line.data["lead"]))
    try:
        for name in MONEY:
            if isinstance(data.get(name), int | float):
                data[name] = from_major(data[name], code)
        event = EVENTS[line.type].model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadLine(f"line {number}: data.{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except ValueError as error:
        raise BadLine(f"line {number}: data: {error}") from error
    if not key:
        key = event.subject.partition("/")[2]
    recorded = line.recorded_at or line.occurred_at
    return Telling(event, told_id("event", line.id), key, line.occurred_at, recorded, f"line {number}", names)


def _customer(kind: str, name: str, journeys: Mapping[tuple[str, str], str]) -> str | None:
    return journeys.get(("lead", name)) if kind == "account" else None
