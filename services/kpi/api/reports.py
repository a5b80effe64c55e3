"""The report of a period as it was published, for good; and what has come to be known since."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from services.kpi.api.questions import Asked, viewing
from services.kpi.commands.deciding import decide
from services.kpi.domain.periods import Period, named
from services.kpi.metrics.catalogue import CATALOGUE, whole
from services.kpi.metrics.question import Question, View
from services.kpi.models import DecisionVersion
from services.kpi.queries.decisions import decisions, newest_decision, newest_decisions
from services.kpi.schemas.figures import Figure
from services.kpi.schemas.reports import CauseOut, LineOut, ReportHead, ReportIn, ReportOut, ReportsOut
from shared.auth import Role
from shared.clock import start_of_day
from shared.errors import Invalid, NotFound, Refused
from shared.http.door import Door, Now, Reading, Tx, Who, allowed, resource
from shared.service import Runtime

router = APIRouter(prefix="/v1", tags=["reports"], route_class=Door)
REPORT = "report"
CAUSES = 100
_CAUSES = """
SELECT event_id, type, occurred_at, recorded_at, lead_id, opportunity_id, account_id, count(*) OVER () AS whole
FROM public.fact WHERE occurred_at < :to AND recorded_at > :published
ORDER BY recorded_at DESC, event_id LIMIT :limit
"""


@router.get("/reports")
async def list_reports(session: Reading) -> ReportsOut:
    """Every report that was published."""
    rows = await newest_decisions(session, REPORT)
    return ReportsOut(items=[ReportHead(**_head(row)) for row in rows])


@router.get("/reports/{period}")
async def get_report(request: Request, period: str, session: Reading) -> ReportOut:
    """A report as it was published, beside what is known now."""
    row = await newest_decision(session, REPORT, period)
    if row is None:
        raise NotFound(f"No report of {period} was published; POST /v1/reports publishes one")
    return await _shown(request.app.state.runtime, row)


@router.post("/reports", dependencies=[allowed(Role.OPS_LEAD)], response_model=ReportOut, status_code=201)
async def publish_report(request: Request, body: ReportIn, tx: Tx, now: Now, who: Who) -> Response:
    """Publish the figures of a period that is over, as they are known now. Once: what is published stays."""
    runtime = request.app.state.runtime
    span = await _span(tx.session, body.period)
    question = _of(runtime, span)
    if start_of_day(span.end, question.zone) > now:
        raise Refused(f"{body.period} is not over yet", rule="period_not_over")
    if await newest_decision(tx.session, REPORT, body.period) is not None:
        raise Refused(f"The report of {body.period} is published already", rule="report_published")
    async with viewing(runtime, question) as view:
        figures = {name: figure.model_dump(mode="json") for name, figure in (await _figures(view)).items()}
        version = view.decisions.definition_version
    told = {"period": body.period, "from_date": str(span.start), "to_date": str(span.end)}
    kept = {**told, "known_at": now.isoformat(), "currency": question.currency, "definition_version": version}
    row = await decide(tx, REPORT, body.period, {**kept, "figures": figures}, by=who.subject, now=now)
    await tx.session.flush()
    return resource(await _shown(runtime, row), version=row.version, status=201)


async def _span(session: AsyncSession, period: str) -> Period:
    """Raises Invalid."""
    try:
        return named(period, (await decisions(session)).first_month)
    except ValueError as error:
        raise Invalid("period", str(error)) from error


def _of(runtime: Runtime, span: Period) -> Question:
    """Asked at the end of the period: what occurs later is not of it."""
    question = Asked().question(runtime)
    return replace(question, whole=span, as_of=min(question.as_of, start_of_day(span.end, question.zone)))


async def _figures(view: View) -> dict[str, Figure]:
    return {metric.id: await whole(metric, view) for metric in CATALOGUE.values()}


async def _shown(runtime: Runtime, row: DecisionVersion) -> ReportOut:
    body: dict[str, Any] = row.body
    span = Period(date.fromisoformat(body["from_date"]), date.fromisoformat(body["to_date"]))
    published = datetime.fromisoformat(body["known_at"])
    async with viewing(runtime, replace(_of(runtime, span), currency=body["currency"], decided_at=published)) as view:
        now = await _figures(view)
        bound = {"published": published, "limit": CAUSES}
        causes = await view.rows(_CAUSES, bound)
    lines = [
        _line(name, Figure.model_validate(kept), now[name]) for name, kept in body["figures"].items() if name in now
    ]
    return ReportOut(
        **_head(row),
        lines=lines,
        changed=sum(line.changed for line in lines),
        causes=[CauseOut.model_validate(cause._mapping) for cause in causes],
        cause_count=causes[0].whole if causes else 0,
    )


def _head(row: DecisionVersion) -> dict[str, Any]:
    kept = ("period", "from_date", "to_date", "known_at", "currency", "definition_version")
    return {**{name: row.body[name] for name in kept}, "published_by": row.set_by}


def _line(name: str, published: Figure, restated: Figure) -> LineOut:
    metric = CATALOGUE[name]
    return LineOut(
        metric=name,
        ja=metric.ja,
        en=metric.en,
        mode=metric.modes[0],
        published=published.value,
        published_reason=published.reason,
        restated=restated.value,
        restated_reason=restated.reason,
        changed=_differ(published, restated),
    )


def _differ(one: Figure, other: Figure) -> bool:
    if isinstance(one.value, float) and isinstance(other.value, float):
        return abs(one.value - other.value) > 1e-9
    return one.value != other.value
