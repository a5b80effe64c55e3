"""The gauges Prometheus scrapes, read from the tables every few seconds."""

import asyncio
import math
import time
from datetime import date, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.kpi import instruments
from services.kpi.domain.periods import Period, months_after
from services.kpi.domain.stages import STAGES
from services.kpi.metrics import standing
from services.kpi.metrics.conservation import conservation
from services.kpi.metrics.deals import pipeline
from services.kpi.metrics.funnel import funnel
from services.kpi.metrics.question import ALL, Question, View
from services.kpi.metrics.recurring import NO_COURSE, courses, shown
from services.kpi.models import SWAPPED
from services.kpi.queries.decisions import decisions, pulse
from services.kpi.queries.freshness import freshness
from services.kpi.queries.means import for_questions
from services.kpi.schemas.figures import Figure
from shared import clock
from shared.money import Money
from shared.service import Runtime
from shared.sqlerrors import transient

log = structlog.get_logger()
EVERY_SECONDS = 5.0
AGAIN_SECONDS = 60.0  # what nobody changed may still move with the clock
CHECK_SECONDS = 120.0  # conservation looks at everything there is
REST = 4  # times as long as a look took nothing is looked at: a large company has a database to work with, too
NAN = float("nan")


async def export(runtime: Runtime) -> None:
    """Runs until cancelled; a database that is away only leaves the gauges as they were."""
    looks = Looks(runtime)
    while True:
        begun = time.monotonic()
        try:
            begun += await looks.look()
        except Exception as error:
            if not transient(error):
                raise
            log.warning("gauges wait", error=str(error)[:200])
        await asyncio.sleep(max(EVERY_SECONDS, REST * (time.monotonic() - begun)))


class Looks:
    """When the figures were read, as of which pulse, and when conservation was last checked."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._pulse, self._read_at = 0, -math.inf
        self._checked_at, self._rest = -math.inf, CHECK_SECONDS

    async def look(self) -> float:
        """Set the gauges; returns how many seconds of it went into checking, which has a rest of its own."""
        async with self._runtime.database.reading(holding=SWAPPED) as session:
            version = await pulse(session)
            if version != self._pulse or time.monotonic() - self._read_at > AGAIN_SECONDS:
                view = await read(session, self._runtime)
                self._pulse, self._read_at = version, time.monotonic()
            else:
                view = await _current(session, self._runtime)
            _age(view)
            begun = time.monotonic()
            if begun - self._checked_at <= self._rest:
                return 0.0
            for check, kept in (await conservation(view)).items():
                instruments.unconserved.labels(check.id).set(kept.broken)
            self._checked_at = time.monotonic()
            self._rest = max(CHECK_SECONDS, REST * REST * (self._checked_at - begun))
            return self._checked_at - begun


async def read(session: AsyncSession, runtime: Runtime) -> View:
    """Set every gauge that is read from the figures."""
    view = await _current(session, runtime)
    await _chain(view)
    await _recurring(view, clock.day_of(view.question.as_of, runtime.settings.zone))
    await _standing(view)
    return view


async def _current(session: AsyncSession, runtime: Runtime) -> View:
    """Of this month."""
    today = clock.day_of(clock.utc_now(), runtime.settings.zone)
    return await view_of(session, runtime, Period(today.replace(day=1), months_after(today, 1)))


async def view_of(session: AsyncSession, runtime: Runtime, whole: Period, basis: str = "booked") -> View:
    settings = runtime.settings
    question = Question(
        whole,
        settings.zone,
        clock.utc_now(),
        currency=settings.currency,
        company_currency=settings.currency,
        basis=basis,
    )
    await for_questions(session, waited_for=False)
    fresh = await freshness(session, STAGES, settings.freshness_seconds)
    return View(session, question, await decisions(session, whole), fresh=fresh)


async def _chain(view: View) -> None:
    for stage in (await funnel(view)).stages:
        instruments.base.labels(stage.stage).set(stage.base.value)
        instruments.goal.labels(stage.stage).set(_number(stage.goal.value))
        instruments.rate.labels(stage.stage).set(_number(stage.rate.value))
        instruments.target.labels(stage.stage).set(_number(stage.goal.target))


async def _recurring(view: View, today: date) -> None:
    month = shown((await courses(view)).get(ALL, NO_COURSE), view)
    for name in ("start", "end"):
        instruments.mrr.labels(name).set(_minor(getattr(month, name)))
    for name in ("new", "expansion", "contraction", "churn", "reactivation"):
        instruments.mrr.labels(name).set(_minor(getattr(month.movements, name, None)))
    for basis in ("booked", "live"):
        found = view.with_question(basis=basis)
        end = shown((await courses(found)).get(ALL, NO_COURSE), found).end
        instruments.arr.labels(basis).set(12 * _minor(end))
    tomorrow = today + timedelta(days=1)
    last_year = view.with_question(whole=Period(tomorrow - timedelta(days=365), tomorrow))
    year = shown((await courses(last_year)).get(ALL, NO_COURSE), last_year)
    instruments.nrr.set(_number(year.nrr.value))
    instruments.grr.set(_number(year.grr.value))
    open_now = (await pipeline(view)).get(ALL, Figure(value=0)).value
    instruments.pipeline.set(open_now.amount if isinstance(open_now, Money) else _number(open_now))


async def _standing(view: View) -> None:
    instruments.feedback_open.clear()
    for parties, items in (await standing.feedback_open(view)).items():
        instruments.feedback_open.labels(*parties).set(items)
    risk = await standing.churn_risk(view)
    instruments.churn_risk_open.set(risk.customers)
    instruments.churn_risk_mrr.set(NAN if risk.mrr is None else float(risk.mrr))
    for state, waiting in (await standing.waiting_for_contact(view)).items():
        instruments.sla_waiting.labels(state).set(waiting)
    if valve := await standing.valve(view):
        instruments.valve_threshold.set(valve.threshold)
        instruments.utilisation.set(_number(valve.utilisation))
    instruments.recycle_overdue.set(await standing.recycle_overdue(view))
    instruments.gaps.set(await standing.gaps(view))


def _age(view: View) -> None:
    """How old the news of each publisher are."""
    for name, moment in view.fresh.complete_to.items():
        seconds = math.inf if moment is None else (view.question.as_of - moment).total_seconds()
        instruments.freshness.labels(name).set(seconds)


def _number(value: float | None) -> float:
    """Prometheus has no null: what is not known is not a number."""
    return NAN if value is None else float(value)


def _minor(money: Money | None) -> float:
    return NAN if money is None else money.amount
