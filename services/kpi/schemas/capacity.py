"""What departments have to do their work with, and whether it is enough."""

from datetime import date
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from services.kpi.domain.capacity import People, Team
from services.kpi.schemas.decisions import Stage
from shared.http.bodies import Answer, Body

Day = Annotated[date, Field(ge=date(1990, 1, 1), le=date(2200, 1, 1))]
Number = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
Positive = Annotated[float, Field(ge=1e-6, le=1e15, allow_inf_nan=False)]


class PeopleIn(Body):
    """So many heads from a day on, until another (exclusive); without days they were and stay there."""

    heads: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
    from_date: Day | None = None
    to_date: Day | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_date and self.to_date and self.from_date >= self.to_date:
            raise ValueError("to_date lies after from_date: it is the first day no longer counted")
        return self


class TeamIn(Body):
    """A case is one of what the stage's goal counts: an MQL, an opportunity, a deal; of customer success a customer a
    month."""

    department: Stage
    people: list[PeopleIn] = Field([], max_length=100)
    ramp_months: Annotated[float, Field(ge=0, le=60)] = Field(0, description="until who joined counts in full")
    productivity: Positive | None = Field(None, description="cases a month of a ramped head")
    hours_per_head: Annotated[float, Field(ge=0, le=744)] | None = Field(None, description="a month, for this work")
    hours_per_case: Positive | None = None
    budget: Number | None = Field(None, description="for the period, major units")
    cost_per_case: Positive | None = Field(None, description="major units")

    @model_validator(mode="after")
    def _in_pairs(self) -> Self:
        if (self.hours_per_head is None) != (self.hours_per_case is None):
            raise ValueError("hours_per_head and hours_per_case go together")
        if (self.budget is None) != (self.cost_per_case is None):
            raise ValueError("budget and cost_per_case go together")
        return self

    def team(self) -> Team:
        hours = None if self.hours_per_head is None else (self.hours_per_head, self.hours_per_case or 0.0)
        budget = None if self.budget is None else (self.budget, self.cost_per_case or 0.0)
        people = [People(one.heads, one.from_date, one.to_date) for one in self.people]
        return Team(self.department, people, self.ramp_months, self.productivity, hours, budget)


def _once(told: list[TeamIn]) -> list[TeamIn]:
    if len({one.department for one in told}) < len(told):
        raise ValueError("each department once")
    return told


Capacity = Annotated[list[TeamIn], AfterValidator(_once)]


class LoadOut(Answer):
    """Cases people can do, hours, or money in major units. `utilisation` null: there is nothing."""

    required: float
    available: float
    utilisation: float | None
    feasible: bool


class DepartmentLoadOut(Answer):
    """`cases` of the period; `head_months` as they are there and `ramped`. `feasible` null with `not_told` where the
    department told of nothing."""

    department: str
    cases: float
    head_months: float | None
    ramped: float | None
    people: LoadOut | None
    hours: LoadOut | None
    budget: LoadOut | None
    utilisation: float | None = Field(description="the highest of them")
    feasible: bool | None
    reason: str | None
