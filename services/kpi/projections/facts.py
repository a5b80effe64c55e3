"""A fact as the folds see it, and the types of facts each of them listens to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

LEAD_CREATED = "marketing.lead_created.v1"
LEAD_UPDATED = "marketing.lead_updated.v1"
LEAD_RECYCLED = "marketing.lead_recycled.v1"
MQL_CREATED = "marketing.mql_created.v1"
FIRST_CONTACT_MADE = "inside_sales.first_contact_made.v1"
MQL_ACCEPTED = "inside_sales.mql_accepted.v1"
MQL_REJECTED = "inside_sales.mql_rejected.v1"
SQL_ACCEPTED = "inside_sales.sql_accepted.v1"
LEAD_DROPPED = "inside_sales.lead_dropped.v1"
SQL_RECEIVED = "field_sales.sql_received.v1"
SQL_RETURNED = "field_sales.sql_returned.v1"
OPPORTUNITY_OPENED = "field_sales.opportunity_opened.v1"
OPPORTUNITY_UPDATED = "field_sales.opportunity_updated.v1"
OPPORTUNITY_LINKED = "field_sales.opportunity_linked.v1"
DEAL_WON = "field_sales.deal_won.v1"
DEAL_LOST = "field_sales.deal_lost.v1"
DEAL_REOPENED = "field_sales.deal_reopened.v1"
APPOINTMENT_SET = "inside_sales.appointment_set.v1"
CAPACITY_CHANGED = "field_sales.capacity_changed.v1"
APPOINTMENT_HELD = "field_sales.appointment_held.v1"
APPOINTMENT_MISSED = "field_sales.appointment_missed.v1"
APPOINTMENT_CANCELLED = "field_sales.appointment_cancelled.v1"
APPOINTMENT_RESCHEDULED = "field_sales.appointment_rescheduled.v1"
CONTRACT_STARTED = "customer_success.contract_started.v1"
CONTRACT_RENEWED = "customer_success.contract_renewed.v1"
SUBSCRIPTION_CHANGED = "customer_success.subscription_changed.v1"
CUSTOMER_ACCEPTED = "customer_success.customer_accepted.v1"
USAGE_SUMMARISED = "customer_success.usage_summarised.v1"
ONBOARDING_COMPLETED = "customer_success.onboarding_completed.v1"
LEAD_MERGED = "marketing.lead_merged.v1"
LEAD_UNMERGED = "marketing.lead_unmerged.v1"
ACCOUNT_MERGED = "marketing.account_merged.v1"
LEAD_ERASED = "marketing.lead_erased.v1"
VISITS_RECORDED = "marketing.visits_recorded.v1"
SPEND_RECORDED = "marketing.spend_recorded.v1"

APPOINTMENT_TYPES = frozenset(
    {APPOINTMENT_SET, APPOINTMENT_HELD, APPOINTMENT_MISSED, APPOINTMENT_CANCELLED, APPOINTMENT_RESCHEDULED}
)
"""What is told of first meetings. A way goes on by none of it."""

JOURNEY_TYPES = APPOINTMENT_TYPES | frozenset(
    {
        *(LEAD_CREATED, LEAD_UPDATED, LEAD_RECYCLED, MQL_CREATED, FIRST_CONTACT_MADE, MQL_ACCEPTED, MQL_REJECTED),
        *(SQL_ACCEPTED, LEAD_DROPPED, SQL_RECEIVED, SQL_RETURNED, OPPORTUNITY_OPENED, OPPORTUNITY_UPDATED),
        *(OPPORTUNITY_LINKED, DEAL_WON, DEAL_LOST, DEAL_REOPENED, CONTRACT_STARTED, CUSTOMER_ACCEPTED),
    }
)
"""What a person's way, their opportunities and appointments are folded from. Contracts say which company a deal was won
with.
"""

TERM_TYPES = frozenset({CONTRACT_STARTED, CONTRACT_RENEWED})
"""What tells when a contract falls due. A renewal says nothing else: a change of MRR is told apart."""

ACCOUNT_TYPES = TERM_TYPES | {SUBSCRIPTION_CHANGED, CUSTOMER_ACCEPTED, ONBOARDING_COMPLETED}
"""What a customer is folded from, beside the deals won with it."""

MERGE_TYPES = frozenset({LEAD_MERGED, LEAD_UNMERGED, ACCOUNT_MERGED})
DAY_TYPES, WEEK_TYPES = frozenset({VISITS_RECORDED, SPEND_RECORDED}), frozenset({USAGE_SUMMARISED})
SUM_TYPES = DAY_TYPES | WEEK_TYPES
"""What is told in sums, of a day or a week. `reference` says of which; the last told holds."""


class Amount(NamedTuple):
    """Minor units of a currency."""

    amount: int
    currency: str


@dataclass(slots=True, eq=False)
class Fact:
    """One event, once; never changed. `dimensions` holds only what it told; `mrr` is also a change of MRR."""

    id: UUID
    type: str
    occurred_at: datetime
    recorded_at: datetime
    sequence: int = 1
    publisher: str = ""
    source: str = ""
    stream: str = ""
    lead_id: UUID | None = None
    cycle: int | None = None
    account_id: UUID | None = None
    opportunity_id: UUID | None = None
    contract_id: UUID | None = None
    reference: str | None = None
    dimensions: Mapping[str, str] = field(default_factory=dict)
    mrr: Amount | None = None
    amount: Amount | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.publisher = self.publisher or self.type.partition(".")[0]

    @property
    def order(self) -> tuple[datetime, datetime, int, int]:
        """The one order every fold sees facts in, whatever order they came in."""
        return self.occurred_at, self.recorded_at, self.sequence, self.id.int


def in_order(facts: Iterable[Fact]) -> Sequence[Fact]:
    """Each fact once, in the folds' order."""
    return sorted({fact.id: fact for fact in facts}.values(), key=attrgetter("order"))
