"""Scenarios: what if rates, people or budgets were other than they are, kept, and held against what happened."""

from datetime import date, datetime
from uuid import UUID

from pydantic import Field

from services.kpi.schemas.capacity import Capacity, DepartmentLoadOut
from services.kpi.schemas.plans import Assumptions
from shared.http.bodies import Answer


class ScenarioIn(Assumptions):
    """`capacity` is what the departments have, `instead` what they would have: both limit what comes through. Rates,
    value of a deal and retention that are said are those of the scenario."""

    instead: Capacity | None = Field(None, description="default the same as capacity")


class OutcomeOut(Answer):
    """What comes out in the period: of each step, at most what its department can do. `bottleneck` is the department
    with the highest utilisation; null where none told of what it has."""

    steps: dict[str, float]
    won: float
    new_mrr: float = Field(description="major units")
    customers: float = Field(description="under contract at the end")
    rates: dict[str, float]
    average_won: float
    retention: float
    departments: list[DepartmentLoadOut]
    bottleneck: str | None


class DifferenceOut(Answer):
    won: float
    new_mrr: float
    customers: float


class PaceOut(Answer):
    """What happened less what was to have come by then in proportion."""

    won: float
    new_mrr: float


class StepUpOut(Answer):
    """`kind`: to the rate decided on (target), to that of the best segment (best_segment, drawn towards everyone's), to
    the upper end of its own interval (upper), or one point more (point). Deals and new MRR it brings in the period."""

    kind: str
    rate: float
    deals: float
    new_mrr: float


class RankedOut(Answer):
    """One rate; `steps` in the order they are realistic, the first there is ranks it."""

    lever: str
    ja: str
    en: str
    department: str
    rate: float
    steps: list[StepUpOut]


class HappenedOut(Answer):
    """What happened in the period so far; rates are null where nothing entered yet."""

    elapsed: float
    is_partial: bool
    steps: dict[str, float]
    rates: dict[str, float | None]
    won: float
    new_mrr: float
    to_baseline: PaceOut
    to_scenario: PaceOut


class ScenarioOut(Answer):
    """`baseline` as it is and `changed` as it would be were worked out when it was saved. `happened` is as of now; null
    before the period begins, and in a list."""

    scenario_id: UUID
    name: str
    period: str
    from_date: date
    to_date: date
    state: str = Field(description="open or archived")
    currency: str
    baseline: OutcomeOut
    changed: OutcomeOut
    difference: DifferenceOut
    levers: list[RankedOut]
    happened: HappenedOut | None
    told: ScenarioIn
    version: int
    set_by: str
    set_at: datetime


class ScenariosOut(Answer):
    items: list[ScenarioOut]
