"""kpi's tables: the facts, the caches folded from them, and what kpi itself decides.

`fact` only grows. Every cache can be thrown away and folded again; a replay builds both anew and never touches the
decisions. Caches have no ids of their own and no history of changes: a journey's rows are replaced as a whole.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.kpi.models import standing
from services.kpi.models.base import Base
from services.kpi.models.columns import an_id, dimensions, instant, money, sliced
from services.kpi.models.decided import DecisionVersion, SettingVersion, StageDefinition, TargetVersion
from services.kpi.models.indexed import (
    FEEDBACK,
    HELD_COLUMNS,
    LASTS,
    PAID,
    PAID_COLUMNS,
    STEP,
    STEP_COLUMNS,
    WHAT_AND_WHEN,
)

__all__ = [
    "FEEDBACK",
    "PAID",
    "STEP",
    "Base",
    "DecisionVersion",
    "SettingVersion",
    "StageDefinition",
    "TargetVersion",
    "standing",
]
LIVE = "public"
"""The schema of the tables in use; a replay and a look at the past have theirs."""


fact = Table(
    "fact",
    Base.metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("source", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("publisher", Text, nullable=False),
    Column("type", Text, nullable=False),
    an_id("lead_id"),
    Column("cycle", Integer),
    an_id("account_id"),
    an_id("opportunity_id"),
    an_id("contract_id"),
    Column("reference", Text),
    instant("occurred_at"),
    instant("recorded_at"),
    *dimensions(),
    *money("mrr", "whole"),
    Column("data", JSONB, nullable=False),
    *(
        Index(f"ix_fact_{name}", f"{name}_id", *WHAT_AND_WHEN, postgresql_where=text(f"{name}_id IS NOT NULL"))
        for name in ("lead", "opportunity", "account")
    ),
    Index("ix_fact_reference", "reference", postgresql_where=text("reference IS NOT NULL")),
    Index("ix_fact_recorded", "recorded_at"),
    Index("ix_fact_type", "type", "occurred_at"),
    Index("ix_fact_paid", "account_id", postgresql_include=PAID_COLUMNS, postgresql_where=text(PAID)),
    Index("ix_fact_feedback", text(f"({FEEDBACK})"), "occurred_at", postgresql_where=text(f"{FEEDBACK} IS NOT NULL")),
)
passage = Table(
    "passage",
    Base.metadata,
    Column("milestone", Text, primary_key=True),
    Column("subject", Uuid, primary_key=True),
    Column("subject_cycle", Integer, primary_key=True),
    Column("ordinal", SmallInteger, primary_key=True),
    instant("at"),
    instant("until", nullable=True),
    an_id("event_id", nullable=False),
    an_id("lead_id"),
    Column("cycle", Integer),
    an_id("opportunity_id"),
    an_id("account_id"),
    Column("outside", Boolean, nullable=False),
    Column("skipped", ARRAY(Text), nullable=False),
    Column("cycle_source", Text),
    Column("reason", Text),
    instant("since", nullable=True),
    Column("starts_on", Date),
    *money("mrr", "whole"),
    *sliced(),
    Column("stays", JSONB(none_as_null=True)),
    Index("ix_passage_milestone", "milestone", "at"),
    Index("ix_passage_lead", "lead_id", postgresql_where=text("lead_id IS NOT NULL")),
    Index("ix_passage_opportunity", "opportunity_id", postgresql_where=text("opportunity_id IS NOT NULL")),
    Index(
        "ix_passage_customer",
        text("coalesce(account_id, lead_id, opportunity_id)"),
        postgresql_where=text("milestone IN ('won', 'customer', 'onboarded')"),
    ),
)
opportunity_state = Table(
    "opportunity_state",
    Base.metadata,
    Column("opportunity_id", Uuid, primary_key=True),
    Column("at", DateTime(timezone=True), primary_key=True),
    instant("until", nullable=True),
    Column("status", Text, nullable=False),
    an_id("lead_id"),
    Column("cycle", Integer),
    an_id("account_id"),
    Column("origin", Text),
    instant("opened_at", nullable=True),
    instant("closed_at", nullable=True),
    Column("reopens", Integer, nullable=False),
    Column("phase", Text),
    Column("forecast_category", Text),
    Column("expected_close_date", Date),
    *money("mrr", "whole"),
    *sliced(),
    instant("phase_since", nullable=True),
    Index("ix_opportunity_state_status", "status", "at", text(LASTS)),
    Index(
        "ix_opportunity_state_step",
        "opportunity_id",
        "at",
        postgresql_include=STEP_COLUMNS,
        postgresql_where=text(STEP),
    ),
    Index("ix_opportunity_state_lead", "lead_id"),
)
place = Table(
    "place",
    Base.metadata,
    Column("lead_id", Uuid, primary_key=True),
    Column("cycle", Integer, primary_key=True),
    Column("at", DateTime(timezone=True), primary_key=True),
    instant("until", nullable=True),
    Column("place", Text, nullable=False),
    instant("contacted_at", nullable=True),
    Column("revisit_on", Date),
    *sliced(),
    Index("ix_place_place", "place", "at", text(LASTS), postgresql_include=["until"]),
)
movement = Table(
    "movement",
    Base.metadata,
    Column("account_id", Uuid, primary_key=True),
    Column("basis", Text, primary_key=True),
    Column("at", DateTime(timezone=True), primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("delta", BigInteger, nullable=False),
    an_id("lead_id"),
    Column("cycle", Integer),
    an_id("opportunity_id"),
    *sliced(),
    Column("paid", BigInteger, nullable=False),
    instant("until", nullable=True),
    Index("ix_movement_at", "basis", "at", "until", postgresql_include=HELD_COLUMNS),
)
customer_span = Table(
    "customer_span",
    Base.metadata,
    Column("account_id", Uuid, primary_key=True),
    Column("at", DateTime(timezone=True), primary_key=True),
    instant("until", nullable=True),
    an_id("lead_id"),
    Column("cycle", Integer),
    an_id("opportunity_id"),
    *sliced(),
    Index("ix_customer_span_at", "at"),
)

appointment = Table(
    "appointment",
    Base.metadata,
    Column("opportunity_id", Uuid, primary_key=True),
    Column("appointment_id", Uuid, primary_key=True),
    Column("at", DateTime(timezone=True), primary_key=True),
    instant("until", nullable=True),
    instant("start_at"),
    *(Column(name, Boolean, nullable=False) for name in ("held", "missed", "cancelled")),
    Column("moves", Integer, nullable=False),
    an_id("lead_id"),
    Column("cycle", Integer),
    an_id("account_id"),
    *sliced(),
    Index("ix_appointment_start", "start_at"),
)
term = Table(
    "term",
    Base.metadata,
    Column("account_id", Uuid, primary_key=True),
    Column("contract_id", Uuid, primary_key=True),
    Column("due_on", Date, primary_key=True),
    Column("at", DateTime(timezone=True), primary_key=True),
    instant("until", nullable=True),
    Column("term_months", Integer),
    Column("cycle", Integer),
    *sliced(),
    Index("ix_term_due", "due_on"),
)
joint_deal = Table(
    "joint_deal",
    Base.metadata,
    Column("event_id", Uuid, primary_key=True),  # by which it was won or renewed
    *(an_id(f"{name}_id") for name in ("lead", "opportunity", "account")),
    Column("departments", ARRAY(Text), nullable=False),  # that had a part in it by then
    *(
        Index(f"ix_joint_deal_{name}", f"{name}_id", postgresql_where=text(f"{name}_id IS NOT NULL"))
        for name in ("lead", "opportunity", "account")
    ),
)


def _days(name: str) -> Table:
    return Table(
        name,
        Base.metadata,
        Column("key", Text, primary_key=True),
        Column("at", DateTime(timezone=True), primary_key=True),
        instant("until", nullable=True),
        Column("day", Date, nullable=False),
        Column("channel", Text, nullable=False),
        Column("campaign", Text),
        Column("figure", BigInteger, nullable=False),
        Column("currency", Text),
        Index(f"ix_{name}_day", "day"),
    )


visit_day, spend_day = _days("visit_day"), _days("spend_day")
use_week = Table(
    "use_week",
    Base.metadata,
    Column("key", Text, primary_key=True),
    Column("at", DateTime(timezone=True), primary_key=True),
    instant("until", nullable=True),
    an_id("account_id", nullable=False),
    Column("week", Date, nullable=False),  # the Monday it begins with
    Column("count", BigInteger, nullable=False),
    Column("active_days", SmallInteger),
    Index("ix_use_week_week", "week", postgresql_include=["account_id", "at", "until", "count", "active_days"]),
)
alias = Table(
    "alias",
    Base.metadata,
    Column("kind", Text, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("canonical_id", Uuid, nullable=False),
    Index("ix_alias_canonical", "kind", "canonical_id"),
)
stream_state = Table(
    "stream_state",
    Base.metadata,
    Column("source", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("seen", BigInteger, nullable=False),  # how many different events
    Column("highest", BigInteger, nullable=False),  # the highest number among them; above `seen` means a gap
    instant("gap_since", nullable=True),
    Index("ix_stream_state_gap", "gap_since", postgresql_where=text("gap_since IS NOT NULL")),
    postgresql_with={"fillfactor": 70},
)

CACHES = (
    *(passage, opportunity_state, place, appointment, movement, customer_span, term, joint_deal),
    *(visit_day, spend_day, use_week, alias),
)
"""Folded from `fact`; read at a past state of knowledge, they are folded into temporary tables of the same shape."""
REPLAYED = (fact, stream_state, *CACHES)
"""What a replay builds anew."""
SWAPPED = passage.name
"""All of them are changed over in one moment: who reads while holding this one sees all of before or all of after."""
