"""`/v1/rules`: what a department works by, as people read and change it."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field, ValidationError
from starlette.responses import Response

from shared.auth import Role
from shared.database import Transaction
from shared.errors import Malformed
from shared.http.bodies import Body, LongText
from shared.http.door import Door, Now, Reading, Tx, Who, allowed, resource
from shared.http.problems import field_errors
from shared.rules import Kind, Rulebook, RuleVersion, current


class RuleIn(Body):
    """A new version of a rule. The one in force keeps ruling until `valid_from`."""

    rule: dict[str, Any] = Field(description="the whole rule, as GET /v1/rules/{name} shows it")
    valid_from: AwareDatetime | None = Field(None, description="default now")
    note: LongText | None = None
    for_history: bool = Field(
        False, description="it may begin before the one in force, and rules what is yet to be told of that time"
    )


class RuleOut(BaseModel):
    """One version of a rule."""

    name: str
    ja: str
    en: str
    version: int
    valid_from: datetime
    in_force: bool
    rule: dict[str, Any]
    note: str | None
    by: str
    created_at: datetime


class RulesOut(BaseModel):
    items: list[RuleOut]


class RuleVersions(RuleOut):
    """The version in force, and all of them, the newest first."""

    versions: list[RuleOut]


Then = Callable[[Transaction, Any, datetime], Awaitable[None]]


def rules_router(book: Rulebook, *roles: Role, then: Then | None = None) -> APIRouter:
    """Whoever holds one of `roles` changes the rules; `then` does in the same transaction what follows from a new one,
    and may refuse it."""
    router = APIRouter(prefix="/v1/rules", tags=["rules"], route_class=Door)

    @router.get("")
    async def list_rules(session: Reading, now: Now) -> RulesOut:
        """Every rule as it is in force."""
        found = await book.versions(session)
        return RulesOut(items=[_out(kind, current(found[name], now), True) for name, kind in book.kinds.items()])

    @router.get("/{name}", response_model=RuleVersions)
    async def get_rule(name: str, session: Reading, now: Now) -> Response:
        """The version in force, with all of them. The ETag is the number of the newest."""
        kind = book.kind(name)
        rows = (await book.versions(session))[name]
        ruling = current(rows, now)
        versions = [_out(kind, row, row is ruling) for row in rows]
        shown = RuleVersions(**dict(_out(kind, ruling, True)), versions=versions)
        return resource(shown, version=max(row.version for row in rows))

    @router.put("/{name}", response_model=RuleOut, dependencies=[allowed(*roles)])
    async def put_rule(name: str, body: RuleIn, tx: Tx, now: Now, who: Who) -> Response:
        """The next version, from `valid_from` on. What was judged before stays judged by its own version."""
        kind, begins = book.kind(name), body.valid_from or now
        rule = _understood(book, name, body.rule)
        row = await book.change(
            tx,
            name,
            rule,
            valid_from=begins,
            note=body.note,
            by=who.subject,
            now=now,
            for_history=body.for_history,
        )
        if then:
            await then(tx, rule, now)
        in_force = current((await book.versions(tx.session))[name], now) is row
        return resource(_out(kind, row, in_force), version=row.version)

    return router


def _understood(book: Rulebook, name: str, given: dict[str, Any]) -> Any:
    try:
        return book.understand(name, given)
    except ValidationError as error:
        errors = [{**found, "loc": ("rule", *found["loc"])} for found in error.errors()]
        raise Malformed(field_errors(errors)) from error


def _out(kind: Kind, row: RuleVersion, in_force: bool) -> RuleOut:
    return RuleOut(
        name=row.name,
        ja=kind.ja,
        en=kind.en,
        version=row.version,
        valid_from=row.valid_from,
        in_force=in_force,
        rule=row.rule,
        note=row.note,
        by=row.by,
        created_at=row.created_at,
    )
