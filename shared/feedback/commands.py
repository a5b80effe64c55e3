"""What departments do with feedback, and what they learn of it from each other.

The stream of an item is the item's own: key = feedback id, so that its steps stay in order and gapless whatever it
speaks of. What it speaks of is in `refs` and `lead_id`, `account_id`, `opportunity_id`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.auth import Role, User
from shared.contracts.feedback import FeedbackGivenBase, FeedbackUpdatedBase, Party
from shared.database import Transaction
from shared.errors import Forbidden, NotFound, Refused
from shared.feedback.items import WHO, Act, IllegalMove, Side, State, Telling, steps
from shared.feedback.models import FeedbackRow
from shared.feedback.schemas import GiveIn
from shared.ids import new_id


class ToItself(Refused):
    rule, title = "feedback_to_itself", "Feedback is for another department"


class NotYours(Refused):
    rule, title = "feedback_not_yours", "The other department does this"


class ReasonNeeded(Refused):
    rule, title = "reason_needed", "Declining needs a reason"


@dataclass(frozen=True, slots=True)
class Voice:
    """How a service speaks: its event classes, and the departments whose box it keeps, its own first."""

    given: type[FeedbackGivenBase]
    updated: type[FeedbackUpdatedBase]
    parties: tuple[Party, ...]

    def keeps(self, *parties: str | None) -> bool:
        return any(party in self.parties for party in parties)

    def sender(self, who: User, wanted: Party | None) -> Party:
        """As whom `who` gives. Raises Forbidden for a department they do not belong to."""
        if wanted is not None:
            if wanted not in self.parties:
                raise Forbidden(f"{wanted} gives its feedback in its own service")
            who.require([Role(wanted)])
            return wanted
        return next((party for party in self.parties if Role(party) in who.roles), self.parties[0])


async def give(tx: Transaction, voice: Voice, body: GiveIn, *, who: User, now: datetime) -> tuple[FeedbackRow, bool]:
    """The item, and whether it is new: the same external id again answers what it made first."""
    sender, at = voice.sender(who, body.sender), body.when(now)
    if body.to == sender:
        raise ToItself(f"{sender} cannot give feedback to itself")
    if body.external_id and (known := await _by_external_id(tx.session, body.external_id, (sender,))):
        return known, False
    event = voice.given(
        feedback_id=new_id(),
        sender=sender,
        receiver=body.to,
        refs=tuple(body.refs),
        **{f"{kind}_id": _about(body, kind) for kind in ("lead", "account", "opportunity")},
        **body.model_dump(
            include={"kind", "reason", "text", "severity", "external_id", "owner", "channel", "segment"},
        ),
    )
    row = FeedbackRow(id=event.feedback_id)
    _describe(row, event, at)
    tx.add(row)
    tx.announce(event, journey=row.id, at=at)
    await tx.session.flush()
    return row, True


async def move(
    tx: Transaction, voice: Voice, feedback_id: UUID, act: Act, said: Telling, *, who: User, dated: bool
) -> FeedbackRow:
    """Take the step `act`. `said.at` is only a bound where it was not `dated`: clocks of two departments differ.

    Raises NotFound, NotYours, Forbidden, IllegalMove, BeforePreviousStep, ReasonNeeded.
    """
    row = await tx.lock(FeedbackRow, feedback_id, retry_after=1)
    if row.given_at is None:
        raise NotFound("The item itself has not arrived yet", retry_after=1)
    by = row.sender if WHO[act] is Side.SENDER else row.receiver
    if not voice.keeps(by):
        raise NotYours(f"{by} does this", state=row.state)
    who.require([Role(str(by))])
    if act is Act.DECLINE and not said.reason:
        raise ReasonNeeded(missing=["reason"])
    latest = row.progress.latest(row.given_at)
    said = said if dated else replace(said, at=max(said.at, latest))
    for step in steps(row.progress, act, said, row.given_at):
        row.take(step)
        tx.announce(_update(voice, row, step, by), journey=row.id, at=step.at)
    await tx.session.flush()
    return row


async def take_given(tx: Transaction, voice: Voice, event: FeedbackGivenBase, at: datetime) -> None:
    """Keep a copy of an item from or for one of our boxes; steps told before it are on the placeholder already."""
    row = await tx.session.get(FeedbackRow, event.feedback_id, with_for_update=True)
    if not voice.keeps(event.sender, event.receiver):
        if row is not None and row.given_at is None:
            await tx.session.delete(row)
        return
    if row is None:
        row = FeedbackRow(id=event.feedback_id)
        tx.add(row)
    _describe(row, event, at)


async def take_update(tx: Transaction, voice: Voice, event: FeedbackUpdatedBase) -> None:
    """Join a step the other side took, on a placeholder where the item itself is still on its way."""
    row = await tx.session.get(FeedbackRow, event.feedback_id, with_for_update=True)
    if row is None:
        if event.sender and not voice.keeps(event.sender, event.receiver):
            return
        row = FeedbackRow(id=event.feedback_id, state=State.GIVEN, sender=event.sender, receiver=event.receiver)
        tx.add(row)
    row.take(Telling(State(event.state), event.at, event.decision_reason, event.change, event.useful))


async def resolve(session: AsyncSession, voice: Voice, given: str) -> UUID:
    """The id a path names: ours, or `ext:<external_id>`, which is first looked for among what this service gave."""
    if given.startswith("ext:"):
        row = await _by_external_id(session, given.removeprefix("ext:"), voice.parties)
        row = row or await _by_external_id(session, given.removeprefix("ext:"), None)
        if row is None:
            raise NotFound(f"No feedback has the external id {given.removeprefix('ext:')}", retry_after=1)
        return row.id
    try:
        return UUID(given)
    except ValueError as error:
        raise NotFound(f"{given[:60]} is no id of a feedback item") from error


async def _by_external_id(session: AsyncSession, external_id: str, senders: Sequence[str] | None) -> FeedbackRow | None:
    query = select(FeedbackRow).where(FeedbackRow.external_id == external_id)
    if senders is not None:
        query = query.where(FeedbackRow.sender.in_(senders))
    return (await session.scalars(query.order_by(FeedbackRow.created_at).limit(1))).one_or_none()


def _describe(row: FeedbackRow, event: FeedbackGivenBase, at: datetime) -> None:
    told = event.model_dump(exclude={"feedback_id", "refs"})
    for name, value in told.items():
        setattr(row, name, value)
    row.refs = [ref.model_dump() for ref in event.refs]
    row.given_at = at
    row.state = row.progress.state


def _update(voice: Voice, row: FeedbackRow, step: Telling, by: str | None) -> FeedbackUpdatedBase:
    return voice.updated.model_validate(
        {
            "feedback_id": row.id,
            "state": step.state.value,
            "at": step.at,
            "by": by,
            "decision_reason": step.reason,
            "change": step.change,
            "useful": step.useful,
            "sender": row.sender,
            "receiver": row.receiver,
        }
    )


def _about(body: GiveIn, kind: str) -> UUID | None:
    """The first reference of that kind which is an id of ours."""
    for ref in body.refs:
        if ref.kind == kind:
            try:
                return UUID(ref.id)
            except ValueError:
                continue
    return None


__all__ = ["IllegalMove", "Voice", "give", "move", "resolve", "take_given", "take_update"]
