"""The onboarding plan: which tasks a new customer gets, and when each is due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True, slots=True)
class TaskTemplate:
    key: str
    ja: str
    en: str
    due_days: int  # after the contract begins


@dataclass(frozen=True, slots=True)
class PlanTemplate:
    """For customers of these segments and products; empty means all."""

    segments: frozenset[str]
    products: frozenset[str]
    tasks: tuple[TaskTemplate, ...]

    def fits(self, segment: str | None, product: str | None) -> bool:
        return (not self.segments or segment in self.segments) and (not self.products or product in self.products)


@dataclass(frozen=True, slots=True)
class PlannedTask:
    key: str
    ja: str
    en: str
    due_on: date


def plan(
    templates: Sequence[PlanTemplate], *, segment: str | None, product: str | None, starts_on: date
) -> list[PlannedTask]:
    """The tasks of the first template that fits; none where none does."""
    template = next((found for found in templates if found.fits(segment, product)), None)
    return [
        PlannedTask(task.key, task.ja, task.en, starts_on + timedelta(days=task.due_days))
        for task in (template.tasks if template else ())
    ]
