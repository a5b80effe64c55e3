"""What a plan asks of each department, against what it has."""

from collections.abc import Mapping, Sequence

from services.kpi.domain.capacity import Load, Team
from services.kpi.domain.periods import Period, months
from services.kpi.domain.stages import STAGES
from services.kpi.schemas.capacity import DepartmentLoadOut, LoadOut

NOT_TOLD = "not_told"


def loads(teams: Sequence[Team], cases: Mapping[str, float], span: Period) -> list[DepartmentLoadOut]:
    """Of all four departments; `cases` are those of the period."""
    told = {team.department: team for team in teams}
    return [_load(name, told.get(name), cases[name], span) for name in STAGES]


def cases_of(stages: Sequence[tuple[str, float | None, float | None]], span: Period) -> dict[str, float]:
    """Of each stage with its base and goal. Customer success looks after its customers every month of the period."""
    return {stage: (base or 0.0) * months(span) if stage == STAGES[-1] else goal or 0.0 for stage, base, goal in stages}


def feasible(found: Sequence[DepartmentLoadOut]) -> bool | None:
    """All of those that told; None where none did."""
    told = [one.feasible for one in found if one.feasible is not None]
    return all(told) if told else None


def _load(department: str, team: Team | None, cases: float, span: Period) -> DepartmentLoadOut:
    found = team.loads(cases, span) if team else {}
    shares = [load.utilisation for load in found.values() if load.utilisation is not None]
    return DepartmentLoadOut(
        department=department,
        cases=cases,
        head_months=team.head_months(span) if team else None,
        ramped=team.ramped(span) if team else None,
        people=_shown(found.get("people")),
        hours=_shown(found.get("hours")),
        budget=_shown(found.get("budget")),
        utilisation=max(shares) if shares else None,
        feasible=all(load.feasible for load in found.values()) if found else None,
        reason=None if found else NOT_TOLD,
    )


def _shown(load: Load | None) -> LoadOut | None:
    return LoadOut.model_validate(load) if load else None
