"""Customers: who they are, how they are brought in, what they say."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.customer_success.api import showing
from services.customer_success.commands import customer_acts
from services.customer_success.models import CustomerRow, PulseRow, SignalRow
from services.customer_success.queries import customers as queries
from services.customer_success.queries import lookup
from services.customer_success.schemas.customers import (
    CompleteIn,
    CustomerDetail,
    CustomerOut,
    CustomerPatch,
    CustomerQuery,
    NotedQuery,
    OnboardingOut,
    PromiseOut,
    PromisesOut,
    PulseIn,
    PulseOut,
    ReviewIn,
    SignalIn,
    SignalOut,
)
from services.customer_success.settings import REASONS
from shared.auth import Role
from shared.http.door import Door, Now, Reading, Tx, Who, allowed, resource
from shared.http.paging import Page

router = APIRouter(prefix="/v1/customers", tags=["customers"], route_class=Door)
OURS = allowed(Role.CUSTOMER_SUCCESS)


@router.get("")
async def list_customers(given: Annotated[CustomerQuery, Query()], session: Reading) -> Page[CustomerOut]:
    """Customers (顧客): every account that is or was under contract."""
    rows, cursor = await queries.list_customers(session, given)
    return Page(items=await showing.customer_list(session, rows), next_cursor=cursor)


@router.get("/{customer_id}", response_model=CustomerDetail)
async def get_customer(customer_id: str, session: Reading, now: Now, who: Who) -> Response:
    """One customer with onboarding, promises, health and risk."""
    row = await session.get_one(CustomerRow, await lookup.customer_id(session, customer_id))
    return resource(await showing.customer_detail(session, row, who, now), version=row.version)


@router.patch("/{customer_id}", response_model=CustomerDetail, dependencies=[OURS])
async def patch_customer(customer_id: str, body: CustomerPatch, tx: Tx, now: Now, who: Who) -> Response:
    """Who looks after them, and what figures are sliced by from now on."""
    key = await lookup.customer_id(tx.session, customer_id)
    given = body.model_dump(exclude_unset=True)
    row = await customer_acts.amend_customer(tx, key, given, by=who.subject, now=now)
    await tx.session.flush()
    return resource(await showing.customer_detail(tx.session, row, who, now), version=row.version)


@router.get("/{customer_id}/onboarding", response_model=OnboardingOut)
async def get_onboarding(customer_id: str, session: Reading, now: Now, who: Who) -> Response:
    """The onboarding plan (導入支援) with its tasks. Imported customers have none: nobody told one."""
    row = await session.get_one(CustomerRow, await lookup.customer_id(session, customer_id))
    return resource(showing.onboarding(row, await queries.tasks(session, row), who, now), version=row.version)


@router.post("/{customer_id}/onboarding/{task}/complete", response_model=OnboardingOut, dependencies=[OURS])
async def complete_task(
    customer_id: str, task: str, tx: Tx, now: Now, who: Who, body: CompleteIn | None = None
) -> Response:
    """A task is done; with the last one the onboarding is complete. Again changes nothing."""
    key, body = await lookup.customer_id(tx.session, customer_id), body or CompleteIn()
    row = await customer_acts.complete_task(tx, key, task, note=body.note, at=body.occurred_at, by=who.subject, now=now)
    await tx.session.flush()
    return resource(showing.onboarding(row, await queries.tasks(tx.session, row), who, now), version=row.version)


@router.get("/{customer_id}/promises")
async def list_promises(customer_id: str, session: Reading, who: Who) -> PromisesOut:
    """What the seller promised (お客様への約束), and whether it was kept."""
    rows = await queries.promises(session, await lookup.customer_id(session, customer_id))
    return PromisesOut(items=[showing.promise(row, who) for row in rows])


@router.post("/{customer_id}/promises/{number}/review", response_model=PromiseOut, dependencies=[OURS])
async def review_promise(customer_id: str, number: int, body: ReviewIn, tx: Tx, now: Now, who: Who) -> Response:
    """Was it kept? Reviewed again the answer is replaced."""
    key = await lookup.customer_id(tx.session, customer_id)
    row = await customer_acts.review_promise(
        tx, key, number, kept=body.kept, note=body.note, at=body.occurred_at, by=who.subject, now=now
    )
    return resource(showing.promise(row, who))


@router.post("/{customer_id}/pulse", response_model=PulseOut, status_code=201, dependencies=[OURS])
async def record_pulse(customer_id: str, body: PulseIn, tx: Tx, now: Now, who: Who) -> Response:
    """A score somebody gave: NPS (推奨度), CSAT (顧客満足度), or the manager's own impression (CSM所感)."""
    key = await lookup.customer_id(tx.session, customer_id)
    if body.respondent_role is not None:
        REASONS.find("respondent_role", body.respondent_role, field="respondent_role")
    row = await customer_acts.record_pulse(
        tx,
        key,
        kind=body.kind,
        score=body.score,
        respondent_role=body.respondent_role,
        lead_id=body.lead_id,
        note=body.note,
        at=body.when(now),
        by=who.subject,
        now=now,
    )
    return resource(showing.pulse(row, who), status=201)


@router.get("/{customer_id}/pulses")
async def list_pulses(
    customer_id: str, given: Annotated[NotedQuery, Query()], session: Reading, who: Who
) -> Page[PulseOut]:
    """Every score given."""
    key = await lookup.customer_id(session, customer_id)
    rows, cursor = await queries.noted(session, PulseRow, key, given)
    return Page(items=[showing.pulse(row, who) for row in rows], next_cursor=cursor)


@router.post("/{customer_id}/signals", response_model=SignalOut, status_code=201, dependencies=[OURS])
async def note_signal(customer_id: str, body: SignalIn, tx: Tx, now: Now, who: Who) -> Response:
    """Something noticed that bears on the health: a review held, the champion gone, a payment overdue."""
    key = await lookup.customer_id(tx.session, customer_id)
    REASONS.find("signal", body.kind, field="kind")
    row = await customer_acts.note_signal(
        tx, key, kind=body.kind, on=body.on, note=body.note, at=body.when(now), by=who.subject, now=now
    )
    return resource(showing.signal(row, who), status=201)


@router.get("/{customer_id}/signals")
async def list_signals(
    customer_id: str, given: Annotated[NotedQuery, Query()], session: Reading, who: Who
) -> Page[SignalOut]:
    """Everything noticed."""
    key = await lookup.customer_id(session, customer_id)
    rows, cursor = await queries.noted(session, SignalRow, key, given)
    return Page(items=[showing.signal(row, who) for row in rows], next_cursor=cursor)
