"""Whom a figure counts: the records behind its numerator and denominator, in pages or as a file for a spreadsheet."""

import base64
import binascii
import codecs
import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from services.kpi.api.questions import MetricAsked, viewing
from services.kpi.metrics.catalogue import CATALOGUE
from services.kpi.metrics.figures import Metric
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.question import Question, View
from services.kpi.metrics.records import page
from services.kpi.schemas.records import RecordOut, RecordsOut
from shared.errors import Invalid, NotFound
from shared.http.door import Door
from shared.service import Runtime

router = APIRouter(prefix="/v1", tags=["figures"], route_class=Door)
AT_ONCE = 500
HEAD = (
    *("at", "key", "kind", "numerator", "denominator", "lead_external_id", "lead_id", "cycle"),
    *("opportunity_external_id", "opportunity_id", "account_external_id", "account_id", "slice"),
)


class RecordsAsked(MetricAsked):
    limit: int = Field(100, ge=1, le=AT_ONCE)
    cursor: str | None = Field(None, max_length=500)


def found_metric(metric_id: str) -> Metric:
    """Raises NotFound."""
    metric = CATALOGUE.get(metric_id)
    if metric is None:
        raise NotFound(f"There is no metric {metric_id}; GET /v1/metrics lists them")
    return metric


def question_of(runtime: Runtime, metric: Metric, asked: MetricAsked) -> Question:
    """Raises Invalid where the metric is not counted in that mode."""
    mode = asked.mode or metric.modes[0]
    if mode not in metric.modes:
        raise Invalid("mode", f"{metric.id} is counted as {' or '.join(metric.modes)}")
    return asked.question(runtime, mode=mode, window=asked.window, basis=asked.basis)


@router.get("/metrics/{metric_id}/records")
async def list_records(request: Request, metric_id: str, asked: Annotated[RecordsAsked, Query()]) -> RecordsOut:
    """The records a metric counts, in the order they occurred. Ways are listed one by one, whatever the unit."""
    metric, runtime = found_metric(metric_id), request.app.state.runtime
    question, after = question_of(runtime, metric, asked), _after(asked.cursor)
    async with viewing(runtime, question) as view:
        rows = await page(view, metric.records(view), limit=asked.limit + 1, after=after)
        said = basis(view)
    shown = rows[: asked.limit]
    return RecordsOut(
        metric=metric.id,
        **said,
        items=[RecordOut.model_validate(row) for row in shown],
        next_cursor=_cursor(shown[-1]) if len(rows) > asked.limit else None,
    )


@router.get("/metrics/{metric_id}/records.csv", response_class=Response)
async def export_records(request: Request, metric_id: str, asked: Annotated[MetricAsked, Query()]) -> Response:
    """The same, all of them, as CSV in UTF-8 with a byte order mark, which Excel opens as it is."""
    metric, runtime = found_metric(metric_id), request.app.state.runtime
    lines = _lines(runtime, metric, question_of(runtime, metric, asked))
    headers = {"Content-Disposition": f'attachment; filename="{metric.id}.csv"'}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


async def _lines(runtime: Runtime, metric: Metric, question: Question) -> AsyncIterator[bytes]:
    async with viewing(runtime, question) as view:
        names: list[str] = []
        async with aclosing(_pages(view, metric)) as pages:
            async for number, rows in pages:
                if number == 0:
                    names = sorted({name for row in rows for name in row["figures"]})
                    yield codecs.BOM_UTF8 + _row([*HEAD, *names])
                yield b"".join(_row([*(row[name] for name in HEAD), *_figures(row, names)]) for row in rows)


async def _pages(view: View, metric: Metric) -> AsyncGenerator[tuple[int, list[dict[str, Any]]]]:
    number, after = 0, None
    while True:
        rows = await page(view, metric.records(view), limit=AT_ONCE, after=after)
        yield number, rows
        if len(rows) < AT_ONCE:
            return
        number, after = number + 1, (rows[-1]["at"], rows[-1]["key"])


def _figures(row: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    return [row["figures"].get(name) for name in names]


def _row(values: Sequence[Any]) -> bytes:
    """One line. A cell that a spreadsheet would take for a formula is told to be text."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow([_cell(value) for value in values])
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value


def _cursor(row: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([row["at"].isoformat(), row["key"]])).decode().rstrip("=")


def _after(cursor: str | None) -> tuple[datetime, str] | None:
    """Raises Invalid for what no answer of ours gave out."""
    if cursor is None:
        return None
    try:
        at, key = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not isinstance(key, str) or "\x00" in key:
            raise ValueError
    except (ValueError, TypeError, binascii.Error) as error:
        raise Invalid("cursor", "is the next_cursor of an earlier answer") from error
    return moment, key
