"""What other departments tell, in inside sales' own words."""

from collections.abc import Sequence
from typing import Any

from services.inside_sales.commands.appointments import follow_appointment
from services.inside_sales.commands.companies import merge_companies, name_company
from services.inside_sales.commands.follow import Fact, follow, link
from services.inside_sales.commands.identity import erase_lead, merge_leads, unmerge_leads
from services.inside_sales.commands.keep_lead import ToldLead, keep_leads
from services.inside_sales.commands.open_prospect import Mql, open_prospect, recycle_prospect, update_prospect
from services.inside_sales.commands.reps import change_capacity
from services.inside_sales.domain.lifecycle import Status
from services.inside_sales.models import AppointmentStatus, OpportunityRow, ProspectRow
from shared import clock
from shared.contracts import marketing as mk
from shared.contracts.base import DIMENSIONS, Dimensions, Event, LeadEvent
from shared.contracts.envelope import Meta
from shared.contracts.field_sales import (
    AppointmentCancelled,
    AppointmentEvent,
    AppointmentHeld,
    AppointmentMissed,
    AppointmentRescheduled,
    CapacityChanged,
    DealLost,
    DealReopened,
    DealWon,
    OpportunityEvent,
    OpportunityLinked,
    OpportunityOpened,
    SqlReceived,
    SqlReturned,
)
from shared.database import Transaction
from shared.messaging.inbox import Handlers, Together

STATUSES: dict[type[OpportunityEvent], Status] = {
    SqlReceived: Status.HANDED_OVER,
    OpportunityOpened: Status.OPENED,
    SqlReturned: Status.RETURNED,
    DealWon: Status.WON,
    DealLost: Status.LOST,
    DealReopened: Status.OPENED,
}
APPOINTMENTS: dict[type[AppointmentEvent], AppointmentStatus] = {
    AppointmentHeld: AppointmentStatus.HELD,
    AppointmentRescheduled: AppointmentStatus.SET,
    AppointmentMissed: AppointmentStatus.MISSED,
    AppointmentCancelled: AppointmentStatus.CANCELLED,
}


async def prepare(tx: Transaction, events: Sequence[Event]) -> None:
    """Hold the prospects and the opportunities a batch tells of."""
    work = [event for event in events if isinstance(event, LeadEvent) and not isinstance(event, mk.LeadCreated)]
    deals = [event for event in events if isinstance(event, OpportunityEvent)]
    await tx.hold(ProspectRow, (event.lead_id for event in [*work, *deals] if event.lead_id))
    await tx.hold(OpportunityRow, (event.opportunity_id for event in deals if event.opportunity_id))


def _dimensions(event: Dimensions) -> dict[str, Any]:
    return {name: getattr(event, name) for name in ("external_id", "account_id", *DIMENSIONS)}


async def on_mql_created(tx: Transaction, event: mk.MqlCreated, meta: Meta) -> None:
    mql = Mql(
        lead_id=event.lead_id,
        cycle=event.cycle,
        journey=meta.key,
        dimensions=_dimensions(event),
        score=event.score,
        fit=event.fit,
        engagement=event.engagement,
        declared=event.declared,
        at=meta.time,
        recorded=meta.recorded,
    )
    await open_prospect(tx, mql)


async def on_leads_created(tx: Transaction, told: Sequence[tuple[LeadEvent, Meta]]) -> None:
    """No work of inside sales yet; files may speak of the leads."""
    leads = [ToldLead(event.lead_id, event.cycle, meta.key, _dimensions(event), meta) for event, meta in told]
    await keep_leads(tx, leads, clock.utc_now())


async def on_lead_recycled(tx: Transaction, event: mk.LeadRecycled, meta: Meta) -> None:
    await on_leads_created(tx, [(event, meta)])
    await recycle_prospect(
        tx,
        event.lead_id,
        event.cycle,
        journey=meta.key,
        dimensions=_dimensions(event),
        cycle_source=event.cycle_source,
        previous_ref=event.previous_ref,
        revisit_on=event.revisit_on,
    )


async def on_lead_updated(tx: Transaction, event: mk.LeadUpdated, meta: Meta) -> None:
    await on_leads_created(tx, [(event, meta)])
    await update_prospect(tx, event.lead_id, _dimensions(event))


async def on_lead_merged(tx: Transaction, event: mk.LeadMerged, _: Meta) -> None:
    await merge_leads(tx, event.lead_id, event.merged_lead_id)


async def on_lead_unmerged(tx: Transaction, event: mk.LeadUnmerged, _: Meta) -> None:
    await unmerge_leads(tx, event.merged_lead_id)


async def on_lead_erased(tx: Transaction, event: mk.LeadErased, _: Meta) -> None:
    await erase_lead(tx, event.lead_id)


async def on_account_created(tx: Transaction, event: mk.AccountCreated, _: Meta) -> None:
    await name_company(tx, event.account_id, event.account_name)


async def on_account_merged(tx: Transaction, event: mk.AccountMerged, _: Meta) -> None:
    await merge_companies(tx, event.account_id, event.merged_account_id)


async def on_opportunity(tx: Transaction, event: OpportunityEvent, meta: Meta) -> None:
    fact = Fact(
        status=STATUSES[type(event)],
        at=meta.time if getattr(event, "dated", True) else None,
        opportunity_id=event.opportunity_id,
        lead_id=event.lead_id,
        cycle=event.cycle,
        origin=getattr(event, "origin", None),
        region=event.region,
        reason=getattr(event, "reason", None),
        recyclable=getattr(event, "recyclable", None),
        revisit_on=getattr(event, "revisit_on", None),
    )
    await follow(tx, fact, clock.utc_now())


async def on_opportunity_linked(tx: Transaction, event: OpportunityLinked, _: Meta) -> None:
    await link(tx, event.opportunity_id, event.lead_id, event.cycle)


async def on_appointment(tx: Transaction, event: AppointmentEvent, _: Meta) -> None:
    await follow_appointment(
        tx,
        appointment_id=event.appointment_id,
        opportunity_id=event.opportunity_id,
        status=APPOINTMENTS[type(event)],
        start_at=getattr(event, "start_at", None),
    )


async def on_capacity_changed(tx: Transaction, event: CapacityChanged, _: Meta) -> None:
    await change_capacity(
        tx, event.rep_id, event.slots_per_week, team=event.team, region=event.region, now=clock.utc_now()
    )


HANDLERS: Handlers = {
    mk.LeadCreated: Together(on_leads_created),
    mk.MqlCreated: on_mql_created,
    mk.LeadRecycled: on_lead_recycled,
    mk.LeadUpdated: on_lead_updated,
    mk.LeadMerged: on_lead_merged,
    mk.LeadUnmerged: on_lead_unmerged,
    mk.LeadErased: on_lead_erased,
    mk.AccountCreated: on_account_created,
    mk.AccountMerged: on_account_merged,
    **dict.fromkeys(STATUSES, on_opportunity),
    OpportunityLinked: on_opportunity_linked,
    **dict.fromkeys(APPOINTMENTS, on_appointment),
    CapacityChanged: on_capacity_changed,
}
