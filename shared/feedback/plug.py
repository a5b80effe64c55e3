"""What a service plugs in: the feedback it gives and is given, over HTTP and as events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import MetaData, select
from starlette.responses import Response

from shared.auth import Role, User
from shared.contracts import PUBLISHERS
from shared.contracts.feedback import FeedbackGivenBase, FeedbackUpdatedBase, Party
from shared.database import Transaction
from shared.errors import NotFound
from shared.feedback import commands
from shared.feedback.commands import Voice
from shared.feedback.items import Act, State, Telling
from shared.feedback.kinds import KINDS
from shared.feedback.models import FeedbackRow
from shared.feedback.schemas import AcknowledgeIn, ActIn, CloseIn, DecideIn, FeedbackOut, FeedbackQuery, GiveIn
from shared.http.bodies import Dated
from shared.http.door import Door, Now, Reading, Tx, Who, allowed, resource
from shared.http.paging import Page, filtered, page
from shared.http.reasons import Reason
from shared.messaging.inbox import Handlers

DEPARTMENTS: tuple[Party, ...] = ("marketing", "inside_sales", "field_sales", "customer_success")


class Feedback:
    """One service's side of the reverse flow.

    `given` and `updated` are its own event classes; its `metadata` gets the table; `parties` are the departments whose
    box it keeps, its own first (customer success keeps product's). The service must listen to `others`.
    """

    def __init__(
        self,
        service: Party,
        given: type[FeedbackGivenBase],
        updated: type[FeedbackUpdatedBase],
        *,
        metadata: MetaData,
        parties: Sequence[Party] = (),
    ) -> None:
        self.voice = Voice(given, updated, tuple(parties) or (service,))
        self.others = tuple(name for name in DEPARTMENTS if name != service)
        FeedbackRow.metadata.tables["feedback"].to_metadata(metadata)

    def handlers(self) -> Handlers:
        """What the other departments tell of their feedback. Items between two others are not kept."""

        async def on_given(tx: Transaction, event: FeedbackGivenBase, meta: Any) -> None:
            await commands.take_given(tx, self.voice, event, meta.time)

        async def on_updated(tx: Transaction, event: FeedbackUpdatedBase, _: Any) -> None:
            await commands.take_update(tx, self.voice, event)

        return {
            **{PUBLISHERS[name].FeedbackGiven: on_given for name in self.others},
            **{PUBLISHERS[name].FeedbackUpdated: on_updated for name in self.others},
        }

    def router(self) -> APIRouter:
        roles = allowed(*(Role(party) for party in self.voice.parties))
        router = APIRouter(prefix="/v1/feedback", tags=["feedback"], route_class=Door)
        self._reads(router)
        self._acts(router, roles)
        return router

    def _reads(self, router: APIRouter) -> None:
        voice = self.voice

        @router.get("", response_model=Page[FeedbackOut])
        async def list_feedback(given: Annotated[FeedbackQuery, Query()], session: Reading) -> Page[FeedbackOut]:
            """Feedback this department gave (`box=out`) or was given (`box=in`)."""
            rows, cursor = await items(self, session, given)
            return Page(items=[FeedbackOut.model_validate(row) for row in rows], next_cursor=cursor)

        @router.get("/kinds")
        async def kinds() -> list[Reason]:
            """What feedback can be about, with the words people read."""
            return list(KINDS)

        @router.get("/{feedback_id}", response_model=FeedbackOut)
        async def get_feedback(feedback_id: str, session: Reading) -> Response:
            row = await session.get(FeedbackRow, await commands.resolve(session, voice, feedback_id))
            if row is None or row.given_at is None:
                raise NotFound("This feedback is not known here", retry_after=1)
            return _answer(row)

    def _acts(self, router: APIRouter, roles: Any) -> None:
        voice = self.voice

        @router.post("", dependencies=[roles], response_model=FeedbackOut, status_code=201)
        async def give(body: GiveIn, tx: Tx, now: Now, who: Who) -> Response:
            """Give another department feedback. The same `external_id` again answers 200 and the item it made."""
            row, new = await commands.give(tx, voice, body, who=who, now=now)
            return _answer(row, 201 if new else 200)

        async def moved(
            given: str, act: Act, body: Dated, tx: Transaction, now: datetime, who: User, **said: Any
        ) -> Response:
            feedback_id, dated = await commands.resolve(tx.session, voice, given), body.occurred_at is not None
            telling = Telling(State.GIVEN, body.when(now), **said)
            return _answer(await commands.move(tx, voice, feedback_id, act, telling, who=who, dated=dated))

        @router.post("/{feedback_id}/acknowledge", dependencies=[roles], response_model=FeedbackOut)
        async def acknowledge(feedback_id: str, body: AcknowledgeIn, tx: Tx, now: Now, who: Who) -> Response:
            """The receiver has read it."""
            return await moved(feedback_id, Act.ACKNOWLEDGE, body, tx, now, who)

        @router.post("/{feedback_id}/decide", dependencies=[roles], response_model=FeedbackOut)
        async def decide(feedback_id: str, body: DecideIn, tx: Tx, now: Now, who: Who) -> Response:
            """The receiver accepts it, or declines it with a reason."""
            decision = Act.ACCEPT if body.accept else Act.DECLINE
            return await moved(feedback_id, decision, body, tx, now, who, reason=body.reason)

        @router.post("/{feedback_id}/act", dependencies=[roles], response_model=FeedbackOut)
        async def act(feedback_id: str, body: ActIn, tx: Tx, now: Now, who: Who) -> Response:
            """The receiver changed something because of it."""
            return await moved(feedback_id, Act.ACT, body, tx, now, who, change=body.change)

        @router.post("/{feedback_id}/close", dependencies=[roles], response_model=FeedbackOut)
        async def close(feedback_id: str, body: CloseIn, tx: Tx, now: Now, who: Who) -> Response:
            """The sender closes it, and says whether it helped."""
            return await moved(feedback_id, Act.CLOSE, body, tx, now, who, useful=body.useful)


async def items(feedback: Feedback, session: Any, given: FeedbackQuery) -> tuple[list[FeedbackRow], str | None]:
    """One page of a box."""
    query = select(FeedbackRow).where(FeedbackRow.given_at.is_not(None))
    if given.box is not None:
        side = FeedbackRow.receiver if given.box == "in" else FeedbackRow.sender
        query = query.where(side.in_(feedback.voice.parties))
    plain = given.model_copy(update={"box": None})
    return await page(session, filtered(query, FeedbackRow, plain), FeedbackRow, given)


def _answer(row: FeedbackRow, status: int = 200) -> Response:
    return resource(
        FeedbackOut.model_validate(row), version=row.version, status=status, location=f"/v1/feedback/{row.id}"
    )
