"""Lists: keyset cursors that stay stable while rows are written, filters that refuse what they do not know."""

import base64
import binascii
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from shared.errors import Invalid

T = TypeVar("T")
RANGES = {"_from": "__ge__", "_to": "__lt__"}
CONTROLS = frozenset({"limit", "cursor", "sort", "archived"})


class Page(BaseModel, Generic[T]):
    """`next_cursor` is null on the last page."""

    items: list[T]
    next_cursor: str | None = None


class ListQuery(BaseModel):
    """What every list takes; a service derives its own filters: a field named like a column means equality,
    `<column>_from` inclusive and `<column>_to` exclusive are ranges."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = Field(None, max_length=500)
    sort: str = Field("created_at", pattern="^-?(created_at|updated_at)$", description="- for newest first")
    archived: bool = Field(False, description="also what was archived")
    external_id: str | None = Field(None, max_length=120)
    created_at_from: AwareDatetime | None = None
    created_at_to: AwareDatetime | None = None
    updated_at_from: AwareDatetime | None = None
    updated_at_to: AwareDatetime | None = None


def filtered(query: Select[Any], row: Any, given: ListQuery) -> Select[Any]:
    """`query` with every filter that was given."""
    for name, value in given.model_dump(exclude_none=True, exclude=set(CONTROLS)).items():
        column, operator = name, "__eq__"
        for ending, found in RANGES.items():
            if name.endswith(ending) and not hasattr(row, name):
                column, operator = name.removesuffix(ending), found
        query = query.where(getattr(getattr(row, column), operator)(value))
    if hasattr(row, "archived_at") and not given.archived:
        query = query.where(row.archived_at.is_(None))
    return query


async def page(
    session: AsyncSession, query: Select[Any], row: Any, given: ListQuery, *, key: str = "id"
) -> tuple[list[Any], str | None]:
    """One page of rows and the cursor of the next. Raises Invalid for a cursor that is not of this list."""
    name, descending = given.sort.removeprefix("-"), given.sort.startswith("-")
    by, unique = getattr(row, name), getattr(row, key)
    if given.cursor:
        after = tuple_(*_decode(given.cursor, given.sort, unique))
        here = tuple_(by, unique)
        query = query.where(here < after if descending else here > after)
    order = (by.desc(), unique.desc()) if descending else (by, unique)
    rows = list(await session.scalars(query.order_by(*order).limit(given.limit + 1)))
    if len(rows) <= given.limit:
        return rows, None
    last = rows[given.limit - 1]
    return rows[: given.limit], _encode(given.sort, getattr(last, name), getattr(last, key))


def _encode(sort: str, value: Any, unique: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([sort, value, str(unique)])).decode().rstrip("=")


def _decode(cursor: str, sort: str, unique: Any) -> tuple[Any, Any]:
    try:
        made_for, value, last = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if made_for != sort:
            raise Invalid("cursor", "belongs to a list with another sort")
        kind = unique.type.python_type
        return (datetime.fromisoformat(value) if isinstance(value, str) else value), UUID(
            last
        ) if kind is UUID else last
    except (binascii.Error, ValueError, TypeError, UnicodeDecodeError) as error:
        raise Invalid("cursor", "is not one of ours") from error
