"""The rules a company sets for its customer success, as they are stored and sent, and as the domain reads them."""

from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from services.customer_success.domain.conditions import Alarm, Condition
from services.customer_success.domain.facts import FACTS
from services.customer_success.domain.health import Formula, Input, Measure, Override, Profile
from services.customer_success.domain.onboarding import PlanTemplate, TaskTemplate
from shared.http.bodies import Body, Key, Text


def _known_fact(name: str) -> str:
    if name not in FACTS:
        raise ValueError(f"one of {', '.join(FACTS)}")
    return name


def _rising(curve: list[tuple[float, float]]) -> list[tuple[float, float]]:
    if any(after[0] <= before[0] for before, after in pairwise(curve)):
        raise ValueError("the first numbers of a curve's points rise")
    return curve


Fact = Annotated[str, AfterValidator(_known_fact)]
Score = Annotated[float, Field(ge=0, le=100)]
Curve = Annotated[list[tuple[float, Score]], Field(min_length=1, max_length=50), AfterValidator(_rising)]
Names = Annotated[tuple[Key, ...], Field(max_length=100)]


class ContractDefaults(Body):
    term_months: int = Field(ge=1, le=120)


class Dormancy(Body):
    quiet_days: int = Field(ge=1, le=3650)


class TaskIn(Body):
    key: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$")]
    ja: Text
    en: Text
    due_days: int = Field(ge=0, le=3650)


class PlanIn(Body):
    segments: Names = ()
    products: Names = ()
    tasks: Annotated[list[TaskIn], Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _once(self) -> "PlanIn":
        if len({task.key for task in self.tasks}) < len(self.tasks):
            raise ValueError("a task's key stands once in a plan")
        return self


class Onboarding(Body):
    plan_within_days: int = Field(ge=1, le=3650, description="a deal won longer ago is history: it gets no plan")
    plans: Annotated[list[PlanIn], Field(max_length=100)]

    def templates(self) -> list[PlanTemplate]:
        return [
            PlanTemplate(
                frozenset(plan.segments),
                frozenset(plan.products),
                tuple(TaskTemplate(task.key, task.ja, task.en, task.due_days) for task in plan.tasks),
            )
            for plan in self.plans
        ]


class ConditionIn(Body):
    fact: Fact
    at_least: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _bounded(self) -> "ConditionIn":
        if self.at_least is None and self.below is None:
            raise ValueError("a condition has at_least, below, or both")
        return self

    def to_domain(self) -> Condition:
        return Condition(self.fact, self.at_least, self.below)


class MeasureIn(Body):
    fact: Fact
    valid_days: float = Field(gt=0, le=3650)
    curve: Curve


class InputIn(Body):
    name: Key
    weight: float = Field(gt=0, le=1000)
    measures: Annotated[list[MeasureIn], Field(min_length=1, max_length=20)]

    def to_domain(self) -> Input:
        measures = tuple(Measure(found.fact, tuple(found.curve), found.valid_days) for found in self.measures)
        return Input(self.name, self.weight, measures)


class ProfileIn(Body):
    name: Key
    segments: Names = ()
    until_day: int | None = Field(None, ge=1, le=3650, description="for the first days after acceptance only")
    baseline: Score
    healthy: Score
    watch: Score
    inputs: Annotated[list[InputIn], Field(min_length=1, max_length=20)]

    @model_validator(mode="after")
    def _sound(self) -> "ProfileIn":
        if self.watch >= self.healthy:
            raise ValueError("watch begins below healthy")
        if len({found.name for found in self.inputs}) < len(self.inputs):
            raise ValueError("an input stands once in a profile")
        return self

    def to_domain(self) -> Profile:
        inputs = tuple(found.to_domain() for found in self.inputs)
        segments = frozenset(self.segments)
        return Profile(self.name, segments, self.until_day, self.baseline, self.healthy, self.watch, inputs)


class OverrideIn(Body):
    code: Key
    condition: ConditionIn
    cap: Score


class HealthRule(Body):
    minimum_coverage: float = Field(ge=0, le=1)
    hysteresis: float = Field(ge=0, le=50)
    profiles: Annotated[list[ProfileIn], Field(min_length=1, max_length=50)]
    overrides: Annotated[tuple[OverrideIn, ...], Field(max_length=50)] = ()

    def formula(self, version: int) -> Formula:
        return Formula(
            version,
            self.minimum_coverage,
            self.hysteresis,
            tuple(profile.to_domain() for profile in self.profiles),
            tuple(Override(found.code, found.condition.to_domain(), found.cap) for found in self.overrides),
        )


class AlarmIn(Body):
    code: Key
    conditions: Annotated[list[ConditionIn], Field(min_length=1, max_length=20)]


class ChurnRisk(Body):
    alarms: Annotated[list[AlarmIn], Field(max_length=50)]

    def to_domain(self) -> list[Alarm]:
        return [Alarm(found.code, tuple(part.to_domain() for part in found.conditions)) for found in self.alarms]
