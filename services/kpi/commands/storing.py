"""Rows into tables and facts out of them, many at once."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncSession

from services.kpi import models
from services.kpi.models import LIVE
from services.kpi.projections.facts import Amount, Fact
from services.kpi.projections.rows import (
    Alias,
    Appointment,
    CustomerSpan,
    DayFigure,
    Movement,
    OpportunityState,
    Passage,
    Place,
    Term,
    UsedWeek,
)
from shared.contracts.base import DIMENSIONS
from shared.line import fetch

COLUMNS = (
    *("event_id", "type", "occurred_at", "recorded_at", "sequence", "publisher", "lead_id", "cycle", "account_id"),
    *("opportunity_id", "contract_id", "reference", *DIMENSIONS),
    *("mrr_amount", "mrr_currency", "whole_amount", "whole_currency", "data::text"),
)
_FIRST, _LAST = COLUMNS.index("reference") + 1, COLUMNS.index("reference") + 1 + len(DIMENSIONS)


_KINDS = (Passage, OpportunityState, Place, Appointment, Movement, CustomerSpan, Term, DayFigure, UsedWeek, Alias)
_NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in _KINDS}
_READ: Mapping[type, tuple[Sequence[str], Callable[[Any], Any]]] = {
    kind: (names, attrgetter(*names)) for kind, names in _NAMES.items()
}


async def insert(session: AsyncSession, table: Table, rows: Iterable[dict[str, Any]], schema: str = LIVE) -> None:
    """One statement for all rows; a name a row does not have is NULL."""
    await insert_all(session, {table: list(rows)}, schema)


async def insert_all(session: AsyncSession, rows: Mapping[Table, Sequence[dict[str, Any]]], schema: str = LIVE) -> None:
    """The same for several tables, in one statement too."""
    given = {table: orjson.dumps(found, default=str).decode() for table, found in rows.items() if found}
    if given:
        parts = [_insert(f"{schema}.{table.name}", number) for number, table in enumerate(given, 1)]
        *before, last = parts
        ahead = ", ".join(f"part{number} AS ({part})" for number, part in enumerate(before))
        await fetch(session, f"WITH {ahead} {last}" if ahead else last, *given.values())


def _insert(target: str, number: int) -> str:
    return f"INSERT INTO {target} SELECT * FROM json_populate_recordset(NULL::{target}, ${number}::text::json)"


def cache_row(row: Any) -> dict[str, Any]:
    """A row of a fold, by the columns of its table."""
    names, values = _READ[type(row)]
    found = dict(zip(names, values(row), strict=True))
    found.update(found.pop("dimensions", {}))
    for name, column in (("mrr", "mrr"), ("amount", "whole")):
        if name in found:
            found[f"{column}_amount"], found[f"{column}_currency"] = found.pop(name) or (None, None)
    if isinstance(row, Passage):
        found["subject_cycle"] = row.cycle if row.subject == row.lead_id else 0
    return found


def fact_row(fact: Fact) -> dict[str, Any]:
    mrr, whole = fact.mrr or (None, None), fact.amount or (None, None)
    return {
        "event_id": fact.id,
        "source": fact.source,
        "stream": fact.stream,
        "sequence": fact.sequence,
        "publisher": fact.publisher,
        "type": fact.type,
        "lead_id": fact.lead_id,
        "cycle": fact.cycle,
        "account_id": fact.account_id,
        "opportunity_id": fact.opportunity_id,
        "contract_id": fact.contract_id,
        "reference": fact.reference,
        "occurred_at": fact.occurred_at,
        "recorded_at": fact.recorded_at,
        **fact.dimensions,
        "mrr_amount": mrr[0],
        "mrr_currency": mrr[1],
        "whole_amount": whole[0],
        "whole_currency": whole[1],
        "data": fact.data,
    }


def _fact(row: Any) -> Fact:
    *known, mrr_amount, mrr_currency, whole_amount, whole_currency, data = row
    told = known[_FIRST:_LAST]
    return Fact(
        *(known[0], known[1], known[2], known[3], known[4], known[5]),
        lead_id=known[6],
        cycle=known[7],
        account_id=known[8],
        opportunity_id=known[9],
        contract_id=known[10],
        reference=known[11],
        dimensions={name: value for name, value in zip(DIMENSIONS, told, strict=True) if value},
        mrr=None if mrr_amount is None else Amount(mrr_amount, mrr_currency),
        amount=None if whole_amount is None else Amount(whole_amount, whole_currency),
        data=orjson.loads(data),
    )


async def facts_by(
    session: AsyncSession, column: str, keys: Iterable[UUID | str], types: Set[str], schema: str = LIVE
) -> list[Fact]:
    """The facts of some leads, opportunities, accounts or references."""
    return [_fact(row) for row in await fetch(session, by_key(column, schema), sorted(keys), sorted(types))]


def by_key(column: str, schema: str = LIVE) -> str:
    """The statement of `facts_by`: $1 are the keys, $2 the types. Each key is looked up by itself and the type looked
    at after it (that is what OFFSET 0 is for), so that it is quick however few facts there were when it was planned:
    joined, all of them were read for each key until the table was analysed again."""
    kind = "text" if column == "reference" else "uuid"
    return f"""
        SELECT {", ".join(COLUMNS)} FROM unnest($1::{kind}[]) AS k(key)
        CROSS JOIN LATERAL (SELECT * FROM {schema}.fact WHERE {column} = k.key OFFSET 0) AS f WHERE type = ANY($2)
    """


async def facts_of(session: AsyncSession, types: Set[str], schema: str = LIVE) -> list[Fact]:
    query = f"SELECT {', '.join(COLUMNS)} FROM {schema}.fact WHERE type = ANY($1)"
    return [_fact(row) for row in await fetch(session, query, sorted(types))]


async def won_with(session: AsyncSession, customers: Iterable[UUID], schema: str = LIVE) -> list[Passage]:
    """The deals won with some customers, as far as an account's fold needs them."""
    query = f"""
        SELECT subject, ordinal, at, until, event_id, lead_id, cycle, opportunity_id, account_id, starts_on,
               mrr_amount, mrr_currency, {", ".join(DIMENSIONS)}
        FROM {schema}.passage WHERE milestone = 'won'
        AND coalesce(account_id, lead_id, opportunity_id) = ANY($1::uuid[])
    """
    return [_won(row) for row in await fetch(session, query, sorted(customers))]


def _won(row: Any) -> Passage:
    return Passage(
        milestone="won",
        **{name: row[name] for name in ("subject", "ordinal", "at", "until", "event_id", "lead_id", "cycle")},
        opportunity_id=row["opportunity_id"],
        account_id=row["account_id"],
        starts_on=row["starts_on"],
        mrr=None if row["mrr_amount"] is None else Amount(row["mrr_amount"], row["mrr_currency"]),
        dimensions={name: row[name] for name in DIMENSIONS if row[name]},
    )


async def beat(session: AsyncSession, now: datetime) -> None:
    """Tell everyone who watches that something changed."""
    table = models.standing.pulse.name
    query = f"""
        INSERT INTO {table} AS p (id, version, moved_at) VALUES (1, 1, $1)
        ON CONFLICT (id) DO UPDATE SET version = p.version + 1, moved_at = excluded.moved_at
    """
    await fetch(session, query, now)
