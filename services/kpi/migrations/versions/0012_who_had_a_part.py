"""Which departments had a part in a deal won or a contract renewed stands in a table of its own."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"

ACTS = {
    "customer_success": "customer_accepted onboarding_completed pulse_recorded ticket_closed promise_reviewed"
    " contract_renewed feedback_given",
    "field_sales": "appointment_held opportunity_opened opportunity_updated first_visit_reviewed deal_won"
    " feedback_given",
    "inside_sales": "first_contact_made mql_accepted sql_accepted appointment_set feedback_given",
    "marketing": "touch_recorded mql_created lead_recycled feedback_given",
}


def _by_others(owner: str) -> str:
    kinds = [f"'{name}.{act}.v1'" for name, acts in ACTS.items() if name != owner for act in acts.split()]
    return f"ARRAY[{', '.join(kinds)}]"


def _filled() -> str:
    acts = " UNION ALL ".join(
        f"""SELECT f.type FROM fact AS f WHERE f.{key} AND f.type = ANY(d.others)
            AND f.occurred_at BETWEEN d.since AND d.at"""
        for key in ("lead_id = ANY(g.people)", "opportunity_id = d.opportunity_id", "account_id = d.account_id")
    )
    had = ", ".join(
        f"CASE WHEN d.owner = '{name}' OR bool_or(starts_with(f.type, '{name}.')) THEN '{name}' END" for name in ACTS
    )
    return f"""
        INSERT INTO joint_deal (event_id, at, lead_id, opportunity_id, account_id, departments)
        WITH deals AS MATERIALIZED (
            SELECT event_id, at, lead_id, opportunity_id, account_id, '-infinity'::timestamptz AS since,
                   'field_sales' AS owner, {_by_others("field_sales")} AS others
            FROM passage WHERE milestone = 'won'
            UNION ALL
            SELECT event_id, occurred_at, lead_id, opportunity_id, account_id, occurred_at - interval '1 year',
                   'customer_success', {_by_others("customer_success")}
            FROM fact WHERE type = 'customer_success.contract_renewed.v1'
        )
        SELECT d.event_id, d.at, d.lead_id, d.opportunity_id, d.account_id, h.departments FROM deals d
        CROSS JOIN LATERAL (
            SELECT coalesce((SELECT a.canonical_id FROM alias a WHERE a.kind = 'lead' AND a.id = d.lead_id), d.lead_id)
                   AS id
        ) AS root
        CROSS JOIN LATERAL (
            SELECT array_append(array_agg(a.id), root.id) AS people FROM alias a
            WHERE a.kind = 'lead' AND a.canonical_id = root.id
        ) AS g
        CROSS JOIN LATERAL (SELECT array_remove(ARRAY[{had}], NULL) AS departments FROM ({acts}) AS f) AS h
    """


def upgrade() -> None:
    op.create_index("ix_alias_canonical", "alias", ["kind", "canonical_id"])
    op.create_table(
        "joint_deal",
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lead_id", sa.Uuid),
        sa.Column("opportunity_id", sa.Uuid),
        sa.Column("account_id", sa.Uuid),
        sa.Column("departments", postgresql.ARRAY(sa.Text), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_joint_deal"),
    )
    op.execute(_filled())
    for name in ("lead", "opportunity", "account"):
        where = sa.text(f"{name}_id IS NOT NULL")
        op.create_index(f"ix_joint_deal_{name}", "joint_deal", [f"{name}_id"], postgresql_where=where)
