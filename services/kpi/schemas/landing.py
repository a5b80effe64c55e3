"""The ARR landing: where recurring revenue ends, and what moved that since."""

from datetime import date, datetime

from pydantic import Field

from services.kpi.schemas.figures import Basis
from shared.http.bodies import Answer
from shared.money import Money


class LineOut(Answer):
    """A movement: what of it is there by now and what is expected until the end; what goes down is negative."""

    kind: str
    ja: str
    en: str
    so_far: Money
    expected: Money | None
    total: Money | None


class LandingFigures(Answer):
    """opening + Σ so_far = now; now + signed + Σ expected = landing. A year's worth: twelve times MRR."""

    opening: Money
    now: Money
    lines: list[LineOut]
    signed: Money = Field(description="agreed, and begins before the end")
    landing: Money | None
    reason: str | None
    p10: Money | None
    p50: Money | None
    p90: Money | None
    method: str | None = Field(description="of what is new: age (M3), stage_weighted (M1) or run_rate")
    new_from_open_deals: Money | None
    months: int = Field(description="how many months the rates of the other movements are of")


class MovedOut(Answer):
    """A part of the landing as it was, and as it is."""

    part: str
    ja: str
    en: str
    then: Money
    now: Money
    change: Money


class SinceOut(Answer):
    """As known at `at`; the changes of the parts add up to that of the landing."""

    at: datetime
    landing: Money | None
    reason: str | None
    change: Money | None
    moved: list[MovedOut]


class LandingGroup(LandingFigures):
    by: str
    value: str


class LandingOut(LandingFigures, Basis):
    period: str
    period_end: date
    basis: str
    currency: str
    since: SinceOut
    groups: list[LandingGroup]
    mix: Money | None = Field(description="landing minus that of the groups: they do not all move at the rates of all")
