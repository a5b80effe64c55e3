"""Customers as a set: made when first heard of, locked in one order, settled after their contracts moved.

Settling decides what follows for the customer from the times it was under contract: whether it was taken over, since
when it has no contract, what state it is in.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert

from services.customer_success.commands.risk import clear_alarm
from services.customer_success.domain.contracts import Status
from services.customer_success.domain.timeline import Kind, Span, Step, timeline, without_contract
from services.customer_success.models import AccountRow, ChurnRow, ContractRow, CustomerRow, HealthRow, StepRow
from shared import clock, instruments
from shared.contracts.customer_success import CustomerAccepted, CustomerChurned
from shared.database import Transaction

entered = instruments.entries.labels("customer_success")  # 0 from the start: a first one counts as an increase


async def ensure_customers(tx: Transaction, wanted: Mapping[UUID, Mapping[str, Any]]) -> dict[UUID, CustomerRow]:
    """The customers of these accounts, locked; who was not known is made with the values given."""
    known = await lock_customers(tx, wanted)
    missing = sorted(wanted.keys() - known.keys())
    if not missing:
        return known
    now = clock.utc_now()
    fixed = {"version": 1, "created_at": now, "updated_at": now, "status": "scheduled", "onboarding_round": 0}
    rows = [{"id": key, "journey": str(key), "unsettled": False, **fixed, **wanted[key]} for key in missing]
    for batch in _alike(rows):
        await tx.session.execute(insert(CustomerRow).on_conflict_do_nothing(), batch)
    made = await lock_customers(tx, missing)
    if health := [{"customer_id": key} | _UNJUDGED for key in sorted(made)]:
        await tx.session.execute(insert(HealthRow).on_conflict_do_nothing(), health)
    return known | made


_UNJUDGED = {
    "band": "unknown",
    "coverage": 0.0,
    "reasons": [],
    "inputs": {},
    "formula_version": 0,
    "told_band": "unknown",
    "stale": True,
}


def _alike(rows: Sequence[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    """Rows with the same columns together: one statement each."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[tuple(sorted(row))].append(row)
    return groups.values()


async def lock_customers(tx: Transaction, ids: Iterable[UUID]) -> dict[UUID, CustomerRow]:
    keys = sorted(ids)
    if not keys:
        return {}
    query = select(CustomerRow).where(CustomerRow.id.in_(keys)).order_by(CustomerRow.id)
    locked = query.with_for_update().execution_options(populate_existing=True)
    return {row.id: row for row in await tx.session.scalars(locked)}


async def is_free(tx: Transaction, external_id: str) -> bool:
    """No customer goes by it."""
    return await tx.session.scalar(select(CustomerRow.id).where(CustomerRow.external_id == external_id)) is None


def accept(
    tx: Transaction, customer: CustomerRow, *, at: datetime, contract: ContractRow | None = None, live: bool
) -> None:
    """Announce that the customer was taken over, with the contract of the deal where it came from one."""
    row = contract or customer
    event = CustomerAccepted(
        account_id=customer.id,
        account_external_id=customer.external_id,
        opportunity_id=row.opportunity_id,
        **row.dimensions(),
    )
    tx.announce(event, journey=row.journey, at=at)
    customer.accepted_at = customer.accepted_at or at
    if live:
        tx.after_commit(entered.inc)


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a contract ended, for the churn that may follow from it."""

    contract: ContractRow
    span: Span


async def settle_customers(tx: Transaction, customers: Mapping[UUID, CustomerRow], now: datetime) -> None:
    """Announce what follows for these customers, who are locked; a merged company is one customer in this."""
    await tx.session.flush()
    groups = await _groups(tx, customers)
    lives = await _lives(tx, {key for group in groups.values() for key in group}, now)
    told = defaultdict(set)
    query = select(ChurnRow.customer_id, ChurnRow.at).where(ChurnRow.customer_id.in_(lives))
    for key, at in await tx.session.execute(query):
        told[key].add(at)
    for key, customer in customers.items():
        spans = [life for member in groups[key] for life in lives[member]]
        _settle(tx, customer, lives[key], spans, told[key], now)
        await _follow_up(tx, customer, now)
        customer.unsettled = False


async def _groups(tx: Transaction, ids: Iterable[UUID]) -> dict[UUID, list[UUID]]:
    """For each customer all accounts that are the same company, itself included."""
    keys = list(ids)
    own = select(func.coalesce(AccountRow.merged_into, AccountRow.id)).where(AccountRow.id.in_(keys)).scalar_subquery()
    query = select(AccountRow.id, AccountRow.merged_into).where(
        or_(AccountRow.id.in_(own), AccountRow.merged_into.in_(own))
    )
    heads = {key: head or key for key, head in (await tx.session.execute(query))}
    members: dict[UUID, list[UUID]] = defaultdict(list)
    for key, head in heads.items():
        members[head].append(key)
    return {key: members.get(heads.get(key, key), [key]) for key in keys}


async def _lives(tx: Transaction, ids: set[UUID], now: datetime) -> dict[UUID, list[_Ended]]:
    """Every time under contract of each customer, with the contract."""
    contracts = select(ContractRow).where(ContractRow.customer_id.in_(ids), ContractRow.status != Status.VOID)
    rows = {row.id: row for row in await tx.session.scalars(contracts)}
    steps: dict[UUID, list[Step]] = defaultdict(list)
    query = select(StepRow.contract_id, StepRow.at, StepRow.kind, StepRow.reason)
    in_force = StepRow.contract_id.in_(rows), StepRow.superseded_at.is_(None)
    for contract_id, at, kind, reason in await tx.session.execute(query.where(*in_force)):
        steps[contract_id].append(Step(at, Kind(kind), None, reason))
    found: dict[UUID, list[_Ended]] = {key: [] for key in ids}
    for contract_id, row in rows.items():
        for span in timeline(steps[contract_id], now + clock.FUTURE_TOLERANCE).spans:
            found[row.customer_id].append(_Ended(row, span))
    return found


def _settle(
    tx: Transaction,
    customer: CustomerRow,
    own: Sequence[_Ended],
    company: Sequence[_Ended],
    told: set[datetime],
    now: datetime,
) -> None:
    spans = [life.span for life in own]
    if spans and customer.accepted_at is None:
        accept(tx, customer, at=min(span.since for span in spans), live=False)
    ended = {life.span.until: life for life in own if life.span.until}
    gaps = without_contract([life.span for life in company])
    mine = [gap for gap in gaps if gap.since in ended]
    for gap in mine:
        if gap.since not in told:
            _tell_churn(tx, customer, ended[gap.since], gap.since)
    under_contract = any(span.until is None for span in spans)
    last = max((span.until for span in spans if span.until), default=None)
    customer.churned_at = None if under_contract or not spans else last
    customer.churn_reason = (ended[last].span.reason or "unknown") if customer.churned_at and last else None
    if not under_contract:
        customer.dormant_since = None
    customer.status = state_of(customer, under_contract=under_contract, known=bool(spans))


def state_of(customer: CustomerRow, *, under_contract: bool, known: bool) -> str:
    if under_contract:
        if customer.dormant_since:
            return "dormant"
        return "onboarding" if customer.onboarding_round and not customer.onboarded_at else "active"
    return "churned" if known else "scheduled"


def _tell_churn(tx: Transaction, customer: CustomerRow, life: _Ended, at: datetime) -> None:
    contract = life.contract
    reason = life.span.reason or "unknown"
    kind = contract.end_reason_kind
    event = CustomerChurned.model_validate(
        {
            **customer.about(),
            "contract_id": contract.id,
            "reason": reason,
            "reason_kind": kind,
            "recyclable": contract.end_recyclable is not False,
            "revisit_on": contract.revisit_on,
        }
    )
    tx.announce(event, journey=customer.journey, at=at)
    tx.add(ChurnRow(customer_id=customer.id, at=at, contract_id=contract.id, reason=reason, reason_kind=kind))


async def _follow_up(tx: Transaction, customer: CustomerRow, now: datetime) -> None:
    """A customer without a contract is in no danger any more, and a void one never was one."""
    if customer.status == "churned":
        await clear_alarm(tx, customer, now)
    elif customer.status == "scheduled":
        known = select(ContractRow.status).where(ContractRow.customer_id == customer.id)
        states = set(await tx.session.scalars(known))
        if states == {Status.VOID}:
            customer.status = "void"
            await clear_alarm(tx, customer, now)
