"""Other departments' words in, field sales' own acts out."""

from collections.abc import Sequence

from sqlalchemy import update

from services.field_sales.commands.keep_leads import (
    erase_lead,
    keep_account,
    keep_leads,
    merge_leads,
    unmerge_leads,
)
from services.field_sales.commands.offer_sql import book_appointment, offer_sql
from services.field_sales.models import AccountRow, LeadRow, OpportunityRow, PromiseRow
from shared import clock
from shared.contracts.base import Event, LeadEvent
from shared.contracts.customer_success import PromiseReviewed
from shared.contracts.envelope import Meta
from shared.contracts.inside_sales import AppointmentSet, SqlAccepted
from shared.contracts.marketing import (
    AccountCreated,
    LeadCreated,
    LeadErased,
    LeadMerged,
    LeadRecycled,
    LeadUnmerged,
    LeadUpdated,
)
from shared.database import Transaction
from shared.messaging.inbox import Handlers, Together


async def prepare(tx: Transaction, events: Sequence[Event]) -> None:
    """Hold the copies of leads and companies and the opportunities a batch tells of."""
    await tx.hold(LeadRow, (event.lead_id for event in events if isinstance(event, SqlAccepted)))
    await tx.hold(AccountRow, (event.account_id for event in events if isinstance(event, AccountCreated)))
    sqls = [event.opportunity_id for event in events if isinstance(event, SqlAccepted | AppointmentSet)]
    await tx.hold(OpportunityRow, (opportunity for opportunity in sqls if opportunity))


async def on_sql_accepted(tx: Transaction, event: SqlAccepted, meta: Meta) -> None:
    await offer_sql(tx, event, journey=meta.key, at=meta.time, now=clock.utc_now())


async def on_appointment_set(tx: Transaction, event: AppointmentSet, meta: Meta) -> None:
    await book_appointment(tx, event, at=meta.time, now=clock.utc_now())


async def on_leads_told(tx: Transaction, told: Sequence[tuple[LeadEvent, Meta]]) -> None:
    await keep_leads(tx, told, clock.utc_now())


async def on_lead_merged(tx: Transaction, event: LeadMerged, _: Meta) -> None:
    await merge_leads(tx, event.lead_id, event.merged_lead_id)


async def on_lead_unmerged(tx: Transaction, event: LeadUnmerged, _: Meta) -> None:
    await unmerge_leads(tx, event.merged_lead_id)


async def on_lead_erased(tx: Transaction, event: LeadErased, meta: Meta) -> None:
    await erase_lead(tx, event.lead_id, at=meta.time)


async def on_account_created(tx: Transaction, event: AccountCreated, _: Meta) -> None:
    if event.account_name is not None:
        await keep_account(tx, event.account_id, event.account_name)


async def on_promise_reviewed(tx: Transaction, event: PromiseReviewed, meta: Meta) -> None:
    """Shown beside the promise, for the one who made it."""
    await tx.session.execute(
        update(PromiseRow)
        .where(PromiseRow.opportunity_id == event.opportunity_id, PromiseRow.number == event.number)
        .values(kept=event.kept, reviewed_at=meta.time)
    )


HANDLERS: Handlers = {
    SqlAccepted: on_sql_accepted,
    AppointmentSet: on_appointment_set,
    LeadCreated: Together(on_leads_told),
    LeadUpdated: Together(on_leads_told),
    LeadRecycled: Together(on_leads_told),
    LeadMerged: on_lead_merged,
    LeadUnmerged: on_lead_unmerged,
    LeadErased: on_lead_erased,
    AccountCreated: on_account_created,
    PromiseReviewed: on_promise_reviewed,
}
