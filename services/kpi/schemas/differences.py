"""How two figures differ."""

from pydantic import Field

from services.kpi.schemas.figures import Basis, RateOut


class DifferenceOut(Basis):
    """`difference` = figure - other, with Newcombe's interval; only where it leaves out zero do they differ."""

    metric: str
    figure: RateOut
    other: RateOut
    difference: float | None
    ci95: tuple[float, float] | None
    verdict: str = Field(description="higher, lower, inconclusive, or too_few of one of them")
