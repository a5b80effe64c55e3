"""What marketing hears from the departments after it: their words in, its own commands out."""

from collections.abc import Sequence
from typing import Any

from services.marketing.commands.follow import About, Holds, hear, hear_of_customer, hold_contract, link
from services.marketing.domain.company_work import WorkKind
from services.marketing.domain.lifecycle import Fact, Milestone
from services.marketing.models import LeadRow
from shared.contracts.base import Dimensions, Event
from shared.contracts.customer_success import ContractStarted, CustomerChurned, CustomerDormant
from shared.contracts.envelope import Meta
from shared.contracts.field_sales import (
    DealLost,
    DealReopened,
    DealWon,
    OpportunityLinked,
    OpportunityOpened,
    SqlReceived,
    SqlReturned,
)
from shared.contracts.inside_sales import FirstContactMade, LeadDropped, MqlAccepted, MqlRejected, SqlAccepted
from shared.database import Transaction
from shared.messaging.inbox import Handler, Handlers


async def prepare(tx: Transaction, events: Sequence[Event]) -> None:
    """Hold the leads a batch tells of."""
    told = [event.lead_id for event in events if isinstance(event, Dimensions)]
    await tx.hold(LeadRow, (lead for lead in told if lead))


def about(event: Dimensions) -> About:
    return About(event.lead_id, event.cycle, event.account_id)


def fact(kind: Milestone, event: Any, meta: Meta) -> Fact:
    """The milestone an event tells; only ends carry a reason and say whether the cycle may come back."""
    opportunity = getattr(event, "opportunity_id", None)
    return Fact(
        kind=kind,
        at=meta.time,
        owner=event.owner,
        opportunity=str(opportunity) if opportunity else None,
        reason=getattr(event, "reason", None),
        recyclable=getattr(event, "recyclable", False),
        revisit_on=getattr(event, "revisit_on", None),
    )


def of_inside_sales(kind: Milestone, *, ends: bool = False, claims: bool = True) -> Handler:
    async def handler(tx: Transaction, event: Any, meta: Meta) -> None:
        claim = Holds(WorkKind.CLAIMED_LEAD, f"{event.lead_id}/{event.cycle}", ends)
        await hear(tx, about(event), fact(kind, event, meta), [claim] if claims else [])

    return handler


def of_field_sales(kind: Milestone, *, ends: bool = False) -> Handler:
    async def handler(tx: Transaction, event: Any, meta: Meta) -> None:
        works = [Holds(WorkKind.OPPORTUNITY, event.opportunity_id, ends)] if event.opportunity_id else []
        await hear(tx, about(event), fact(kind, event, meta), works)

    return handler


async def on_sql_accepted(tx: Transaction, event: SqlAccepted, meta: Meta) -> None:
    """The claimed lead becomes an opportunity on offer."""
    works = [Holds(WorkKind.CLAIMED_LEAD, f"{event.lead_id}/{event.cycle}", ends=True)]
    if event.opportunity_id:
        works.append(Holds(WorkKind.OPPORTUNITY, event.opportunity_id))
    await hear(tx, about(event), fact(Milestone.SQL, event, meta), works)


async def on_opportunity_linked(tx: Transaction, event: OpportunityLinked, meta: Meta) -> None:
    await link(tx, str(event.opportunity_id), about(event))


async def on_contract_started(tx: Transaction, event: ContractStarted, meta: Meta) -> None:
    await hold_contract(tx, str(event.contract_id), about(event), event.owner, meta.time)


async def on_customer_churned(tx: Transaction, event: CustomerChurned, meta: Meta) -> None:
    await hear_of_customer(tx, about(event), fact(Milestone.CHURNED, event, meta), leaves=True)


async def on_customer_dormant(tx: Transaction, event: CustomerDormant, meta: Meta) -> None:
    await hear_of_customer(tx, about(event), fact(Milestone.DORMANT, event, meta), leaves=False)


HANDLERS: Handlers = {
    FirstContactMade: of_inside_sales(Milestone.CONTACTED, claims=False),
    MqlAccepted: of_inside_sales(Milestone.ACCEPTED),
    MqlRejected: of_inside_sales(Milestone.REJECTED, ends=True),
    LeadDropped: of_inside_sales(Milestone.DROPPED, ends=True),
    SqlAccepted: on_sql_accepted,
    SqlReceived: of_field_sales(Milestone.SQL),
    OpportunityOpened: of_field_sales(Milestone.OPPORTUNITY),
    OpportunityLinked: on_opportunity_linked,
    SqlReturned: of_field_sales(Milestone.RETURNED, ends=True),
    DealWon: of_field_sales(Milestone.WON, ends=True),
    DealLost: of_field_sales(Milestone.LOST, ends=True),
    DealReopened: of_field_sales(Milestone.REOPENED),
    ContractStarted: on_contract_started,
    CustomerChurned: on_customer_churned,
    CustomerDormant: on_customer_dormant,
}
