"""The health score held against what came, quarter by quarter."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request

from services.kpi.api.questions import Asked, viewing
from services.kpi.domain.periods import Period, months_after
from services.kpi.metrics.backtest import BANDS, CHURNED, DAYS_BEFORE, RENEWED, Fate, fates, verdict
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.question import Question
from services.kpi.metrics.records import names_of
from services.kpi.schemas.learning import BacktestOut, ConfusionOut, HealthBacktestOut, MissOut, QuarterOut
from shared import clock
from shared.errors import Invalid
from shared.http.door import Door
from shared.service import Runtime

router = APIRouter(prefix="/v1", tags=["models"], route_class=Door)
MONTHS = 12
SHOWN = 200


class BacktestAsked(Asked):
    """Default span: the twelve months up to as_of."""

    def of_quarters(self, runtime: Runtime) -> Question:
        """Raises Invalid."""
        if self.by:
            raise Invalid("by", "is not of this answer: ask for one value by a filter instead")
        if self.interval not in (None, "quarter"):
            raise Invalid("interval", "is always quarter")
        found = self.model_copy(update={"interval": "quarter"}).question(runtime, mode="closed")
        if self.begin or self.end:
            return found
        end = months_after(clock.day_of(found.as_of, found.zone), 1)
        return replace(found, whole=Period(months_after(end, -MONTHS), end))


@router.get("/health-backtest", response_model_by_alias=True)
async def get_health_backtest(request: Request, asked: Annotated[BacktestAsked, Query()]) -> HealthBacktestOut:
    """Green but churned, red but renewed: by the band 60 and 90 days before, as known then."""
    runtime = request.app.state.runtime
    async with viewing(runtime, asked.of_quarters(runtime)) as view:
        found = await fates(view)
        misses = [fate for fate in reversed(found) if fate.miss]
        names = await names_of(view, "account_id", [fate.account_id for fate in misses[:SHOWN]])
        quarters = [
            QuarterOut(
                begin=period.start,
                stop=period.end,
                is_partial=view.is_partial(period),
                before=_before([fate for fate in found if fate.period == place]),
            )
            for place, period in enumerate(view.periods)
        ]
        return HealthBacktestOut.model_validate(
            {
                **basis(view),
                "whole": _before(found),
                "quarters": quarters,
                "misses": [
                    MissOut(
                        account_id=fate.account_id,
                        account_external_id=names.get(fate.account_id),
                        kind=str(fate.miss),
                        days_before=fate.days_before,
                        at=fate.at,
                        score=fate.score,
                        treated=fate.treated,
                        alarmed=fate.alarmed,
                    )
                    for fate in misses[:SHOWN]
                ],
                "miss_count": len(misses),
            }
        )


def _before(found: Sequence[Fate]) -> list[BacktestOut]:
    return [_backtest(days, [fate for fate in found if fate.days_before == days]) for days in DAYS_BEFORE]


def _backtest(days: int, found: Sequence[Fate]) -> BacktestOut:
    judged = verdict(found)
    return BacktestOut(
        days_before=days,
        confusion=[
            ConfusionOut(band=band, churned=judged.confusion[band, CHURNED], renewed=judged.confusion[band, RENEWED])
            for band in BANDS
        ],
        recall=judged.recall,
        precision=judged.precision,
        untreated_precision=judged.untreated_precision,
        green_churned=judged.green_churned,
        red_renewed=judged.red_renewed,
    )
