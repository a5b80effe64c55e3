"""A department's side of the hand-off: numbers checked, handlers run, offsets moved, all in one transaction.

The fast way runs a batch of events that all follow what was applied, without savepoints, with the rows it is about
locked in a few statements beforehand. Where that is not so, or a handler fails, everything is rolled back and the batch
is read again carefully, one savepoint an event: the one that fails is parked, the others go on.
"""

import functools
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from pydantic import ValidationError

from shared import failpoints, tracing
from shared.contracts.base import Event
from shared.contracts.envelope import Meta
from shared.database import Database, Transaction
from shared.messaging import parking
from shared.messaging.offsets import Ends
from shared.messaging.parking import Letter, Stream
from shared.messaging.progress import ADVANCE, steps
from shared.messaging.receiver import Receiver, count, letter_of, waited
from shared.sqlerrors import transient

log = structlog.get_logger()

E = TypeVar("E", bound=Event)
Handler = Callable[[Transaction, Any, Meta], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Together:
    """A handler that takes many events at once, each of a stream of its own."""

    act: Callable[[Transaction, Sequence[tuple[Any, Meta]]], Awaitable[None]]


Handlers = Mapping[type[Event], Handler | Together]
Prepare = Callable[[Transaction, Sequence[Event]], Awaitable[None]]
"""Holds the rows a batch of events is about: what each handler would lock by a statement of its own."""


async def nothing_to_hold(_: Transaction, __: Sequence[Event]) -> None:
    """Handlers lock what they need themselves."""


class UnknownVersion(Exception):
    """A newer major version of an event we know: it waits for a reader that understands it."""


class Inbox(Receiver):
    """The Store of a department: `handlers` are the event types it listens to; all others only advance numbers."""

    def __init__(
        self,
        database: Database,
        handlers: Handlers,
        publishers: Mapping[str, str],
        dead_topic: str,
        prepare: Prepare = nothing_to_hold,
    ) -> None:
        super().__init__(database, publishers, dead_topic)
        self._prepare = prepare
        self._handlers = {event.type: (event, handler) for event, handler in handlers.items()}
        self._bases = {event.type.rsplit(".v", 1)[0]: int(event.type.rsplit(".v", 1)[1]) for event in handlers}

    async def take_all(self, ends: Ends, letters: Sequence[Letter]) -> None:
        events = [self._event(letter) for letter in letters]
        told = [(letter, event) for letter, event in zip(letters, events, strict=True) if event is not None]
        where = steps(ends, letters)
        if told:
            async with self.acting() as tx:
                await tx.fetch(ADVANCE, *where)
                await self._prepare(tx, [event for _, event in told])
                await self._hear(tx, told)
        else:
            await self.alone(ADVANCE, *where)  # nothing here is for us
        for letter, event in zip(letters, events, strict=True):
            if event is None:
                count(letter.meta.type, "ignored")

    async def _hear(self, tx: Transaction, told: Sequence[tuple[Letter, Event]]) -> None:
        for handler, some in _turns(told, self._handlers):
            if isinstance(handler, Together):
                tracing.continue_from(_trace(some[0][0]))
                tx.cause = None
                await handler.act(tx, [(event, letter.meta) for letter, event in some])
            else:
                for letter, event in some:
                    tracing.continue_from(_trace(letter))
                    tx.cause = letter.meta
                    await handler(tx, event, letter.meta)
            for letter, _ in some:
                tx.after_commit(functools.partial(_applied, letter.meta))

    async def take_each(self, tx: Transaction, letters: Sequence[Letter]) -> None:
        last, parked = await parking.standing(tx, [letter.meta.stream for letter in letters])
        before, standing = dict(last), set(parked)
        for letter in letters:
            await self._take(tx, letter, last, parked)
        await parking.save_sequences(tx, {s: n for s, n in last.items() if n != before[s]})
        if parked - standing:
            await parking.refuse_too_many(tx)

    async def _take(self, tx: Transaction, letter: Letter, last: dict[Stream, int], parked: set[Stream]) -> None:
        meta, stream = letter.meta, letter.meta.stream
        if meta.sequence <= last[stream]:
            tx.after_commit(lambda: count(meta.type, "duplicate"))
        elif meta.sequence > last[stream] + 1:
            await parking.park(tx.session, letter, parking.GAP)
            parked.add(stream)
            tx.after_commit(lambda: count(meta.type, "parked"))
        elif await self._handled(tx, letter):
            last[stream] = meta.sequence
            if stream in parked:
                await self._drain(tx, stream, last)
        else:
            parked.add(stream)

    async def _handled(self, tx: Transaction, letter: Letter) -> bool:
        """Run the handler; False when the event had to be parked."""
        try:
            event = self._event(letter)
            if event is None:
                tx.after_commit(lambda: count(letter.meta.type, "ignored"))
                return True
            async with tx.savepoint():
                await self._hear(tx, [(letter, event)])
            return True
        except Exception as error:
            if transient(error):
                raise
            log.error("event parked", type=letter.meta.type, key=letter.meta.key, error=str(error)[:300])
            await parking.park(tx.session, letter, parking.POISON, f"{type(error).__name__}: {error}"[:2000])
            tx.after_commit(lambda: count(letter.meta.type, "parked"))
            return False

    def _event(self, letter: Letter) -> Event | None:
        """What it tells, where this department listens to it. Raises what makes it wait: a newer version, a payload
        that does not hold to its schema."""
        meta = letter.meta
        found = self._handlers.get(meta.type)
        if found is None or meta.replay_only:
            self._refuse_newer(meta.type)
            return None
        try:
            return found[0].model_validate(letter.data)
        except ValidationError as error:
            raise ValueError(f"{meta.type} does not hold to its schema: {error.errors(include_input=False)}") from error

    def _refuse_newer(self, kind: str) -> None:
        base, _, version = kind.rpartition(".v")
        if version.isdigit() and int(version) > self._bases.get(base, 10**9):
            raise UnknownVersion(kind)

    async def _drain(self, tx: Transaction, stream: Stream, last: dict[Stream, int]) -> None:
        """The number just applied may be what parked events of its stream were waiting for."""
        for row in await parking.waiting(tx.session, stream, last[stream]):
            if not await self._handled(tx, letter_of(row)):
                break
            last[stream] = row.sequence
        await parking.unpark(tx.session, stream, last[stream])

    async def take_again(self, tx: Transaction, stream: Stream) -> int:
        last, _ = await parking.standing(tx, [stream])
        before = last[stream]
        await self._drain(tx, stream, last)
        if last[stream] > before:
            await parking.save_sequences(tx, last)
        return last[stream] - before

    async def redrive(self) -> int:
        """Try the parked heads again, each stream in its own transaction; returns how many streams moved on."""
        async with self._database.transaction() as tx:
            streams = await parking.heads(tx.session)
        moved = 0
        for stream in streams:
            async with self._database.transaction() as tx:
                moved += await self.take_again(tx, stream) > 0
            failpoints.reach("redrive.after_stream")
        return moved


def _turns(
    told: Sequence[tuple[Letter, Event]], handlers: Mapping[str, tuple[type[Event], Handler | Together]]
) -> list[tuple[Handler | Together, list[tuple[Letter, Event]]]]:
    """Each stream in its own order; between streams there is none, so that those of one kind can be taken together."""
    places: Counter[Stream] = Counter()
    turns: dict[tuple[int, str], list[tuple[Letter, Event]]] = {}
    for letter, event in told:
        stream, kind = letter.meta.stream, letter.meta.type
        places[stream] += 1
        turns.setdefault((places[stream], kind), []).append((letter, event))
    return [(handlers[kind][1], turns[place, kind]) for place, kind in sorted(turns, key=lambda turn: turn[0])]


def _trace(letter: Letter) -> str | None:
    return next((value.decode() for name, value in letter.headers if name == "traceparent"), None)


def _applied(meta: Meta) -> None:
    count(meta.type, "applied")
    waited(meta)
