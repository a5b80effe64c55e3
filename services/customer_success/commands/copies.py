"""What other departments told of companies, people and opportunities, as far as customer success needs it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from services.customer_success.commands.customers import is_free, lock_customers
from services.customer_success.commands.ledger import lock_book, note_step, settle_contract
from services.customer_success.commands.waiting import join_waiting
from services.customer_success.domain.timeline import Kind
from services.customer_success.models import (
    AccountRow,
    ContractRow,
    CustomerRow,
    LeadAliasRow,
    PulseRow,
    TicketRow,
)
from shared import clock
from shared.contracts.field_sales import OpportunityOpened, OpportunityUpdated
from shared.contracts.marketing import AccountCreated
from shared.database import Transaction
from shared.forgetting import forget_person
from shared.ids import told_id
from shared.imports.store import forget_values

_ACCOUNT = """
INSERT INTO account AS a (id, external_id, name, industry, segment) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET
    external_id = coalesce(excluded.external_id, a.external_id), name = coalesce(excluded.name, a.name),
    industry = coalesce(excluded.industry, a.industry), segment = coalesce(excluded.segment, a.segment)
"""
_IS_CUSTOMER = "SELECT FROM customer WHERE id = $1"
_ALIAS = "INSERT INTO account (id, merged_into) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_OPPORTUNITY = """
INSERT INTO opportunity AS o (id, account_id, mrr_amount, mrr_currency) VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE SET
    account_id = coalesce(excluded.account_id, o.account_id),
    mrr_amount = coalesce(excluded.mrr_amount, o.mrr_amount),
    mrr_currency = coalesce(excluded.mrr_currency, o.mrr_currency)
"""


async def copy_account(tx: Transaction, event: AccountCreated) -> None:
    """The company's name and own id; a customer of it that has none yet takes them."""
    told = {
        "external_id": event.external_id,
        "name": event.account_name,
        "industry": event.industry,
        "segment": event.segment,
    }
    await tx.fetch(_ACCOUNT, event.account_id, *told.values())
    if event.external_id:
        await _same_company(tx, event.external_id, event.account_id)
    if not await tx.fetch(_IS_CUSTOMER, event.account_id):  # hardly any company is one
        return
    customer = (await lock_customers(tx, [event.account_id]))[event.account_id]
    for name, value in told.items():
        blank = value is not None and getattr(customer, name) is None
        if blank and (name != "external_id" or await is_free(tx, str(value))):
            setattr(customer, name, value)
    await join_waiting(tx, [], [customer], clock.utc_now())


async def _same_company(tx: Transaction, external_id: str, account_id: UUID) -> None:
    """A file that told of the company before marketing did gave it the id that follows from its external one."""
    told = told_id("account", external_id)
    if told != account_id:
        await tx.fetch(_ALIAS, told, account_id)


async def merge_accounts(tx: Transaction, account_id: UUID, merged_account_id: UUID) -> None:
    """Two entries are one company from now on. Both keep their contracts and are read together."""
    for key in (account_id, merged_account_id):
        await tx.session.execute(insert(AccountRow).values(id=key).on_conflict_do_nothing())
    head = await tx.session.scalar(select(AccountRow.merged_into).where(AccountRow.id == account_id)) or account_id
    if head == merged_account_id:
        return
    joined = AccountRow.id == merged_account_id, AccountRow.merged_into == merged_account_id
    for place in joined:
        await tx.session.execute(update(AccountRow).where(place).values(merged_into=head))
    name = await tx.session.scalar(select(AccountRow.name).where(AccountRow.id == head))
    customer = (await lock_customers(tx, [merged_account_id])).get(merged_account_id)
    if customer is not None and name is not None:
        customer.name = name


async def merge_leads(tx: Transaction, lead_id: UUID, merged_lead_id: UUID) -> None:
    """Two leads are one person. Rows keep the lead they came with; whoever asks for one finds both."""
    row = {"merged_lead_id": merged_lead_id, "lead_id": lead_id}
    upsert = insert(LeadAliasRow).values(row)
    await tx.session.execute(upsert.on_conflict_do_update(index_elements=["merged_lead_id"], set_={"lead_id": lead_id}))


async def unmerge_leads(tx: Transaction, merged_lead_id: UUID) -> None:
    await tx.session.execute(delete(LeadAliasRow).where(LeadAliasRow.merged_lead_id == merged_lead_id))


async def erase_lead(tx: Transaction, lead_id: UUID) -> None:
    """Everything personal goes: the caller's id of the person, and what they wrote. Contracts and counts stay."""
    await forget_values(tx.session)
    for row in (CustomerRow, ContractRow):
        await tx.session.execute(
            update(row).where(row.lead_id == lead_id).values(lead_external_id=None, version=row.version + 1)
        )
    texts = {"subject": None, "text": None, "lead_id": None, "version": TicketRow.version + 1}
    await tx.session.execute(update(TicketRow).where(TicketRow.lead_id == lead_id).values(texts))
    await tx.session.execute(update(PulseRow).where(PulseRow.lead_id == lead_id).values(note=None, lead_id=None))
    await forget_person(tx, [lead_id])


async def copy_opportunity(tx: Transaction, event: OpportunityOpened | OpportunityUpdated, at: datetime) -> None:
    """The last amount told. A contract of it that still lacks its MRR takes it."""
    amount, currency = (event.mrr.amount, event.mrr.currency) if event.mrr else (None, None)
    await tx.fetch(_OPPORTUNITY, event.opportunity_id, event.account_id, amount, currency)
    if event.mrr is not None:
        await _fill_mrr(tx, event.opportunity_id, event.mrr.amount, event.mrr.currency, at)


async def _fill_mrr(tx: Transaction, opportunity_id: UUID, amount: int, currency: str, at: datetime) -> None:
    lacking = select(ContractRow.id).where(
        ContractRow.opportunity_id == opportunity_id, ContractRow.mrr_amount.is_(None), ContractRow.status == "active"
    )
    for contract_id in list(await tx.session.scalars(lacking)):
        book = await lock_book(tx, contract_id)
        book.contract.mrr_currency = currency
        now = clock.utc_now()
        note_step(tx, book, Kind.CHANGED, at, by="field_sales", now=now, mrr=amount)
        settle_contract(tx, book, now)


async def link_lead(tx: Transaction, opportunity_id: UUID, lead_id: UUID, cycle: int) -> None:
    """The lead behind a deal became known after all."""
    for row in (CustomerRow, ContractRow):
        mine = update(row).where(row.opportunity_id == opportunity_id, row.lead_id.is_(None))
        await tx.session.execute(mine.values(lead_id=lead_id, cycle=cycle, version=row.version + 1))
