"""Version 1 of every rule, valid from the beginning of time."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
RULES = {
    "phases": {
        "phases": [
            {
                "code": "discovery",
                "ja": "課題確認",
                "en": "Discovery",
                "required": ["mrr|amount", "expected_close_date"],
                "probability": 0.2,
            },
            {
                "code": "proposal",
                "ja": "提案",
                "en": "Proposal",
                "required": ["mrr|amount", "expected_close_date"],
                "probability": 0.5,
            },
            {
                "code": "negotiation",
                "ja": "見積・交渉",
                "en": "Negotiation",
                "required": ["mrr|amount", "expected_close_date"],
                "probability": 0.8,
            },
            {"code": "approval", "ja": "稟議・契約締結", "en": "Approval", "required": [], "probability": 0.9},
        ],
        "to_win": [],
    },
    "discovery": {
        "budget": [
            {"code": "none", "ja": "予算なし", "en": "None"},
            {"code": "undecided", "ja": "未定", "en": "Undecided"},
            {"code": "requestable", "ja": "稟議で確保可能", "en": "Can be requested"},
            {"code": "planned", "ja": "予算計上予定", "en": "Planned"},
            {"code": "secured", "ja": "予算確保済み", "en": "Secured"},
        ],
        "authority": [
            {"code": "unknown", "ja": "不明", "en": "Unknown"},
            {"code": "user", "ja": "利用担当者", "en": "User only"},
            {"code": "evaluator", "ja": "選定担当者", "en": "Evaluator"},
            {"code": "recommender", "ja": "推進者・起案者", "en": "Recommender who drafts the approval"},
            {"code": "decision_maker", "ja": "決裁者", "en": "Decision maker"},
        ],
        "need": [
            {"code": "none", "ja": "課題なし", "en": "None"},
            {"code": "information_only", "ja": "情報収集のみ", "en": "Only collecting information"},
            {"code": "latent", "ja": "課題が潜在的", "en": "Latent"},
            {"code": "explicit", "ja": "課題が明確", "en": "Explicit"},
        ],
        "timing": [
            {"code": "undecided", "ja": "未定", "en": "Undecided"},
            {"code": "over_1_year", "ja": "1年より先", "en": "Later than 1 year"},
            {"code": "within_1_year", "ja": "1年以内", "en": "Within 1 year"},
            {"code": "within_6_months", "ja": "6か月以内", "en": "Within 6 months"},
            {"code": "within_3_months", "ja": "3か月以内", "en": "Within 3 months"},
            {"code": "within_1_month", "ja": "1か月以内", "en": "Within 1 month"},
        ],
        "size": [
            {"code": "up_to_29", "ja": "29名以下", "en": "Up to 29 users"},
            {"code": "up_to_99", "ja": "30〜99名", "en": "30 to 99 users"},
            {"code": "up_to_299", "ja": "100〜299名", "en": "100 to 299 users"},
            {"code": "up_to_999", "ja": "300〜999名", "en": "300 to 999 users"},
            {"code": "over_1000", "ja": "1,000名以上", "en": "1,000 users or more"},
        ],
    },
    "business_hours": {
        "timezone": "Asia/Tokyo",
        "weekdays": [1, 2, 3, 4, 5],
        "hours": [{"opens": "09:00:00", "closes": "12:00:00"}, {"opens": "13:00:00", "closes": "18:00:00"}],
        "holidays": [],
        "slot_minutes": 60,
    },
}


def upgrade() -> None:
    rule = sa.table(
        "rule",
        sa.column("name", sa.Text),
        sa.column("version", sa.Integer),
        sa.column("valid_from", sa.DateTime(timezone=True)),
        sa.column("content", postgresql.JSONB),
        sa.column("by", sa.Text),
        sa.column("recorded_at", sa.DateTime(timezone=True)),
    )
    first = {"version": 1, "valid_from": BEGINNING, "by": "themodel", "recorded_at": BEGINNING}
    op.bulk_insert(rule, [{"name": name, "content": content, **first} for name, content in RULES.items()])
