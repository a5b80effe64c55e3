"""The worker of a service: relay, consumer, periodic rules, together in one task group.

An engine that is away is expected and waited for inside each of them. Anything else rebuilds the group once;
again within 60 s it ends the process, and the supervisor starts it anew.
"""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy import func, select, text

from shared import clock, instruments
from shared.http.idempotency import forget_expired
from shared.messaging import heartbeat
from shared.messaging.consumer import consume
from shared.messaging.inbox import Inbox
from shared.messaging.offsets import Halted
from shared.messaging.outbox import outbox
from shared.messaging.parking import parked_event
from shared.messaging.relay import Relay
from shared.messaging.topics import await_topics
from shared.service import Health, Periodic, Runtime, Service
from shared.sqlerrors import transient

log = structlog.get_logger()

AGAIN_WITHIN = 60.0
EXIT_CODE = 70
REDRIVE_SECONDS = 30.0
HALT_SECONDS, CALM_SECONDS = 30.0, 10.0  # until a halted consumer looks again, and until that is believed to be well


async def run_worker(service: Service, runtime: Runtime, relay: Relay) -> None:
    """Runs until cancelled. Raises when the group failed twice within a minute."""
    failed = -AGAIN_WITHIN
    while True:
        try:
            await _group(service, runtime, relay)
        except* Exception as group:
            log.error("worker failed", error=repr(group.exceptions)[:1000], exc_info=group)
            if time.monotonic() - failed < AGAIN_WITHIN:
                raise
            failed = time.monotonic()
        await asyncio.sleep(1)


async def _group(service: Service, runtime: Runtime, relay: Relay) -> None:
    settings, runtime.health.works = runtime.settings, True
    publishers = {settings.topic(name): name for name in service.listens}
    needed = [settings.topic(), settings.dead_letter_topic, *publishers]
    await await_topics(settings.kafka, needed, settings.replication_factor)
    await await_topics(settings.kafka, [settings.heartbeat_topic], settings.replication_factor, heartbeat.TOPIC_CONFIG)
    async with asyncio.TaskGroup() as group:
        group.create_task(relay.run(), name="relay")
        if publishers:
            store = service.receiver(runtime)
            name = f"{settings.topic_prefix}.{service.name}"
            read = functools.partial(
                consume,
                settings.kafka,
                name,
                list(publishers),
                store,
                functools.partial(_moved, runtime.health),
                gathers=service.gathers,
            )
            group.create_task(_reading(runtime.health, read), name="consumer")
            if isinstance(store, Inbox):
                group.create_task(every(REDRIVE_SECONDS, store.redrive), name="redrive")
        for rule in service.periodic:
            group.create_task(every(rule.seconds, functools.partial(_by_rule, runtime, rule)), name=rule.name)
        for task in service.tasks:
            group.create_task(_forever(task, runtime))
        group.create_task(every(1.0, lambda: _observe(runtime, relay)), name="observe")
        group.create_task(every(3600.0, lambda: _forget(runtime)), name="forget")


async def _reading(health: Health, read: Callable[[], Awaitable[None]]) -> None:
    """A consumer that halts holds up nobody else here, and looks again from time to time."""
    while True:
        try:
            await read()
        except Halted as reason:
            log.error("consumer halted", reason=str(reason))
            health.halted, health.halted_at = str(reason), time.monotonic()
            instruments.halted.set(1)
        await asyncio.sleep(HALT_SECONDS)


def _moved(health: Health) -> None:
    health.consumer_at = time.monotonic()
    if health.halted and health.consumer_at - health.halted_at > HALT_SECONDS + CALM_SECONDS:
        health.halted = ""
        instruments.halted.set(0)


async def _forever(task: Callable[[Runtime], Awaitable[None]], runtime: Runtime) -> None:
    await task(runtime)


async def every(seconds: float, act: Callable[[], Awaitable[object]]) -> None:
    """Run `act` again and again; a database that is away only delays it."""
    while True:
        try:
            await act()
        except Exception as error:
            if not transient(error):
                raise
            log.warning("rule waits", error=f"{type(error).__name__}: {error}"[:200])
        await asyncio.sleep(seconds)


async def _by_rule(runtime: Runtime, rule: Periodic) -> None:
    while True:
        async with runtime.database.transaction() as tx:
            lock = text("SELECT pg_try_advisory_xact_lock(hashtext(:name))")
            if not await tx.session.scalar(lock, {"name": f"rule {rule.name}"}):
                return
            done = await rule.act(tx, clock.utc_now())
        if done < rule.more_than:
            return


async def _observe(runtime: Runtime, relay: Relay) -> None:
    await observe_outbox(runtime)
    async with runtime.database.reading() as session:
        waiting = select(func.count(), func.count(func.distinct(parked_event.c.stream)))
        events, streams = (await session.execute(waiting)).one()
    runtime.health.relay_at = relay.moved_at
    instruments.parked.set(events)
    instruments.parked_streams.set(streams)


async def observe_outbox(runtime: Runtime) -> None:
    """How much is committed and not sent: what is shown, and what the door takes no more beyond."""
    seconds = func.extract("epoch", func.clock_timestamp() - func.min(outbox.c.created_at))  # ours may be another time
    async with runtime.database.reading() as session:
        count, oldest = (await session.execute(select(func.count(), seconds))).one()
    age = float(oldest or 0)
    runtime.health.outbox_rows, runtime.health.outbox_seconds = count, age
    instruments.outbox_rows.set(count)
    instruments.outbox_age.set(age)


async def _forget(runtime: Runtime) -> None:
    async with runtime.database.transaction() as tx:
        await forget_expired(tx.session)
