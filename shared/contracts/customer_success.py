"""What customer success tells: customers taken over, contracts and their changes, use, satisfaction, risk, churn."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.base import Code, Dimensions
from shared.contracts.feedback import FeedbackGivenBase, FeedbackUpdatedBase
from shared.money import Money


class CustomerEvent(Dimensions):
    """An event of one customer, which is an account under contract."""

    about: ClassVar[str] = "account"
    account_id: UUID
    account_external_id: str | None = None


class ContractEvent(CustomerEvent):
    about: ClassVar[str] = "contract"
    contract_id: UUID


class CustomerAccepted(CustomerEvent):
    """Customer success took the customer over from field sales."""

    type: ClassVar[str] = "customer_success.customer_accepted.v1"
    opportunity_id: UUID | None = None


class ContractStarted(ContractEvent):
    """A contract opened with this MRR: customer success restates what field sales told, and this wins."""

    type: ClassVar[str] = "customer_success.contract_started.v1"
    opening_key: str = Field(description="the opportunity's id where the contract came from a deal, else its own")
    mrr: Money
    starts_on: date
    ends_on: date | None = None
    renewal_on: date | None = None
    term_months: int | None = Field(None, ge=1)
    billing_starts_on: date | None = None
    plan: str | None = None
    seats: int | None = Field(None, ge=0)
    trial: bool = False


class SubscriptionChanged(CustomerEvent):
    """A contract's MRR went up or down by this much: customer success says so. It never names the movement."""

    type: ClassVar[str] = "customer_success.subscription_changed.v1"
    contract_id: UUID | None = None
    delta: Money
    reason: Code | None = None


class ContractRenewed(ContractEvent):
    """A contract was renewed for another term: customer success says so. A change of MRR is told apart."""

    type: ClassVar[str] = "customer_success.contract_renewed.v1"
    renewal_on: date | None = Field(None, description="when the new term falls due")
    term_months: int | None = Field(None, ge=1)


class CustomerChurned(CustomerEvent):
    """The customer has no contract any more: customer success says why."""

    type: ClassVar[str] = "customer_success.customer_churned.v1"
    contract_id: UUID | None = None
    reason: Code
    reason_kind: Literal["cancellation", "non_renewal"] | None = None
    recyclable: bool = True
    revisit_on: date | None = None


class CustomerDormant(CustomerEvent):
    """A customer has gone quiet: customer success says so, and marketing may approach them anew."""

    type: ClassVar[str] = "customer_success.customer_dormant.v1"
    quiet_since: date | None = None
    recyclable: bool = True
    revisit_on: date | None = None


class OnboardingCompleted(CustomerEvent):
    """The customer's onboarding is done: customer success says so."""

    type: ClassVar[str] = "customer_success.onboarding_completed.v1"


class UsageSummarised(CustomerEvent):
    """How much a customer used the product in one ISO week: customer success added it up."""

    type: ClassVar[str] = "customer_success.usage_summarised.v1"
    week: date = Field(description="the Monday the week begins with")
    count: int = Field(ge=0)
    seconds: int = Field(0, ge=0)
    errors: int = Field(0, ge=0)
    features: int = Field(0, ge=0, description="how many different features")
    active_days: int = Field(0, ge=0, le=7)


class PulseRecorded(CustomerEvent):
    """Someone at the customer, or the customer success manager, gave a score: customer success noted it."""

    type: ClassVar[str] = "customer_success.pulse_recorded.v1"
    kind: Literal["nps", "csat", "csm"]
    score: int
    respondent_role: Code | None = None


class TicketOpened(CustomerEvent):
    """The customer asked for help or complained: customer success opened a ticket."""

    type: ClassVar[str] = "customer_success.ticket_opened.v1"
    ticket_id: UUID
    priority: Code | None = None
    kind: Code | None = None


class TicketClosed(CustomerEvent):
    """A ticket was solved: customer success closed it."""

    type: ClassVar[str] = "customer_success.ticket_closed.v1"
    ticket_id: UUID
    satisfaction: int | None = None


class HealthReason(BaseModel):
    """One input's part in a health score: points against the baseline."""

    model_config = ConfigDict(frozen=True)

    input: Code
    contribution: float


class HealthChanged(CustomerEvent):
    """A customer's health score moved to another value: customer success computed it, with its reasons."""

    type: ClassVar[str] = "customer_success.health_changed.v1"
    score: float | None = Field(None, description="0 to 100; absent where too little is known")
    band: Literal["healthy", "watch", "risk", "unknown"]
    coverage: float = Field(ge=0, le=1, description="the share of the weights that had an input")
    reasons: tuple[HealthReason, ...] = ()
    formula_version: int = 1


class ChurnRiskRaised(CustomerEvent):
    """A customer is in danger of leaving: customer success raised the alarm."""

    type: ClassVar[str] = "customer_success.churn_risk_raised.v1"
    reasons: tuple[Code, ...] = ()


class ChurnRiskCleared(CustomerEvent):
    """The danger is over: customer success cleared the alarm."""

    type: ClassVar[str] = "customer_success.churn_risk_cleared.v1"


class PromiseReviewed(CustomerEvent):
    """Customer success asked whether a promise of the seller was kept."""

    type: ClassVar[str] = "customer_success.promise_reviewed.v1"
    number: int = Field(ge=1)
    kept: Literal["yes", "partly", "no"]
    opportunity_id: UUID | None = None


class FeedbackGiven(FeedbackGivenBase):
    """Customer success, or the product team it keeps the box of, gave another department feedback."""

    type: ClassVar[str] = "customer_success.feedback_given.v1"


class FeedbackUpdated(FeedbackUpdatedBase):
    """Customer success, or the product team, moved a feedback item on."""

    type: ClassVar[str] = "customer_success.feedback_updated.v1"
