"""The rules people change, together."""

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
