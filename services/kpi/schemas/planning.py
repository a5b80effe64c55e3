"""What holds the chain back, and what a goal needs."""

from pydantic import Field

from services.kpi.schemas.figures import Basis
from shared.http.bodies import Answer
from shared.money import Money


class SuspectOut(Answer):
    """One factor of the chain against its reference. `contribution` in deals won; `worth` the same in money."""

    factor: str
    ja: str
    en: str
    department: str
    contribution: float
    worth: Money | None
    actual: float
    reference: float
    numerator: int
    denominator: int
    ci95: tuple[float, float] | None
    probability_below: float | None = Field(description="that the true rate lies below the reference, Beta(1+k, 1+n-k)")
    evidence: str = Field(description="confirmed from 0.90, suspected from 0.70, else none")


class VerdictOut(Answer):
    """The dearest factor there is evidence for; null while there is none."""

    factor: str | None
    evidence: str
    text: str


class BottleneckOut(Basis):
    """The contributions add up to the gap. `blocked` names the first factor that is zero; then there are none."""

    reference: str = Field(description="what it is held against: target, or the span before (previous)")
    actual_won: float
    planned_won: float
    gap: float
    blocked: str | None
    factors: list[SuspectOut]
    rank: list[str] = Field(description="factors that cost, the dearest first")
    verdict: VerdictOut
    reason: str | None = None


class NeedOut(Answer):
    """What one step needs: exactly, and as whole things to be shown."""

    step: str
    exact: float
    shown: int


class RequirementOut(Basis):
    """Backwards from a goal, at the rates of the span."""

    goal: Money
    average_won: Money | None
    needs: list[NeedOut]
    lead_to_won_ci95: tuple[float, float] | None = Field(description="delta method on the logarithm of the product")
    reason: str | None = None


class WhatIfOut(Basis):
    """Deals won, were some factors other than they are."""

    won: float
    changed: float
    difference: float
    factors: dict[str, float]
