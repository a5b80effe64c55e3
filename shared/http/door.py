"""The door: the one way into a service's database from outside.

Every write: one transaction → the Idempotency-Key's row → the endpoint → any status ≥ 400, raised or returned,
rolls back → a 2xx answer is remembered in the same transaction → outbox → commit → the relay is woken → the answer.
(A `yield` dependency would let FastAPI answer 200 and then fail to commit.)
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import nullcontext
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from shared import clock
from shared.auth import SAFE, Role, User, authenticate
from shared.database import Transaction
from shared.errors import Invalid, Overloaded
from shared.http.idempotency import Claim
from shared.service import Runtime
from shared.sqlerrors import sqlstate

AGAIN = frozenset({"23505", "40001", "40P01"})  # lost a race: unique value, serialization, deadlock
TRIES = 3

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class _RolledBack(Exception):
    def __init__(self, response: Response) -> None:
        self.response = response


class Door(APIRoute):
    """The route class of every router in the services."""

    def get_route_handler(self) -> Endpoint:
        endpoint = super().get_route_handler()

        async def through(request: Request) -> Response:
            request.state.user = authenticate(request, request.app.state.runtime.keys)
            if request.method in SAFE:
                return await endpoint(request)
            return await _write(request, endpoint)

        return through


async def _write(request: Request, endpoint: Endpoint) -> Response:
    for attempt in range(1, TRIES + 1):
        try:
            return await _attempt(request, endpoint)
        except Exception as error:
            if attempt == TRIES or sqlstate(error) not in AGAIN:
                raise
    raise AssertionError("unreachable")


async def _attempt(request: Request, endpoint: Endpoint) -> Response:
    _refuse_beyond_the_outbox(request.app.state.runtime)
    claim = Claim(request, request.state.user, await request.body())
    try:
        async with request.app.state.runtime.database.transaction() as tx:
            tx.if_match = _if_match(request)
            request.state.tx = tx
            if (earlier := await claim.take(tx.session)) is not None:
                return earlier
            response = await endpoint(request)
            if response.status_code >= 400:
                raise _RolledBack(response)
            await claim.remember(tx.session, response)
            return response
    except _RolledBack as refused:
        return refused.response


def _refuse_beyond_the_outbox(runtime: Runtime) -> None:
    """What is accepted must be told. When nothing has left for long, nothing more is taken in."""
    health, settings = runtime.health, runtime.settings
    if health.outbox_rows > settings.outbox_limit_rows or health.outbox_seconds > settings.outbox_limit_seconds:
        waiting = f"{health.outbox_rows} events, the oldest {health.outbox_seconds:.0f} s old, wait to be sent"
        raise Overloaded(f"{waiting}; reading works", retry_after=5)


def _if_match(request: Request) -> int | None:
    given = request.headers.get("if-match")
    if given is None or given.strip() == "*":
        return None
    number = given.strip().removeprefix("W/").strip('"')
    if not number.isdigit() or len(number) > 9:
        raise Invalid("If-Match", 'an ETag of this service, such as "3"')
    return int(number)


# Dependencies are coroutines even where they await nothing: FastAPI runs a plain function in a thread of its own.
async def _transaction(request: Request) -> Transaction:
    tx: Transaction = request.state.tx
    return tx


async def _reading(request: Request) -> AsyncIterator[AsyncSession]:
    tx = getattr(request.state, "tx", None)
    async with nullcontext(tx.session) if tx else request.app.state.runtime.database.reading() as session:
        yield session


async def _user(request: Request) -> User:
    user: User = request.state.user
    return user


async def _now() -> datetime:
    return clock.utc_now()


Tx = Annotated[Transaction, Depends(_transaction)]
Reading = Annotated[AsyncSession, Depends(_reading)]
Who = Annotated[User, Depends(_user)]
Now = Annotated[datetime, Depends(_now)]


def allowed(*roles: Role) -> Any:
    """A dependency for writes: the user must hold one of `roles`, or be admin."""

    async def check(user: Who) -> None:
        user.require(roles)

    return Depends(check)


def resource(out: Any, *, version: int | None = None, status: int = 200, location: str | None = None) -> Response:
    """An answer with its ETag."""
    headers = {"ETag": f'"{version}"'} if version is not None else {}
    if location:
        headers["Location"] = location
    return Response(out.model_dump_json(), status, headers, "application/json")
