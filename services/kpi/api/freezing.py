"""Forecasts kept at fixed moments, by rule and by hand. What is kept is never changed.

A forecast is kept as known at its moment. Where a moment was missed (nobody was at work, or its history was told
only later) it is made up for from what had been recorded by then.
"""

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.kpi.commands.deciding import decide
from services.kpi.commands.remembering import go_back, remember
from services.kpi.domain.horizons import BY_HAND, Moment, key_of, moments, name_of
from services.kpi.domain.periods import Period
from services.kpi.domain.stages import STAGES
from services.kpi.metrics.forecast import Forecast, Method, snapshot
from services.kpi.metrics.question import Question, View
from services.kpi.models import LIVE, SWAPPED, DecisionVersion
from services.kpi.queries.decisions import decisions
from services.kpi.queries.forecasts import DEALS, SNAPSHOT
from services.kpi.queries.freshness import freshness
from services.kpi.queries.means import for_questions
from shared import clock
from shared.database import Database, Transaction
from shared.service import Runtime
from shared.settings import Settings
from shared.worker import every

BY_RULE = "system"
LOOK_SECONDS = 60.0
VIEW_SECONDS = 300.0  # of a view: what is deleted meanwhile stays on the disk
REST_SECONDS = 1.0
# Whoever puts tables anew in the place of these waits until the view ends, and all who ask wait behind that.
_WANTED = f"SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = '{SWAPPED}'::regclass)"
_TURN = "SELECT pg_advisory_xact_lock(hashtext('keep forecasts'))"
PATIENCE = timedelta(hours=1)  # until a moment counts as it is, although a department's news may still be on their way
_KEPT = "SELECT decision_id FROM decision_version WHERE kind = :kind"
# The first that was recorded: before it nothing could be forecast. By the index of what was recorded, not by type.
_FIRST = """
SELECT greatest(recorded_at, occurred_at) AS first FROM fact
WHERE type IN ('field_sales.opportunity_opened.v1', 'field_sales.deal_won.v1') ORDER BY recorded_at LIMIT 1
"""
# What had occurred by a moment and was recorded only later. Without any, what is known now was known then.
_LATER = "SELECT EXISTS (SELECT FROM fact WHERE recorded_at > :at AND occurred_at < :at)"


class Frozen(NamedTuple):
    """What is kept of one forecast, under its key."""

    key: str
    deals: dict[str, Any]
    body: dict[str, Any]


async def keep_forecasts(runtime: Runtime) -> None:
    """Keep every forecast that is due, until cancelled."""
    await every(LOOK_SECONDS, partial(_keep_all_due, runtime))


async def _keep_all_due(runtime: Runtime) -> None:
    """Where many moments are made up for it rests between two as long as one took: others have work to do, too."""
    while True:
        begun = time.monotonic()
        if not await freeze_due(runtime, clock.utc_now()):
            return
        await asyncio.sleep(time.monotonic() - begun)


async def freeze_due(runtime: Runtime, now: datetime) -> int:
    """Keep the forecasts of the newest moment that has none yet; how many those were. Nothing to forecast, nothing to
    keep.

    They are looked at in a view of its own, so that nobody who folds waits for it. Where it takes a past state of
    knowledge the same view goes on to the moments before: each costs only what was told between two.
    """
    due: list[Moment] = []
    schema, zone = LIVE, runtime.settings.zone

    async def known(session: AsyncSession) -> None:
        nonlocal due, schema
        due = await _due(session, runtime.settings, now)
        if due and await session.scalar(text(_LATER), {"at": due[0].at}):
            schema = await remember(session, due[0].at, zone)

    number, begun, remembered = 0, time.monotonic(), None
    async with runtime.database.reading(holding=SWAPPED, first=known) as session:
        await for_questions(session, waited_for=False)
        for at, together in groupby(due, attrgetter("at")):
            turn = time.monotonic()
            if remembered:
                await go_back(session, at, remembered, zone)
            found = [await _look(session, one, one.key, schema, now) for one in together]
            await _keep_first(runtime.database, found, now)
            number, remembered = number + len(found), at
            await asyncio.sleep(min(time.monotonic() - turn, REST_SECONDS))
            long = time.monotonic() - begun > VIEW_SECONDS
            if schema == LIVE or long or await session.scalar(text(_WANTED)):
                break
    return number


async def _keep_first(database: Database, found: Iterable[Frozen], now: datetime) -> None:
    """Each, unless another worker has kept it meanwhile."""
    async with database.transaction() as tx:
        await tx.session.execute(text(_TURN))
        kept = await _kept(tx.session)
        for one in found:
            if one.key not in kept:
                await _keep(tx, one, by=BY_RULE, now=now)


async def _due(session: AsyncSession, settings: Settings, now: datetime) -> list[Moment]:
    """What has no forecast yet, the newest first."""
    first = await session.scalar(text(_FIRST))
    if first is None:
        return []
    kept, first_month = await _kept(session), (await decisions(session)).first_month
    fresh_to = (await freshness(session, STAGES, settings.freshness_seconds)).fresh_to
    settled = max(now - PATIENCE, min(fresh_to or first, now))
    return [one for one in moments(first, settled, settings.zone, first_month) if one.key not in kept]


async def _kept(session: AsyncSession) -> set[str]:
    return set(await session.scalars(text(_KEPT), {"kind": SNAPSHOT}))


async def freeze(tx: Transaction, period: Period, length: str, *, by: str, now: datetime) -> DecisionVersion:
    """Keep the forecast of a period as it is now."""
    moment = Moment(now, length, BY_HAND, period.start, period.end)
    await tx.session.execute(text(f"LOCK TABLE {SWAPPED} IN ACCESS SHARE MODE"))
    found = await _look(tx.session, moment, key_of(period, now.isoformat()), LIVE, now)
    return await _keep(tx, found, by=by, now=now)


async def _keep(tx: Transaction, found: Frozen, *, by: str, now: datetime) -> DecisionVersion:
    await decide(tx, DEALS, found.key, found.deals, by=by, now=now)
    return await decide(tx, SNAPSHOT, found.key, found.body, by=by, now=now)


async def _look(session: AsyncSession, moment: Moment, key: str, schema: str, now: datetime) -> Frozen:
    settings = Settings(service="kpi")
    question = Question(
        moment.period,
        settings.zone,
        moment.at,
        known_at=moment.at,
        currency=settings.currency,
        company_currency=settings.currency,
    )
    held = await decisions(session, moment.period)
    found = await snapshot(View(session, question, held, schema))
    body = {
        "period": name_of(moment.period, held.first_month),
        "length": moment.length,
        "from_date": str(moment.start),
        "to_date": str(moment.end),
        "horizon": moment.horizon,
        "at": moment.at.isoformat(),
        "caught_up": now - moment.at > PATIENCE,
        "currency": settings.currency,
        "definition_version": held.definition_version,
        "unpriced": found.unpriced,
        **_body(found),
    }
    return Frozen(key, _deals(found), body)


def _body(found: Forecast) -> dict[str, Any]:
    """Amounts in minor units, as texts of exact numbers."""
    whole = found.whole
    late = sum((deal.value for deal in whole.overdue), Decimal(0))
    return {
        "closed": str(whole.closed),
        "overdue": {"deals": len(whole.overdue), "value": str(late)},
        "methods": {name: _method(method) for name, method in whole.methods.items()},
    }


def _method(method: Method) -> dict[str, str | None]:
    numbers = {"value": method.value, "low": method.low, "middle": method.middle, "high": method.high}
    told = {name: None if number is None else str(number) for name, number in numbers.items()}
    return {**told, "reason": method.reason, "new": str(method.new)}


def _deals(found: Forecast) -> dict[str, Any]:
    """Those won by then, and those open, each with the chance that each method gave it."""
    whole = found.whole
    due = {deal.opportunity_id for deal in whole.due}
    odds = {name: method.odds for name, method in whole.methods.items() if method.odds}
    return {
        "won": [{"id": str(one.opportunity_id), "value": str(one.value)} for one in found.won],
        "open": [
            {
                "id": str(deal.opportunity_id),
                "value": str(deal.value),
                "category": deal.category,
                "due": deal.opportunity_id in due,
                "odds": {
                    name: given[deal.opportunity_id] for name, given in odds.items() if deal.opportunity_id in given
                },
            }
            for deal in (*whole.due, *whole.later)
        ],
    }
