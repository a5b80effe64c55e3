"""What the folds make: rows of the caches. A row that ended keeps its end, so that an earlier moment can be answered.

`at` is inclusive, `until` exclusive; `until` None means it still holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from services.kpi.projections.facts import Amount

FUNNEL = ("lead", "mql", "mql_accepted", "sql", "opportunity", "won", "customer", "onboarded")
"""The milestones that are events of one journey, in the order of the chain."""

BOOKED, LIVE = "booked", "live"


@dataclass(slots=True)
class Passage:
    """An entry into a milestone, or an end of the way (mql_rejected, sql_returned, dropped, lost).

    `outside`: it did not come through the chain. `skipped`: earlier milestones never entered until then.
    `since`: when the opportunity was opened that was closed here. `value`: of an opportunity, MRR and amount.
    """

    milestone: str
    subject: UUID
    ordinal: int
    at: datetime
    until: datetime | None
    event_id: UUID
    lead_id: UUID | None = None
    cycle: int | None = None
    opportunity_id: UUID | None = None
    account_id: UUID | None = None
    outside: bool = False
    skipped: tuple[str, ...] = ()
    cycle_source: str | None = None
    reason: str | None = None
    since: datetime | None = None
    starts_on: date | None = None
    mrr: Amount | None = None
    amount: Amount | None = None
    dimensions: Mapping[str, str] = field(default_factory=dict)
    latest: Mapping[str, str] = field(default_factory=dict)
    stays: Mapping[str, float] | None = None  # of a deal won: for how many seconds it had been open in each phase

    @property
    def customer(self) -> UUID | None:
        """Whom a won deal was won with: the company, or who stands for it while it is not known."""
        return self.account_id or self.lead_id or self.opportunity_id


@dataclass(slots=True)
class OpportunityState:
    """What was known of an opportunity from `at` until something changed. While it is open, it is in its phase since
    `phase_since`."""

    opportunity_id: UUID
    at: datetime
    until: datetime | None
    status: str
    lead_id: UUID | None
    cycle: int | None
    account_id: UUID | None
    origin: str | None
    opened_at: datetime | None
    closed_at: datetime | None
    reopens: int
    phase: str | None
    forecast_category: str | None
    expected_close_date: date | None
    mrr: Amount | None
    amount: Amount | None
    dimensions: Mapping[str, str]
    latest: Mapping[str, str]
    phase_since: datetime | None = None


@dataclass(slots=True)
class Place:
    """Where a lead's cycle is from `at` until it moves on: every cycle is in exactly one place at any moment."""

    lead_id: UUID
    cycle: int
    at: datetime
    until: datetime | None
    place: str
    contacted_at: datetime | None
    revisit_on: date | None
    dimensions: Mapping[str, str]
    latest: Mapping[str, str]


@dataclass(slots=True)
class Movement:
    """A change of an account's MRR, and its name. A deal counts when won (basis `booked`) or when billed (`live`).

    From then `until` the next change the account pays `paid` in that currency.
    """

    account_id: UUID
    basis: str
    at: datetime
    currency: str
    kind: str
    delta: int
    lead_id: UUID | None
    cycle: int | None
    opportunity_id: UUID | None
    dimensions: Mapping[str, str]
    latest: Mapping[str, str]
    paid: int
    until: datetime | None = None


@dataclass(slots=True)
class CustomerSpan:
    """An account was under contract: its MRR was above zero. `opportunity_id` is the deal that made it so."""

    account_id: UUID
    at: datetime
    until: datetime | None
    lead_id: UUID | None
    cycle: int | None
    opportunity_id: UUID | None
    dimensions: Mapping[str, str]
    latest: Mapping[str, str]


@dataclass(slots=True)
class Appointment:
    """What was known of a first meeting from `at` on: when it was to be, how often it was moved, what became of it.

    Once held it is neither missed nor cancelled, whatever else is told.
    """

    opportunity_id: UUID
    appointment_id: UUID
    at: datetime
    until: datetime | None
    start_at: datetime
    held: bool
    missed: bool
    cancelled: bool
    moves: int
    lead_id: UUID | None
    cycle: int | None
    account_id: UUID | None
    dimensions: Mapping[str, str]
    latest: Mapping[str, str]


@dataclass(slots=True)
class Term:
    """A contract's term ends on a day, as told from `at` until the same was told otherwise."""

    account_id: UUID
    contract_id: UUID
    due_on: date
    at: datetime
    until: datetime | None
    term_months: int | None
    cycle: int | None
    dimensions: Mapping[str, str]
    latest: Mapping[str, str]


@dataclass(slots=True)
class DayFigure:
    """Visitors or spend of a day, channel and campaign, as told from `at` until told otherwise."""

    key: str
    day: date
    channel: str
    campaign: str | None
    at: datetime
    until: datetime | None
    figure: int
    currency: str | None


@dataclass(slots=True)
class UsedWeek:
    """How often a customer used the product in a week, and on how many days, as told from `at` until told otherwise."""

    key: str
    account_id: UUID
    week: date
    at: datetime
    until: datetime | None
    count: int
    active_days: int | None


@dataclass(frozen=True, slots=True)
class Alias:
    """`id` is the same person or company as `canonical_id`."""

    kind: str
    id: UUID
    canonical_id: UUID
