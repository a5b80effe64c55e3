"""What is done with and noted of one customer: onboarding tasks, scores, signals, promises, who looks after them."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.customer_success.commands.customers import state_of
from services.customer_success.commands.health import UNDER_CONTRACT, judge_health
from services.customer_success.commands.waiting import join_waiting
from services.customer_success.domain.calendar import moment
from services.customer_success.models import (
    CustomerRow,
    OnboardingTaskRow,
    PromiseRow,
    PulseRow,
    RevisionRow,
    SignalRow,
)
from shared.contracts.customer_success import OnboardingCompleted, PromiseReviewed, PulseRecorded
from shared.database import Transaction
from shared.errors import NotFound, Refused
from shared.ids import new_id


class NotUnderContract(Refused):
    rule = "not_under_contract"


async def complete_task(
    tx: Transaction, customer_id: UUID, key: str, *, note: str | None, at: datetime | None, by: str, now: datetime
) -> CustomerRow:
    """An onboarding task is done; with the last of them the onboarding is. Done again changes nothing."""
    customer = await tx.lock(CustomerRow, customer_id, retry_after=1)
    query = select(OnboardingTaskRow).where(
        OnboardingTaskRow.customer_id == customer_id, OnboardingTaskRow.round == customer.onboarding_round
    )
    tasks = {task.key: task for task in await tx.session.scalars(query)}
    if key not in tasks:
        there = ", ".join(tasks) or "none"
        raise NotFound(f"This customer has no onboarding task {key}; there is {there}")
    if tasks[key].completed_at is not None:
        return customer
    if customer.status not in UNDER_CONTRACT:
        raise NotUnderContract(f"The customer is {customer.status}")
    task = tasks[key]
    task.completed_at, task.completed_by, task.note = moment(at, now, customer.accepted_at), by, note
    customer.updated_at = now
    done = [task.completed_at for task in tasks.values() if task.completed_at]
    if len(done) == len(tasks):
        customer.onboarded_at = max(done)
        customer.status = state_of(customer, under_contract=True, known=True)
        tx.announce(OnboardingCompleted(**customer.about()), journey=customer.journey, at=customer.onboarded_at)
    await judge_health(tx, [customer.id], now)
    return customer


async def record_pulse(
    tx: Transaction,
    customer_id: UUID,
    *,
    kind: str,
    score: int,
    respondent_role: str | None,
    lead_id: UUID | None,
    note: str | None,
    at: datetime,
    by: str,
    now: datetime,
) -> PulseRow:
    """A score was given. Scores of the past may come late: the latest given holds."""
    customer = await tx.lock(CustomerRow, customer_id, retry_after=1)
    row = PulseRow(id=new_id(), customer_id=customer.id, kind=kind, score=score, respondent_role=respondent_role)
    row.lead_id, row.note, row.at, row.by, row.recorded_at = lead_id, note, at, by, now
    tx.add(row)
    told = {"kind": kind, "score": score, "respondent_role": respondent_role}
    tx.announce(PulseRecorded.model_validate({**customer.about(), **told}), journey=customer.journey, at=at)
    await judge_health(tx, [customer.id], now)
    return row


async def note_signal(
    tx: Transaction,
    customer_id: UUID,
    *,
    kind: str,
    on: date | None,
    note: str | None,
    at: datetime,
    by: str,
    now: datetime,
) -> SignalRow:
    """Something a manager noticed; it stays here and bears on the health."""
    customer = await tx.lock(CustomerRow, customer_id, retry_after=1)
    row = SignalRow(id=new_id(), customer_id=customer.id, kind=kind, on=on, note=note, at=at, by=by, recorded_at=now)
    tx.add(row)
    await judge_health(tx, [customer.id], now)
    return row


async def review_promise(
    tx: Transaction,
    customer_id: UUID,
    number: int,
    *,
    kept: str,
    note: str | None,
    at: datetime | None,
    by: str,
    now: datetime,
) -> PromiseRow:
    """Was it kept? Asked again the answer is replaced, and told again where it changed."""
    customer = await tx.lock(CustomerRow, customer_id, retry_after=1)
    promise = await tx.session.get(PromiseRow, (customer_id, number), with_for_update=True)
    if promise is None:
        raise NotFound(f"This customer has no promise {number}")
    reviewed_at = moment(at, now, promise.reviewed_at or customer.accepted_at)
    changed = promise.kept != kept
    promise.kept, promise.note, promise.reviewed_at, promise.reviewed_by = kept, note, reviewed_at, by
    customer.updated_at = now
    if changed:
        told = {"number": promise.deal_number, "kept": kept, "opportunity_id": promise.opportunity_id}
        event = PromiseReviewed.model_validate({**customer.about(), **told})
        tx.announce(event, journey=customer.journey, at=reviewed_at)
        await judge_health(tx, [customer.id], now)
    return promise


async def amend_customer(
    tx: Transaction, customer_id: UUID, given: Mapping[str, Any], *, by: str, now: datetime
) -> CustomerRow:
    """A merge patch: the fields given, null clears."""
    customer = await tx.lock(CustomerRow, customer_id, retry_after=1)
    changes = {
        name: [getattr(customer, name), value] for name, value in given.items() if getattr(customer, name) != value
    }
    for name, (_, value) in changes.items():
        setattr(customer, name, value)
    if changes:
        tx.add(RevisionRow(id=new_id(), resource_id=customer.id, resource="customer", at=now, by=by, changes=changes))
    if "external_id" in changes:
        await join_waiting(tx, [], [customer], now)
    if "segment" in changes:
        await judge_health(tx, [customer.id], now)
    return customer
