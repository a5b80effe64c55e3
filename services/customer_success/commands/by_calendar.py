"""Found by rule: contracts whose day has come, customers still to be settled, customers who went quiet or came back."""

from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select

from services.customer_success.commands.contract_acts import follow_calendar
from services.customer_success.commands.customers import lock_customers, settle_customers, state_of
from services.customer_success.commands.health import UNDER_CONTRACT
from services.customer_success.commands.rules import RULES
from services.customer_success.domain.contracts import Status
from services.customer_success.models import ContractRow, CustomerRow, UsageRow
from services.customer_success.schemas.rules import Dormancy
from services.customer_success.settings import company_day, day_begins
from shared.contracts.customer_success import CustomerDormant
from shared.database import Transaction
from shared.imports.store import OPEN
from shared.imports.tables import ImportJobRow

CHUNK = 200


async def follow_due_contracts(tx: Transaction, now: datetime) -> int:
    """Contracts that begin, end or renew themselves by now."""
    row = ContractRow
    renews = and_(
        row.status == Status.ACTIVE,
        row.auto_renew,
        row.ends_on.is_(None),
        row.term_months.is_not(None),
        row.renewal_on <= company_day(now),
    )
    query = select(row.id).where(or_(row.due_at <= now, renews)).order_by(row.customer_id, row.id).limit(CHUNK)
    ids = list(await tx.session.scalars(query))
    for contract_id in ids:
        await follow_calendar(tx, contract_id, now)
    return len(ids)


async def settle_imported(tx: Transaction, now: datetime) -> int:
    """Customers of imported contracts, once their whole file is in: what looks like a churn in the middle of a file
    may be filled by a later row."""
    job = ImportJobRow
    running = select(job.id).where(job.resource == "contracts", job.status.in_(OPEN), ~job.dry_run).limit(1)
    if await tx.session.scalar(running) is not None:
        return 0
    query = select(CustomerRow.id).where(CustomerRow.unsettled).order_by(CustomerRow.id).limit(CHUNK)
    customers = await lock_customers(tx, await tx.session.scalars(query))
    if customers:
        await settle_customers(tx, customers, now)
    return len(customers)


async def follow_dormancy(tx: Transaction, now: datetime) -> int:
    """Customers under contract who used nothing for so long are told once; who uses something again is awake."""
    quiet_days = (await RULES.in_force(tx.session, Dormancy, now)).rule.quiet_days
    quiet_from = company_day(now) - timedelta(days=quiet_days)
    row = CustomerRow
    last_use = select(func.max(UsageRow.day)).where(UsageRow.customer_id == row.id).correlate(row).scalar_subquery()
    falls_asleep = and_(row.status.in_(UNDER_CONTRACT), row.dormant_since.is_(None), last_use <= quiet_from)
    wakes = and_(row.dormant_since.is_not(None), last_use > quiet_from)
    query = select(row.id, last_use).where(or_(falls_asleep, wakes)).order_by(row.id).limit(CHUNK)
    days = {key: day for key, day in (await tx.session.execute(query))}
    for key, customer in (await lock_customers(tx, days)).items():
        day = days[key]
        if day > quiet_from:
            customer.dormant_since = None
        else:
            customer.dormant_since = day_begins(day)
            tx.announce(CustomerDormant(quiet_since=day, **customer.about()), journey=customer.journey, at=now)
        customer.status = state_of(customer, under_contract=True, known=True)
    return len(days)
