"""The rules customer success works by. What ships with the product is version 1 of each."""

from services.customer_success.models import RuleRow
from services.customer_success.schemas.rules import ChurnRisk, ContractDefaults, Dormancy, HealthRule, Onboarding
from shared.rules import Kind, Rulebook

RULES = Rulebook(
    RuleRow,
    Kind("contract_defaults", ContractDefaults, "契約の既定値", "Contract defaults"),
    Kind("dormancy", Dormancy, "休眠顧客の判定", "Dormant customers"),
    Kind("onboarding", Onboarding, "オンボーディング計画", "Onboarding plan"),
    Kind("health", HealthRule, "ヘルススコア", "Health score"),
    Kind("churn_risk", ChurnRisk, "解約リスク", "Churn risk"),
)
