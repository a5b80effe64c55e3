"""The rules people change: each a versioned document in the database, of one of these shapes."""

from dataclasses import dataclass

from services.marketing.domain.company_work import CompanyRules
from services.marketing.domain.qualification import CriteriaRules
from services.marketing.domain.recycling import RecyclingRules
from services.marketing.domain.scoring import ScoringRules


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules in force at one moment."""

    scoring: ScoringRules
    criteria: CriteriaRules
    criteria_version: int
    recycling: RecyclingRules
    company: CompanyRules


SHAPES: dict[str, type] = {
    "scoring": ScoringRules,
    "mql_criteria": CriteriaRules,
    "recycling": RecyclingRules,
    "company": CompanyRules,
}
