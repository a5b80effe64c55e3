"""Foreign word in, own command out."""

from services.customer_success.commands.accept_customer import accept_customer
from services.customer_success.commands.copies import (
    copy_account,
    copy_opportunity,
    erase_lead,
    link_lead,
    merge_accounts,
    merge_leads,
    unmerge_leads,
)
from services.customer_success.commands.void_contract import void_contract
from shared.contracts.envelope import Meta
from shared.contracts.field_sales import (
    DealReopened,
    DealWon,
    OpportunityLinked,
    OpportunityOpened,
    OpportunityUpdated,
)
from shared.contracts.marketing import AccountCreated, AccountMerged, LeadErased, LeadMerged, LeadUnmerged
from shared.database import Transaction
from shared.messaging.inbox import Handlers


async def on_account_created(tx: Transaction, event: AccountCreated, _: Meta) -> None:
    await copy_account(tx, event)


async def on_account_merged(tx: Transaction, event: AccountMerged, _: Meta) -> None:
    await merge_accounts(tx, event.account_id, event.merged_account_id)


async def on_lead_merged(tx: Transaction, event: LeadMerged, _: Meta) -> None:
    await merge_leads(tx, event.lead_id, event.merged_lead_id)


async def on_lead_unmerged(tx: Transaction, event: LeadUnmerged, _: Meta) -> None:
    await unmerge_leads(tx, event.merged_lead_id)


async def on_lead_erased(tx: Transaction, event: LeadErased, _: Meta) -> None:
    await erase_lead(tx, event.lead_id)


async def on_opportunity_opened(tx: Transaction, event: OpportunityOpened, meta: Meta) -> None:
    await copy_opportunity(tx, event, meta.time)


async def on_opportunity_updated(tx: Transaction, event: OpportunityUpdated, meta: Meta) -> None:
    await copy_opportunity(tx, event, meta.time)


async def on_opportunity_linked(tx: Transaction, event: OpportunityLinked, _: Meta) -> None:
    await link_lead(tx, event.opportunity_id, event.lead_id, event.cycle)


async def on_deal_won(tx: Transaction, event: DealWon, meta: Meta) -> None:
    await accept_customer(tx, event, meta)


async def on_deal_reopened(tx: Transaction, event: DealReopened, meta: Meta) -> None:
    await void_contract(tx, event.opportunity_id, meta.time)


HANDLERS: Handlers = {
    AccountCreated: on_account_created,
    AccountMerged: on_account_merged,
    LeadMerged: on_lead_merged,
    LeadUnmerged: on_lead_unmerged,
    LeadErased: on_lead_erased,
    OpportunityOpened: on_opportunity_opened,
    OpportunityUpdated: on_opportunity_updated,
    OpportunityLinked: on_opportunity_linked,
    DealWon: on_deal_won,
    DealReopened: on_deal_reopened,
}
