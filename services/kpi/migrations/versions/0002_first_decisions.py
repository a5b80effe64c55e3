"""First decisions: the chain by MQL, and the settings that have a usual value."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

STAGES = [
    {"stage": "marketing", "base": "visitor", "goal": "mql"},
    {"stage": "inside_sales", "base": "mql", "goal": "opportunity"},
    {"stage": "field_sales", "base": "opportunity", "goal": "won"},
    {"stage": "customer_success", "base": "won", "goal": "retained"},
]
SETTINGS = {
    "fiscal_year_first_month": 4,
    "response_sla_minutes": 60,
    "business_hours": {"from": 9, "to": 18, "days": "Mon-Fri"},
    "obligation_sla_days": 5,
    "onboarding_target_days": 30,
    "smallest_sample": 5,
}


def upgrade() -> None:
    definition = sa.text(
        "INSERT INTO stage_definition (version, stages, set_by) VALUES (1, CAST(:stages AS jsonb), :by)"
    )
    op.execute(definition.bindparams(stages=json.dumps(STAGES), by="system"))
    setting = sa.text(
        "INSERT INTO setting_version (name, version, valid_from, value, set_by) "
        "VALUES (:name, 1, DATE '2000-01-01', CAST(:value AS jsonb), :by)"
    )
    for name, value in SETTINGS.items():
        op.execute(setting.bindparams(name=name, value=json.dumps(value), by="system"))
