"""The rules marketing works by, together as they were in force at a moment."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from services.marketing.domain.company_work import CompanyRules
from services.marketing.domain.qualification import CriteriaRules
from services.marketing.domain.recycling import RecyclingRules
from services.marketing.domain.rules import Rules
from services.marketing.domain.scoring import ScoringRules
from services.marketing.models import RuleRow
from shared.rules import Kind, Rulebook

RULES = Rulebook(
    RuleRow,
    Kind("scoring", ScoringRules, "スコアリング", "Scoring"),
    Kind("mql_criteria", CriteriaRules, "MQL基準", "MQL criteria"),
    Kind("recycling", RecyclingRules, "リサイクル", "Recycling"),
    Kind("company", CompanyRules, "同一企業の対応", "Work of a company"),
)


async def rules_in_force(session: AsyncSession, at: datetime) -> Rules:
    criteria = await RULES.in_force(session, CriteriaRules, at)
    return Rules(
        scoring=(await RULES.in_force(session, ScoringRules, at)).rule,
        criteria=criteria.rule,
        criteria_version=criteria.version,
        recycling=(await RULES.in_force(session, RecyclingRules, at)).rule,
        company=(await RULES.in_force(session, CompanyRules, at)).rule,
    )
