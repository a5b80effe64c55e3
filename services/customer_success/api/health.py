"""How a customer does, why, and since when."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from services.customer_success.models import HealthRow, RiskRow
from services.customer_success.queries import activity as queries
from services.customer_success.queries import lookup
from services.customer_success.schemas.activity import AlarmOut, HealthOut, JudgedOut
from shared.http.door import Door, Now, Reading

router = APIRouter(prefix="/v1/customers", tags=["health"], route_class=Door)


@router.get("/{customer_id}/health")
async def get_health(
    customer_id: str,
    session: Reading,
    now: Now,
    days: Annotated[int, Query(ge=1, le=1095, description="how far back the history goes")] = 365,
) -> HealthOut:
    """The health score (ヘルススコア) with its reasons, its history, and churn-risk alarms (解約リスク)."""
    key = await lookup.customer_id(session, customer_id)
    row = await queries.health(session, key)
    alarms = [_alarm(found) for found in await queries.alarms(session, key)]
    return HealthOut.model_validate(
        {
            "customer_id": key,
            "score": row.score,
            "band": row.band,
            "coverage": row.coverage,
            "reasons": row.reasons,
            "inputs": row.inputs,
            "profile": row.profile,
            "formula_version": row.formula_version,
            "judged_on": row.judged_on,
            "trend_28_days": _trend(row, await queries.score_before(session, key, now, 28)),
            "trend_84_days": _trend(row, await queries.score_before(session, key, now, 84)),
            "risk": next((alarm for alarm in alarms if alarm.cleared_at is None), None),
            "alarms": alarms,
            "history": [
                JudgedOut.model_validate(found, from_attributes=True)
                for found in await queries.snapshots(session, key, now - timedelta(days=days))
            ],
        }
    )


def _alarm(row: RiskRow) -> AlarmOut:
    return AlarmOut(raised_at=row.raised_at, cleared_at=row.cleared_at, reasons=row.reasons)


def _trend(row: HealthRow, before: float | None) -> float | None:
    return None if row.score is None or before is None else round(row.score - before, 6)
