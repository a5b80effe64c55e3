"""Forecasts kept at fixed moments, by rule and by hand. What is kept is never changed.

A forecast is kept as known at its moment. Where a moment was missed (nobody was at work, or its history was told
only later) it is made up for from what had been recorded by then.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.kpi.commands.deciding import decide
from services.kpi.commands.recording import FOLDER
from services.kpi.commands.remembering import remember
from services.kpi.domain.horizons import BY_HAND, Moment, key_of, moments, name_of
from services.kpi.domain.periods import Period
from services.kpi.domain.stages import STAGES
from services.kpi.metrics.forecast import Forecast, Method, snapshot
from services.kpi.metrics.question import Question, View
from services.kpi.models import SWAPPED, DecisionVersion
from services.kpi.queries.decisions import decisions
from services.kpi.queries.forecasts import DEALS, SNAPSHOT
from services.kpi.queries.freshness import freshness
from shared.database import Transaction
from shared.settings import Settings

BY_RULE = "system"
PATIENCE = timedelta(hours=1)  # until a moment counts as it is, although a department's news may still be on their way
_KEPT = "SELECT decision_id FROM decision_version WHERE kind = :kind"
# The first that was recorded: before it nothing could be forecast. By the index of what was recorded, not by type.
_FIRST = """
SELECT greatest(recorded_at, occurred_at) AS first FROM fact
WHERE type IN ('field_sales.opportunity_opened.v1', 'field_sales.deal_won.v1') ORDER BY recorded_at LIMIT 1
"""
# What had occurred by a moment and was recorded only later. Without any, what is known now was known then.
_LATER = "SELECT EXISTS (SELECT FROM fact WHERE recorded_at > :at AND occurred_at < :at)"


async def freeze_due(tx: Transaction, now: datetime) -> int:
    """Keep the forecasts of the newest moment that has none yet; how many those were. Nothing to forecast, nothing to
    keep."""
    first = await tx.session.scalar(text(_FIRST))
    if first is None:
        return 0
    settings = Settings(service="kpi")
    kept = set(await tx.session.scalars(text(_KEPT), {"kind": SNAPSHOT}))
    first_month = (await decisions(tx.session)).first_month
    fresh_to = (await freshness(tx.session, STAGES, settings.freshness_seconds)).fresh_to
    settled = max(now - PATIENCE, min(fresh_to or first, now))
    missing = [one for one in moments(first, settled, settings.zone, first_month) if one.key not in kept]
    together = [one for one in missing if one.at == missing[0].at]
    schema = await _known(tx.session, together[0].at) if together else None
    for one in together:
        await _keep(tx, one, one.key, schema=schema, by=BY_RULE, now=now)
    return len(together)


async def freeze(tx: Transaction, period: Period, length: str, *, by: str, now: datetime) -> DecisionVersion:
    """Keep the forecast of a period as it is now."""
    moment = Moment(now, length, BY_HAND, period.start, period.end)
    await tx.session.execute(text(f"LOCK TABLE {SWAPPED} IN ACCESS SHARE MODE"))
    return await _keep(tx, moment, key_of(period, now.isoformat()), schema=None, by=by, now=now)


async def _known(session: AsyncSession, at: datetime) -> str | None:
    """The schema of what was known at a moment; None where that is what is known now. Nobody folds until it is kept."""
    await session.execute(text("SELECT pg_advisory_xact_lock(:folder)"), {"folder": FOLDER})
    await session.execute(text(f"LOCK TABLE {SWAPPED} IN ACCESS SHARE MODE"))
    if not await session.scalar(text(_LATER), {"at": at}):
        return None
    return await remember(session, at, Settings(service="kpi").zone)


async def _keep(
    tx: Transaction, moment: Moment, key: str, *, schema: str | None, by: str, now: datetime
) -> DecisionVersion:
    settings = Settings(service="kpi")
    question = Question(
        moment.period,
        settings.zone,
        moment.at,
        known_at=moment.at,
        currency=settings.currency,
        company_currency=settings.currency,
    )
    held = await decisions(tx.session, moment.period)
    view = View(tx.session, question, held)
    found = await snapshot(replace(view, schema=schema) if schema else view)
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
    await decide(tx, DEALS, key, _deals(found), by=by, now=now)
    return await decide(tx, SNAPSHOT, key, body, by=by, now=now)


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
