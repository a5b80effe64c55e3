"""The records behind a figure: whom its numerator and denominator count, one by one, a page at a time."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.kpi.metrics.entries import entered
from services.kpi.metrics.question import View

Finish = Callable[[View, Sequence[dict[str, Any]]], Awaitable[None]]


@dataclass(frozen=True)
class Source:
    """`query` gives rows of COLUMNS; `bound` are its parameters; `finish` adds figures SQL does not know.

    `key` is unique among the rows of one answer; `figures` is JSON with what belongs to this record.
    """

    query: str
    bound: Mapping[str, Any]
    finish: Finish | None = None


Records = Callable[[View], Source]
IDS = ("lead_id", "cycle", "opportunity_id", "account_id")
COLUMNS = ("at", "key", "kind", "numerator", "denominator", *IDS, "slice", "figures")

_NAMES = """
SELECT {column} AS id, min(reference) AS name FROM public.fact
WHERE {column} = ANY(:ids) AND reference IS NOT NULL AND type = ANY(:types) GROUP BY 1
"""
_NAMED_BY = {
    "lead_id": ("marketing.lead_created.v1",),
    "opportunity_id": ("field_sales.sql_received.v1", "field_sales.opportunity_opened.v1", "field_sales.deal_won.v1"),
    "account_id": (
        "marketing.account_created.v1",
        "customer_success.contract_started.v1",
        "customer_success.subscription_changed.v1",
        "customer_success.onboarding_completed.v1",
    ),
}


async def page(view: View, source: Source, *, limit: int, after: tuple[datetime, str] | None) -> list[dict[str, Any]]:
    """Records in the order they occurred, those after the one named; with the ids other systems call them by."""
    beyond = "WHERE (at, key) > (CAST(:after_at AS timestamptz), CAST(:after_key AS text))" if after else ""
    query = f"SELECT {', '.join(COLUMNS)} FROM ({source.query}) AS r {beyond} ORDER BY at, key LIMIT :limit"
    bound = {**source.bound, "limit": limit}
    if after:
        bound |= {"after_at": after[0], "after_key": after[1]}
    found = [dict(row._mapping) for row in await view.rows(query, bound)]
    for row in found:
        row["figures"] = dict(row["figures"] or {})
    if source.finish:
        await source.finish(view, found)
    await _named(view, found)
    return found


async def names_of(view: View, column: str, ids: Iterable[UUID | None]) -> Mapping[UUID, str]:
    """What other systems call these leads, opportunities or accounts."""
    asked = sorted({one for one in ids if one})
    if not asked:
        return {}
    rows = await view.rows(_NAMES.format(column=column), {"ids": asked, "types": list(_NAMED_BY[column])})
    return {row.id: row.name for row in rows}


async def _named(view: View, found: Sequence[dict[str, Any]]) -> None:
    for column in _NAMED_BY:
        names = await names_of(view, column, [row[column] for row in found])
        for row in found:
            row[f"{column.removesuffix('_id')}_external_id"] = names.get(row[column])


def shown(
    figures: str = "", *, numerator: str = "true", denominator: str = "NULL::boolean", kind: str = "milestone"
) -> str:
    """COLUMNS of rows of `entered`; `figures` are the arguments of jsonb_build_object."""
    key = "milestone || '/' || subject || '/' || subject_cycle || '/' || ordinal"
    return f"""at, {key} AS key, {kind} AS kind, {numerator} AS numerator, {denominator} AS denominator,
               lead_id, cycle, opportunity_id, account_id, slice, jsonb_build_object({figures}) AS figures"""


def entries_of(view: View, milestones: Sequence[str], columns: str = "", **more: str) -> Source:
    """Entries into milestones in the span."""
    query = f"SELECT {shown(**more)} FROM ({entered(view, columns)}) AS e"
    return Source(query, {"milestones": list(milestones), "starts": view.starts})
