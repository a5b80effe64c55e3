"""The rules of field sales that are data, as they come over HTTP and stand in the table."""

from datetime import date, time
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from services.field_sales.domain.first_visit import FIELDS
from shared.http.bodies import Body, Text

CRITERIA = (
    "mrr",
    "amount",
    "expected_close_date",
    "forecast_category",
    "next_step",
    "next_step_on",
    "owner",
    "team",
    "account_id",
    "account_name",
    "lead_id",
    "product",
    "segment",
    "industry",
    "price_band",
    "region",
    "appointment_held",
    "first_visit",
)
"""What an exit criterion can ask for."""

Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,40}$")]


def _criterion(names: str) -> str:
    unknown = [name for name in names.split("|") if name not in CRITERIA]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: one of {', '.join(CRITERIA)}, or several joined by |")
    return names


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, LookupError) as error:
        raise ValueError("a time zone is its IANA name, such as Asia/Tokyo") from error
    return name


Criterion = Annotated[str, StringConstraints(max_length=200), AfterValidator(_criterion)]


class Labelled(Body):
    code: Code
    ja: Text
    en: Text


class PhaseRule(Labelled):
    """`required` must be known to leave the phase forward; `a|b` means one of the two."""

    required: tuple[Criterion, ...] = ()
    probability: float = Field(ge=0, le=1, description="of winning from here")


class PhasesRule(Body):
    """The phases in their order; `to_win` must be known to win."""

    phases: list[PhaseRule] = Field(min_length=1, max_length=30)
    to_win: tuple[Criterion, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> "PhasesRule":
        codes = [phase.code for phase in self.phases]
        if len(set(codes)) != len(codes):
            raise ValueError("a phase stands in it twice")
        return self


class DiscoveryRule(Body):
    """The codes a field of the hand-over can have, from the least to the most promising."""

    budget: tuple[Labelled, ...] = ()
    authority: tuple[Labelled, ...] = ()
    need: tuple[Labelled, ...] = ()
    timing: tuple[Labelled, ...] = ()
    size: tuple[Labelled, ...] = ()


class Stretch(Body):
    opens: time
    closes: time

    @model_validator(mode="after")
    def _forward(self) -> "Stretch":
        if self.opens >= self.closes or self.opens.tzinfo or self.closes.tzinfo:
            raise ValueError("opens before it closes, both without an offset")
        return self


class HoursRule(Body):
    """When reps can be met. `weekdays` are ISO: 1 is Monday."""

    timezone: Annotated[str, AfterValidator(_zone)] = "Asia/Tokyo"
    weekdays: list[Annotated[int, Field(ge=1, le=7)]] = Field(min_length=1, max_length=7)
    hours: list[Stretch] = Field(min_length=1, max_length=10)
    holidays: list[date] = Field([], max_length=1000)
    slot_minutes: int = Field(60, ge=5, le=480)


assert set(DiscoveryRule.model_fields) < set(FIELDS)
