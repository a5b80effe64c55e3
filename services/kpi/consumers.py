"""What every department told, taken in as facts: a set, so order, repetition and lateness do not matter.

Nothing is dropped or kept waiting because of its number; a number that is missing is only watched (`stream_state`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Select, delete, select, text

from services.kpi.commands.reading import Unusable, fact_of
from services.kpi.commands.recording import record
from services.kpi.commands.storing import beat
from services.kpi.domain.freshness import Freshness
from services.kpi.domain.stages import STAGES
from services.kpi.projections.facts import LEAD_ERASED, Fact
from services.kpi.queries.freshness import freshness
from shared import clock
from shared.contracts.envelope import Meta
from shared.database import Transaction
from shared.forgetting import forget_person
from shared.messaging import heartbeat, offsets, parking
from shared.messaging.offsets import Ends
from shared.messaging.parking import Letter, Stream, parked_event
from shared.messaging.receiver import Receiver, count, letter_of, waited
from shared.service import Runtime
from shared.settings import Settings
from shared.sqlerrors import transient

log = structlog.get_logger()

AGAIN = 500
NOTE = text("""
    INSERT INTO freshness AS f (publisher, complete_to) VALUES (:publisher, :moment) ON CONFLICT (publisher)
    DO UPDATE SET complete_to = greatest(f.complete_to, excluded.complete_to)
""")


class FactStore(Receiver):
    """kpi's side of the hand-off."""

    ordered = False

    def __init__(self, runtime: Runtime, publishers: Mapping[str, str]) -> None:
        super().__init__(runtime.database, publishers, runtime.settings.dead_letter_topic)
        self._zone = runtime.settings.zone

    async def take_all(self, ends: Ends, letters: Sequence[Letter]) -> None:
        facts = [(letter, fact_of(letter.meta, letter.data)) for letter in letters]
        async with self.acting() as tx:
            await offsets.fence(tx.session, ends)
            await _union(tx, facts, self._zone)

    async def take_each(self, tx: Transaction, letters: Sequence[Letter]) -> None:
        for letter in letters:
            try:
                async with tx.savepoint():
                    await _union(tx, [(letter, fact_of(letter.meta, letter.data))], self._zone)
            except Unusable as error:
                await _park(tx, letter, str(error))
            except Exception as error:
                if transient(error):
                    raise
                await _park(tx, letter, f"{type(error).__name__}: {error}")

    async def take_again(self, tx: Transaction, stream: Stream) -> int:
        source, journey = stream
        of_it = parked_event.c.source == source, parked_event.c.stream == journey
        return await _again(tx, select(parked_event).where(*of_it).order_by(parked_event.c.sequence))


async def _union(tx: Transaction, facts: Sequence[tuple[Letter, Fact]], zone: ZoneInfo) -> None:
    fresh = await record(tx.session, [fact for _, fact in facts], zone=zone, now=clock.utc_now())
    await forget_person(tx, {fact.lead_id for _, fact in facts if fact.type == LEAD_ERASED and fact.lead_id})
    new = {fact.id: letter.meta for letter, fact in facts if fact.id in fresh}
    outcomes = Counter(meta.type for meta in new.values())
    again = Counter(fact.type for _, fact in facts)
    again.subtract(outcomes)
    tx.after_commit(lambda: _measure(list(new.values()), outcomes, again))


async def redrive(tx: Transaction, _: datetime) -> int:
    """Try what is parked again: a newer reader may understand it. Returns how many became facts."""
    return await _again(tx, select(parked_event).order_by(parked_event.c.parked_at).limit(AGAIN))


async def _again(tx: Transaction, parked: Select[Any]) -> int:
    done, zone = 0, Settings(service="kpi").zone
    for row in await tx.session.execute(parked):
        letter = letter_of(row)
        try:
            async with tx.savepoint():
                await _union(tx, [(letter, fact_of(letter.meta, letter.data))], zone)
        except Exception as error:
            if transient(error):
                raise
            continue
        meta = letter.meta
        await tx.session.execute(
            delete(parked_event).where(
                parked_event.c.source == meta.source,
                parked_event.c.stream == meta.key,
                parked_event.c.sequence == meta.sequence,
            )
        )
        done += 1
    return done


async def _park(tx: Transaction, letter: Letter, error: str) -> None:
    log.error("event parked", type=letter.meta.type, key=letter.meta.key, error=error[:300])
    await parking.park(tx.session, letter, parking.POISON, error[:2000])
    tx.after_commit(lambda: count(letter.meta.type, "parked"))


async def keep_fresh(runtime: Runtime) -> None:
    """Note for each department up to which moment all it told is known here, until cancelled."""
    settings, late = runtime.settings, list[str]()

    async def note(listener: heartbeat.Listener) -> None:
        nonlocal late
        late = await _note(runtime, listener, late)

    topics = {name: settings.topic(name) for name in STAGES}
    await heartbeat.follow(settings.kafka, "themodel-kpi-heartbeats", settings.heartbeat_topic, topics, note)


async def _note(runtime: Runtime, listener: heartbeat.Listener, before: list[str]) -> list[str]:
    """Which departments are late now; everyone who watches is told when that changes."""
    now, seconds = clock.utc_now(), runtime.settings.freshness_seconds
    async with runtime.database.reading() as session:
        reached = listener.reached(await offsets.standing(session))
        known = await freshness(session, STAGES, seconds)
    late = Freshness({**known.complete_to, **reached}, known.bound).late(now)
    if reached or late != before:
        async with runtime.database.transaction() as tx:
            for publisher, moment in reached.items():
                await tx.session.execute(NOTE, {"publisher": publisher, "moment": moment})
            if late != before:
                await beat(tx.session, now)
    return late


def _measure(new: Sequence[Meta], applied: Counter[str], again: Counter[str]) -> None:
    for kind, number in applied.items():
        count(kind, "applied", number)
    for kind, number in (+again).items():
        count(kind, "duplicate", number)
    for meta in new:
        if not meta.replay_only:  # history was recorded when its company lived it
            waited(meta)
