"""Shared goals: one outcome, a part for each of several departments, so that none can reach it alone.

Beside them what speaks for or against working together: a goal that is met at the cost of the next department, and
KPIs that several departments own.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from math import prod

CAP = 1.2
ONE_SIDED = 0.7
LEAST_DEPARTMENTS = 2


@dataclass(frozen=True, slots=True)
class Component:
    """A department's part: its metric is to reach `target`, or to stay below it where `lower_is_better`."""

    department: str
    metric: str
    target: float
    lower_is_better: bool = False

    def attained(self, actual: float | None) -> float | None:
        """Actual ÷ target, or target ÷ actual, at most 1.2; None while there is no figure."""
        if actual is None:
            return None
        if not self.lower_is_better:
            return min(CAP, actual / self.target)
        return min(CAP, self.target / actual) if actual > 0 else CAP


@dataclass(frozen=True, slots=True)
class Attainment:
    """Of a goal: the weakest department's share counts. `balance` is weakest ÷ strongest."""

    shared: float | None
    geometric: float | None
    balance: float | None

    @property
    def one_sided(self) -> bool:
        return self.balance is not None and self.balance < ONE_SIDED


def attainment(by_department: Mapping[str, float | None]) -> Attainment:
    known = [share for share in by_department.values() if share is not None]
    if len(known) < len(by_department) or not known:
        return Attainment(None, None, None)
    strongest = max(known)
    return Attainment(min(known), prod(known) ** (1 / len(known)), min(known) / strongest if strongest else None)


def weakest(components: Sequence[tuple[Component, float | None]]) -> dict[str, float | None]:
    """Each department's weakest part; None where one of its parts has no figure."""
    found: dict[str, float | None] = {}
    for component, share in components:
        before = found.get(component.department, share)
        found[component.department] = None if share is None or before is None else min(before, share)
    return found


NEXT: Mapping[str, str] = {"marketing": "mql_acc", "inside_sales": "sql_acc", "field_sales": "expectation_fit"}
"""By department the metric that says whether the next one could use what was handed to it. Customer success hands on
to nobody."""


def local_optimum(attained: float | None, *, below: bool | None) -> bool | None:
    """The own part reached while the next department gets worse than it should: None where either is not known."""
    if attained is not None and attained < 1:
        return False
    return None if attained is None or below is None else below


@dataclass(frozen=True, slots=True)
class Kpi:
    """What has a target: a metric, or a shared goal; with every department that owns it or a part of it."""

    kind: str
    id: str
    departments: Set[str]

    @property
    def co_owned(self) -> bool:
        return len(self.departments) >= LEAST_DEPARTMENTS
