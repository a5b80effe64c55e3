"""Onboardings that are coming."""

from pydantic import Field

from services.kpi.schemas.figures import Basis
from shared.http.bodies import Answer


class ComingOut(Answer):
    """Deals won within `days` from as_of, each an onboarding. `p50` by chance (of the age of open deals and those still
    to be opened; else of their phase), null where nothing tells one; `commit` are those promised."""

    days: int
    commit: int
    p10: int | None
    p50: int | None
    p90: int | None
    method: str | None
    room: float | None = Field(description="how many there is room for; null while onboarding_capacity is not set")
    utilisation: float | None = Field(description="p50, else commit, by room")
    overloaded: bool | None = Field(description="above nine tenths")


class OnboardingLoadOut(Basis):
    """`waiting` customers are being onboarded now."""

    waiting: int
    capacity: float | None = Field(description="a month, as decided (setting onboarding_capacity)")
    ahead: list[ComingOut]
