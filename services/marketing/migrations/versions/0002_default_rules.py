"""The rules marketing begins with; people change them over `PUT /v1/rules/{name}`."""

import json

from alembic import op
from sqlalchemy import text

revision = "0002"
down_revision = "0001"

SCORING = {
    "half_life_days": 30,
    "fit": [
        {"field": "company", "points": 5},
        {"field": "email", "points": 5},
        {"field": "phone", "points": 5},
        {"field": "employees", "points": 10, "at_least": 50},
        {"field": "employees", "points": 10, "at_least": 300},
        {
            "field": "job_title",
            "points": 10,
            "contains": [
                "部長",
                "課長",
                "役員",
                "社長",
                "代表",
                "本部長",
                "manager",
                "director",
                "head",
                "chief",
                "president",
            ],
        },
    ],
    "touches": {
        "page_view": {"points": 1, "at_most": 10},
        "web_visit": {"points": 2, "at_most": 10},
        "email_open": {"points": 1, "at_most": 5},
        "email_click": {"points": 4, "at_most": 10},
        "content_download": {"points": 12, "at_most": 5},
        "webinar": {"points": 20, "at_most": 5},
        "event": {"points": 15, "at_most": 5},
        "form": {"points": 10, "at_most": 3},
        "pricing_view": {"points": 15, "at_most": 3},
        "trial": {"points": 30, "at_most": 2},
        "demo_request": {"points": 45, "at_most": 2},
        "contact_request": {"points": 45, "at_most": 2},
    },
    "other_touch": {"points": 1, "at_most": 10},
    "most_fit": 50,
    "most_engagement": 100,
    "carry_over": 0.0,
}
MQL_CRITERIA = {
    "everybody": {"score": 50, "fit": 0, "engagement": 10, "required": [], "reachable": True},
    "by_segment": {},
    "automatic": True,
}
RECYCLING = {
    "sources": {
        source: {"recycle": True, "wait_days": 0, "hand_over": False}
        for source in (
            *("mql_rejected", "no_opportunity", "unfollowed", "sql_returned", "deal_lost", "dormant_customer"),
        )
    },
    "never": ["not_icp"],
}
COMPANY = {"joins": ["contract", "opportunity", "claimed_lead"]}


def upgrade() -> None:
    insert = text(
        "INSERT INTO rule (name, version, valid_from, rule, note, by, created_at)"
        " VALUES (:name, 1, 'epoch', CAST(:rule AS jsonb), 'to begin with', 'migration', now())"
    )
    rules = {"scoring": SCORING, "mql_criteria": MQL_CRITERIA, "recycling": RECYCLING, "company": COMPANY}
    for name, rule in rules.items():
        op.execute(insert.bindparams(name=name, rule=json.dumps(rule, ensure_ascii=False)))
