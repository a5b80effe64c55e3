"""Judging health: gather what is stored, let the formula judge it, tell what moved.

People's acts judge at once; use that comes in bulk marks its customers stale, and the worker judges them. Everybody is
judged once a day, because facts grow old by themselves.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on

from services.customer_success.commands.picture import gather
from services.customer_success.commands.risk import follow_alarm
from services.customer_success.commands.rules import RULES
from services.customer_success.domain.conditions import ringing
from services.customer_success.domain.facts import Picture, facts
from services.customer_success.domain.health import Band, Fact, Formula, Health, judge, moved
from services.customer_success.models import CustomerRow, HealthRow, HealthSnapshotRow, RiskRow
from services.customer_success.schemas.rules import ChurnRisk, HealthRule
from services.customer_success.settings import company_day, settings
from shared.contracts.customer_success import HealthChanged
from shared.database import Transaction
from shared.ids import new_id

UNDER_CONTRACT = ("onboarding", "active", "dormant")
LEVELS = {Band.RISK: 0, Band.WATCH: 1, Band.HEALTHY: 2}
CHUNK = 200
DROP_WINDOW = timedelta(days=28)


async def mark_stale(tx: Transaction, customers: Collection[UUID]) -> None:
    """Something changed about them; the worker judges them soon.

    All are locked, also those marked already: who is being judged this moment does not know of this act yet.
    """
    if customers:
        mine = select(HealthRow.customer_id).where(HealthRow.customer_id.in_(customers))
        locked = mine.order_by(HealthRow.customer_id).with_for_update()
        await tx.session.execute(update(HealthRow).where(HealthRow.customer_id.in_(locked)).values(stale=True))


async def judge_anew(tx: Transaction, rule: object, _: datetime) -> None:
    """A rule changed; by those of health everybody is judged again soon."""
    if isinstance(rule, HealthRule | ChurnRisk):
        await tx.session.execute(update(HealthRow).where(~HealthRow.stale).values(stale=True))


async def judge_stale(tx: Transaction, now: datetime) -> int:
    """Judge some customers who changed or were not judged today; returns how many."""
    due = or_(HealthRow.stale, HealthRow.judged_on.is_(None), HealthRow.judged_on < company_day(now))
    query = (
        select(HealthRow.customer_id)
        .join(CustomerRow, CustomerRow.id == HealthRow.customer_id)
        .where(due, CustomerRow.status.in_(UNDER_CONTRACT))
        .order_by(HealthRow.customer_id)
        .limit(CHUNK)
        .with_for_update(of=HealthRow, skip_locked=True)
    )
    ids = list(await tx.session.scalars(query))
    await judge_health(tx, ids, now)
    return len(ids)


async def judge_health(tx: Transaction, ids: Collection[UUID], now: datetime) -> None:
    """Judge these customers now and tell what moved. Who is not under contract is left as it was."""
    if not ids:
        return
    await tx.session.flush()
    health = await RULES.in_force(tx.session, HealthRule, now)
    risk = await RULES.in_force(tx.session, ChurnRisk, now)
    formula, alarms = health.rule.formula(health.version), risk.rule.to_domain()
    healths = await _locked(tx, ids)
    query = select(CustomerRow).where(CustomerRow.id.in_(ids), CustomerRow.status.in_(UNDER_CONTRACT))
    customers = list(await tx.session.scalars(query.order_by(CustomerRow.id)))
    pictures = await gather(tx, [customer.id for customer in customers], now)
    earlier = await _scores_at(tx, [customer.id for customer in customers], now - DROP_WINDOW)
    open_alarms = await _open_alarms(tx, [customer.id for customer in customers])
    for customer in customers:
        row = healths[customer.id]
        found, known = _judge(formula, customer, row, pictures[customer.id], now)
        _store(row, found, formula, customer, now)
        if moved(row.told_score, row.told_band, found):
            _tell(tx, customer, row, found, now)
        numbers = _numbers(known, found, earlier.get(customer.id))
        follow_alarm(tx, customer, open_alarms.get(customer.id), ringing(alarms, numbers), now)


def _judge(
    formula: Formula, customer: CustomerRow, row: HealthRow, picture: Picture, now: datetime
) -> tuple[Health, dict[str, Fact]]:
    known = facts(picture, company_day(now), settings().zone)
    age = (now - customer.accepted_at).days if customer.accepted_at else 0
    profile = formula.profile(customer.segment, age)
    row.profile = profile.name
    return judge(formula, profile, known, Band(row.band)), known


def _numbers(known: Mapping[str, Fact], found: Health, earlier: float | None) -> dict[str, float]:
    """What alarms are judged by: the facts, and how the health stands."""
    numbers = {name: fact.value for name, fact in known.items()}
    if found.band in LEVELS:
        numbers["band_level"] = LEVELS[found.band]
    if found.score is not None and earlier is not None:
        numbers["score_drop_28_days"] = earlier - found.score
    return numbers


def _store(row: HealthRow, found: Health, formula: Formula, customer: CustomerRow, now: datetime) -> None:
    row.score, row.band, row.coverage = found.score, found.band, found.coverage
    row.reasons = [{"input": part.input, "contribution": part.contribution} for part in found.reasons]
    row.inputs = dict(found.inputs)
    row.formula_version = formula.version
    row.judged_on, row.stale = company_day(now), False


def _tell(tx: Transaction, customer: CustomerRow, row: HealthRow, found: Health, now: datetime) -> None:
    row.told_score, row.told_band = found.score, found.band
    snapshot = HealthSnapshotRow(
        id=new_id(),
        customer_id=customer.id,
        at=now,
        score=row.score,
        band=row.band,
        coverage=row.coverage,
        reasons=row.reasons,
        inputs=row.inputs,
        formula_version=row.formula_version,
        profile=row.profile,
    )
    tx.add(snapshot)
    event = HealthChanged.model_validate(
        {
            **customer.about(),
            "score": found.score,
            "band": found.band,
            "coverage": found.coverage,
            "reasons": row.reasons,
            "formula_version": row.formula_version,
        }
    )
    tx.announce(event, journey=customer.journey, at=now)


async def _locked(tx: Transaction, ids: Collection[UUID]) -> dict[UUID, HealthRow]:
    query = select(HealthRow).where(HealthRow.customer_id.in_(ids)).order_by(HealthRow.customer_id).with_for_update()
    rows = await tx.session.scalars(query.execution_options(populate_existing=True))
    return {row.customer_id: row for row in rows}


async def _scores_at(tx: Transaction, ids: Collection[UUID], at: datetime) -> dict[UUID, float]:
    """The score each customer had at an instant, where one was told by then."""
    row = HealthSnapshotRow
    query = (
        select(row.customer_id, row.score)
        .ext(distinct_on(row.customer_id))
        .where(row.customer_id.in_(ids), row.at <= at)
        .order_by(row.customer_id, row.at.desc())
    )
    return {key: score for key, score in (await tx.session.execute(query)) if score is not None}


async def _open_alarms(tx: Transaction, ids: Collection[UUID]) -> dict[UUID, RiskRow]:
    query = select(RiskRow).where(RiskRow.customer_id.in_(ids), RiskRow.cleared_at.is_(None))
    return {row.customer_id: row for row in await tx.session.scalars(query)}
