"""What must hold of a publisher and its readers once everything is quiet (I1 to I4, I6, I7), held against the journal
of what was ever told."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from sqlalchemy import text

from shared.contracts.envelope import decode
from shared.messaging.kafka import PARTITIONS, TopicPartition, open_reader
from shared.sqlerrors import transient
from tests.support.messaging import LONG, Side, log_of, until

Journal = dict[str, tuple[str, int]]


async def quiet(publisher: Side, *readers: Side, seconds: float = LONG) -> None:
    """Waits until nothing is under way: the outbox is empty and every reader stands at the end of the log."""
    await until(partial(_answered, partial(publisher.has, 0, "outbox")), seconds)
    ends = await _ends(publisher)
    for reader in readers:
        await until(partial(_answered, partial(_stands_at, reader, ends)), seconds)


async def _answered(true: Callable[[], Awaitable[bool]]) -> bool:
    """Whether it is true; not yet where our own connection was one of those that were cut."""
    try:
        return await true()
    except Exception as error:
        if not transient(error):
            raise
        return False


async def broken(publisher: Side, *readers: Side) -> list[str]:
    """Each invariant that does not hold, with what shows it. Empty is good."""
    journal = await _journal(publisher)
    found = await _of_publisher(publisher, journal)
    ends = await _ends(publisher)
    for reader in readers:
        found += await _of_reader(reader, journal, ends)
    return found


async def _of_publisher(publisher: Side, journal: Journal) -> list[str]:
    log = [(meta.id, meta.key, meta.sequence) for meta in await log_of(publisher)]
    told = {(id, *where) for id, where in journal.items()}
    found = _all("I1 told and not in the log", told - set(log))
    found += _all("I6 still in the outbox", range(await publisher.count("outbox")))
    found += _all("I7 in the log and never told", set(log) - told)
    lasts: Counter[str] = Counter()
    for _, key, sequence in log:  # what comes again is allowed, what comes too early is not
        if sequence > lasts[key] + 1:
            found.append(f"I3 in the log {key} goes from {lasts[key]} to {sequence}")
        lasts[key] = max(lasts[key], sequence)
    return found


async def _of_reader(reader: Side, journal: Journal, ends: dict[int, int]) -> list[str]:
    async with reader.database.reading() as session:
        heard = [(i, k, s) for i, k, s in await session.execute(text("SELECT id, key, sequence FROM heard ORDER BY n"))]
        parked = (await session.execute(text("SELECT value FROM parked_event"))).scalars().all()
        tally = {k: t for k, t in await session.execute(text("SELECT key, times FROM tally"))}
        last = {k: n for k, n in await session.execute(text("SELECT stream, last_sequence FROM applied_sequence"))}
        offsets = {p: o for p, o in await session.execute(text("SELECT partition, next_offset FROM consumer_offset"))}
    times, waiting = Counter(id for id, _, _ in heard), {decode(value, [])[0].id for value in parked}
    found = _all("I1 told and neither heard nor parked", journal.keys() - times.keys() - waiting)
    found += _all("I7 heard and never told", (times.keys() | waiting) - journal.keys())
    found += _all("I2 heard more than once", [id for id, number in times.items() if number > 1])
    found += _all("I2 heard and parked", times.keys() & waiting)
    counted = Counter(key for _, key, _ in heard)
    found += _all(
        "I2 the tally is not what was heard", [k for k in counted | Counter(tally) if counted[k] != tally.get(k)]
    )
    for key in counted:
        numbers = [sequence for _, other, sequence in heard if other == key]
        if numbers != list(range(1, len(numbers) + 1)) or last.get(key) != len(numbers):
            found.append(f"I3 of {key} were heard {numbers[:20]}, and {last.get(key)} is the last applied")
    return found + [f"I4 partition {p}: {offsets.get(p)} of {end}" for p, end in ends.items() if offsets.get(p) != end]


def _all(rule: str, found: Iterable[object]) -> list[str]:
    shown = sorted(map(str, found))
    return [f"{rule}: {len(shown)}, as {shown[:5]}"] if shown else []


async def _journal(publisher: Side) -> Journal:
    async with publisher.database.reading() as session:
        rows = await session.execute(text("SELECT id, key, sequence FROM outbox_journal"))
        return {id: (key, sequence) for id, key, sequence in rows}


async def _ends(publisher: Side) -> dict[int, int]:
    places = [TopicPartition(publisher.topic, number) for number in range(PARTITIONS)]
    async with open_reader(publisher.kafka, "invariants") as reader:
        return {place.partition: end for place, end in (await reader.end_offsets(places)).items()}


async def _stands_at(reader: Side, ends: dict[int, int]) -> bool:
    async with reader.database.reading() as session:
        rows = await session.execute(text("SELECT partition, next_offset FROM consumer_offset"))
        return {p: o for p, o in rows if o} == {p: end for p, end in ends.items() if end}
