"""`/v1/dead-letters`: what this service could not take in, and what people do about it."""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.auth import Role
from shared.contracts.envelope import Undecodable
from shared.errors import Invalid, Refused
from shared.http.bodies import Body, LongText
from shared.http.door import Door, Reading, Tx, Who, allowed
from shared.http.paging import ListQuery, Page, filtered, page
from shared.messaging import dead_letters
from shared.messaging.dead_letters import DeadLetter
from shared.messaging.receiver import Receiver
from shared.service import Runtime, Service

Kind = Literal["parked", "unreadable", "voided", "discarded"]
KEEPERS = (Role.OPS_LEAD,)  # and admin


class DeadLettersQuery(ListQuery):
    """Without `kind`: everything that is not yet discarded."""

    sort: str = Field("created_at", pattern="^-?created_at$", description="- for newest first")
    kind: Kind | None = None
    type: str | None = Field(None, max_length=120)
    source: str | None = Field(None, max_length=120)
    journey: str | None = Field(None, max_length=120)


class ConcernedOut(BaseModel):
    """The business record a dead letter is about, and whose it is."""

    kind: str
    id: str
    owner: str | None


class DeadLetterOut(BaseModel):
    """`kind`: parked (it waits, with everything later of its journey), unreadable, voided (Kafka refused it) or
    discarded. `reason`: gap (a number before it never came) or poison (its handler failed: `error`). `created_at` says
    since when."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: Kind
    reason: str | None
    error: str | None
    type: str | None
    source: str | None
    journey: str | None
    sequence: int | None
    topic: str
    partition: int | None
    offset: int | None
    attempts: int | None
    created_at: datetime
    discarded_at: datetime | None
    discarded_by: str | None
    discarded_because: str | None
    concerns: ConcernedOut | None = None


class DeadLetterWhole(DeadLetterOut):
    """With the original bytes: as JSON in `event` where they are some, and always in `value` (base64)."""

    value: str | None
    event: Any = None
    headers: dict[str, str]
    missing: list[int] = Field(description="numbers of its journey before it that never came")


class Because(Body):
    reason: LongText = Field(description="why it is done without; kept")


class Redriven(BaseModel):
    """`applied`: how many events of the journey. `waiting`: how many still wait, the first one for `error`."""

    applied: int
    waiting: int
    error: str | None


def dead_letters_router(service: Service) -> APIRouter:
    """What people do about what `service` could not take in."""
    router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"], route_class=Door)

    @router.get("", dependencies=[allowed(*KEEPERS)])
    async def list_dead_letters(session: Reading, given: Annotated[DeadLettersQuery, Query()]) -> Page[DeadLetterOut]:
        """The oldest first."""
        rows, cursor = await page(session, _asked(given), DeadLetter, given)
        concerned = await _concerned(service, session, [row.journey for row in rows if row.journey])
        return Page(items=[_out(row, concerned) for row in rows], next_cursor=cursor)

    @router.get("/{letter_id}", dependencies=[allowed(*KEEPERS)])
    async def get_dead_letter(letter_id: UUID, request: Request, session: Reading) -> DeadLetterWhole:
        """One of them, with its original bytes."""
        letter = await dead_letters.find(session, letter_id)
        waits = letter.kind == "parked" and service.receiver(_runtime(request)).ordered
        concerned = await _concerned(service, session, [letter.journey] if letter.journey else [])
        return DeadLetterWhole(
            **dict(_out(letter, concerned)),
            value=base64.b64encode(letter.value).decode() if letter.value is not None else None,
            event=_json(letter.value),
            headers=dict(letter.headers or []),
            missing=list(await dead_letters.missing_before(session, letter)) if waits else [],
        )

    _add_acts(router, service)
    return router


def _add_acts(router: APIRouter, service: Service) -> None:
    @router.post("/{letter_id}/redrive", dependencies=[allowed(*KEEPERS)])
    async def redrive(letter_id: UUID, request: Request, tx: Tx) -> Redriven:
        """Try it again, and what waits behind it, in the order of its journey."""
        letter = await dead_letters.find(tx.session, letter_id, held=True)
        receiver = service.receiver(_runtime(request))
        if letter.kind == "parked":
            return await _again(receiver, tx, (letter.source, letter.journey))
        if letter.kind != "unreadable":
            raise Refused(f"It does not wait: it is {letter.kind}", rule="not_waiting")
        try:
            await receiver.take_again_unreadable(tx, dead_letters.record_of(letter))
        except Undecodable as error:
            raise Refused(f"It still cannot be read: {error}", rule="still_unreadable") from error
        await dead_letters.forget(tx, letter)
        return Redriven(applied=1, waiting=0, error=None)

    @router.post("/{letter_id}/discard", dependencies=[allowed(*KEEPERS)])
    async def discard(letter_id: UUID, body: Because, request: Request, tx: Tx, who: Who) -> Redriven:
        """Do without it: its number is passed, and what waits behind it goes on. The reason is kept with the letter."""
        letter = await dead_letters.find(tx.session, letter_id, held=True)
        receiver = service.receiver(_runtime(request))
        stream = await dead_letters.discard(tx, letter, ordered=receiver.ordered, by=who.subject, because=body.reason)
        return await _again(receiver, tx, stream) if stream else Redriven(applied=0, waiting=0, error=None)

    @router.post("/{letter_id}/give-up-missing", dependencies=[allowed(*KEEPERS)])
    async def give_up_missing(letter_id: UUID, body: Because, request: Request, tx: Tx, who: Who) -> Redriven:
        """Wait no longer for the numbers before it that never came: it is applied without them."""
        letter, receiver = (
            await dead_letters.find(tx.session, letter_id, held=True),
            service.receiver(_runtime(request)),
        )
        if not receiver.ordered:
            raise Refused("Nothing waits for a number here", rule="nothing_missing")
        stream = await dead_letters.give_up_missing(tx, letter, by=who.subject, because=body.reason)
        return await _again(receiver, tx, stream)


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


async def _again(receiver: Receiver, tx: Tx, stream: tuple[str, str]) -> Redriven:
    applied = await receiver.take_again(tx, stream)
    waiting, error = await dead_letters.left(tx, stream)
    return Redriven(applied=applied, waiting=waiting, error=error)


def _asked(given: DeadLettersQuery) -> Any:
    for name in ("external_id", "updated_at_from", "updated_at_to"):
        if getattr(given, name) is not None:
            raise Invalid(name, "is nothing a dead letter has")
    query = filtered(select(DeadLetter), DeadLetter, given)
    return query if given.kind else query.where(DeadLetter.kind != "discarded")


def _out(letter: Any, concerned: dict[str, ConcernedOut]) -> DeadLetterOut:
    shown = DeadLetterOut.model_validate(letter)
    return shown.model_copy(update={"concerns": concerned.get(letter.journey)})


async def _concerned(service: Service, session: AsyncSession, journeys: Sequence[str]) -> dict[str, ConcernedOut]:
    record = service.record
    if record is None or not journeys:
        return {}
    rows = await session.execute(
        select(record.journey, record.id, record.owner).where(record.journey.in_(journeys)).order_by(record.id)
    )
    return {journey: ConcernedOut(kind=record.name, id=str(id), owner=owner) for journey, id, owner in rows}


def _json(value: bytes | None) -> Any:
    try:
        return orjson.loads(value or b"")
    except ValueError:
        return None
