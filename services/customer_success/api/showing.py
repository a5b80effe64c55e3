"""Rows as answers."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from services.customer_success.models import (
    ContractRow,
    CustomerRow,
    OnboardingTaskRow,
    PromiseRow,
    PulseRow,
    SignalRow,
    TicketRow,
)
from services.customer_success.queries import customers as queries
from services.customer_success.queries.contracts import Due, History
from services.customer_success.queries.customers import Beside
from services.customer_success.schemas.activity import TicketOut
from services.customer_success.schemas.contracts import ContractOut, HistoryOut, RenewalOut
from services.customer_success.schemas.customers import (
    CustomerDetail,
    CustomerOut,
    OnboardingOut,
    PromiseOut,
    PulseOut,
    SignalOut,
    TaskOut,
)
from services.customer_success.settings import company_day
from shared.auth import Role, User
from shared.http.bodies import money_of
from shared.money import Money

A = TypeVar("A", bound=BaseModel)
WORK_WITH_PEOPLE = frozenset({Role.CUSTOMER_SUCCESS, Role.FIELD_SALES, Role.PRODUCT, Role.ADMIN})


def readable(out: A, who: User) -> A:
    """The answer without what a person wrote or said, for those whose work is not with people."""
    hidden: tuple[str, ...] = getattr(out, "personal", ())
    return out if WORK_WITH_PEOPLE & who.roles else out.model_copy(update=dict.fromkeys(hidden))


def columns(row: Any) -> dict[str, Any]:
    """The row's own columns."""
    return {column.key: getattr(row, column.key) for column in row.__mapper__.column_attrs}


def _customer(row: CustomerRow, part: Beside) -> dict[str, Any]:
    health = part.health
    return {
        **columns(row),
        "account_id": row.id,
        "mrr": [Money(amount=amount, currency=currency) for currency, amount in sorted(part.mrr.items())],
        "contracts": part.contracts,
        "renewal_on": part.renewal_on,
        "health": {
            "score": health.score if health else None,
            "band": health.band if health else "unknown",
            "coverage": health.coverage if health else 0.0,
        },
        "risk": {"since": part.risk.raised_at, "reasons": part.risk.reasons} if part.risk else None,
        "merged_into": part.merged_into,
    }


async def customer_list(session: AsyncSession, rows: Sequence[CustomerRow]) -> list[CustomerOut]:
    parts = await queries.beside(session, [row.id for row in rows])
    return [CustomerOut.model_validate(_customer(row, parts[row.id])) for row in rows]


async def customer_detail(session: AsyncSession, row: CustomerRow, who: User, now: datetime) -> CustomerDetail:
    part = (await queries.beside(session, [row.id]))[row.id]
    promises = [promise(found, who) for found in await queries.promises(session, row.id)]
    return CustomerDetail.model_validate(
        {
            **_customer(row, part),
            "onboarding": onboarding(row, await queries.tasks(session, row), who, now),
            "promises": promises,
            "contract_ids": await queries.contract_ids(session, row.id),
        }
    )


def onboarding(row: CustomerRow, tasks: Sequence[OnboardingTaskRow], who: User, now: datetime) -> OnboardingOut:
    today = company_day(now)
    return OnboardingOut(
        customer_id=row.id,
        round=row.onboarding_round,
        completed_at=row.onboarded_at if tasks else None,
        tasks=[_task(task, who, today) for task in tasks],
    )


def _task(task: OnboardingTaskRow, who: User, today: date) -> TaskOut:
    return readable(TaskOut.model_validate({**columns(task), "overdue": _overdue(task, today)}), who)


def promise(row: PromiseRow, who: User) -> PromiseOut:
    return readable(PromiseOut.model_validate(row), who)


def pulse(row: PulseRow, who: User) -> PulseOut:
    return readable(PulseOut.model_validate(row), who)


def signal(row: SignalRow, who: User) -> SignalOut:
    return readable(SignalOut.model_validate(row), who)


def _overdue(task: OnboardingTaskRow, today: date) -> bool:
    return task.completed_at is None and task.due_on < today


def contract(row: ContractRow) -> ContractOut:
    return ContractOut.model_validate(
        {
            **columns(row),
            "account_id": row.customer_id,
            "mrr": money_of(row.mrr_amount, row.mrr_currency),
            "one_off": money_of(row.one_off_amount, row.one_off_currency),
        }
    )


def history(row: ContractRow, found: History) -> HistoryOut:
    currency = row.mrr_currency
    return HistoryOut.model_validate(
        {
            "contract_id": row.id,
            "steps": [{**columns(step), "mrr": money_of(step.mrr_amount, currency)} for step in found.steps],
            "movements": [{**columns(move), "amount": money_of(move.amount, currency)} for move in found.movements],
            "revisions": [columns(revision) for revision in found.revisions],
        }
    )


def renewal(due: Due, today: date) -> RenewalOut:
    row = due.contract
    return RenewalOut.model_validate(
        {
            **columns(row),
            "contract_id": row.id,
            "customer_name": due.customer.name,
            "days_left": (row.renewal_on - today).days if row.renewal_on else 0,
            "mrr": money_of(row.mrr_amount, row.mrr_currency),
            "band": due.band,
            "at_risk": due.at_risk,
        }
    )


def ticket(row: TicketRow, who: User) -> TicketOut:
    told = {**columns(row), "account_id": row.customer_id, "waits_for": row.link}
    return readable(TicketOut.model_validate(told), who)
