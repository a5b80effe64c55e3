"""Do the programs run, do PostgreSQL and Kafka answer, is there space, do the clocks agree?"""

import shutil
import time
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime

import asyncpg
import httpx

from deploy.local.checks.finding import Finding, Silent, System, bad, ok, one, warning
from deploy.local.client import address
from deploy.local.ports import SERVICES
from deploy.local.processes import read_records
from shared.messaging.kafka import KafkaError
from shared.messaging.kafka_admin import describe

LEAST_FREE, LEAST_FREE_BYTES = 0.10, 2 * 10**9
MOST_CONNECTIONS = 0.8
LONG_TRANSACTION_SECONDS = 300
SKEW_WARNING, SKEW_BAD = 2.0, 30.0  # seconds
SAFE = ("fsync", "full_page_writes")
_STATE = """
SELECT current_setting('server_version') AS version, extract(epoch FROM clock_timestamp()) AS now,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
       current_setting('max_connections')::int AS most,
       (SELECT extract(epoch FROM max(clock_timestamp() - xact_start)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()) AS longest
"""


async def programs(system: System) -> AsyncIterator[Finding]:
    """Those this machine's `up` started, and whether each service says that it is ready."""
    for record in read_records(system.home.run) if system.home.holder() else []:
        if record.process() is None:
            yield bad(
                "programs", f"{record.name} has ended", "`themodel up` starts it again; its log says why it ended"
            )
        elif record.restarts:
            advice = "its last words before each end are in the log of `themodel up`"
            yield warning("programs", f"{record.name} was started {record.restarts} times again", advice)
    async with httpx.AsyncClient(timeout=5) as client:
        for service in SERVICES:
            yield await _service(client, service)


async def _service(client: httpx.AsyncClient, service: str) -> Finding:
    try:
        before = time.time()
        answer = await client.get(f"{address(service)}/readyz")
        middle = (before + time.time()) / 2
    except httpx.HTTPError as error:
        return bad(
            service, f"does not answer at {address(service)}", f"is `themodel up` running? ({type(error).__name__})"
        )
    wrong = {part: state for part, state in answer.json().items() if state != "ok"}
    if wrong:
        told = ", ".join(f"{part}: {state}" for part, state in wrong.items())
        return bad(service, f"is not ready: {told}", "see ConsumerHalted, ConsumerStandsStill in docs/runbook.md")
    told_at = parsedate_to_datetime(answer.headers["date"]).timestamp() if "date" in answer.headers else middle
    if abs(told_at - middle) > SKEW_WARNING + 1:  # the header counts whole seconds
        return _skew(service, told_at - middle)
    return ok(service, "answers and is ready")


def _skew(area: str, seconds: float) -> Finding:
    told = f"its clock is {seconds:+.1f} s from that of this machine"
    advice = "let both follow a time server (chrony); when things occurred and response times are wrong by as much"
    return (bad if abs(seconds) > SKEW_BAD else warning)(area, told, advice)


async def postgres(system: System) -> AsyncIterator[Finding]:
    for service in SERVICES:
        area = f"database of {service}"
        try:
            async with system.database(service) as connection:
                async for finding in _database(connection, area):
                    yield finding
        except Silent as error:
            yield bad(area, f"does not answer ({error})", "is PostgreSQL up? nothing is lost meanwhile; services wait")


async def _database(connection: asyncpg.Connection, area: str) -> AsyncIterator[Finding]:
    before = time.time()
    row = await one(connection, _STATE)
    skew = float(row["now"]) - (before + time.time()) / 2
    if abs(skew) > SKEW_WARNING:
        yield _skew(area, skew)
    for name in SAFE:
        if await connection.fetchval("SELECT current_setting($1)", name) != "on":
            yield bad(area, f"{name} is off", f"turn {name} on: without it a power cut can take what was acknowledged")
    if row["connections"] > MOST_CONNECTIONS * row["most"]:
        advice = "raise max_connections, or put a pooler before the services"
        yield warning(area, f"{row['connections']} of {row['most']} connections are taken", advice)
    if (row["longest"] or 0) > LONG_TRANSACTION_SECONDS:
        advice = (
            "end it (pg_stat_activity says whose it is): while it is open the outbox is not cleaned and reads slow down"
        )
        yield warning(area, f"a transaction is open for {row['longest']:.0f} s", advice)
    yield ok(area, f"PostgreSQL {row['version'].split()[0]} answers")


async def kafka(system: System) -> AsyncIterator[Finding]:
    try:
        cluster = await describe(system.kafka, [])
    except (KafkaError, OSError) as error:
        advice = "is Kafka up, is its disk full? events wait in the outboxes meanwhile, nothing is lost"
        yield bad("kafka", f"{system.kafka} does not answer ({type(error).__name__})", advice)
        return
    yield ok("kafka", f"{cluster.brokers} broker{'s' if cluster.brokers > 1 else ''} at {system.kafka}")


async def disk(system: System) -> AsyncIterator[Finding]:
    """Where the embedded engines keep their data."""
    if not system.home.root.exists():
        return
    usage = shutil.disk_usage(system.home.root)
    told = f"{usage.free / 1e9:.1f} GB of {usage.total / 1e9:.0f} GB are free at {system.home.root}"
    if usage.free < LEAST_FREE_BYTES:
        yield bad("disk", told, "make room now: when it is full both engines stop taking writes")
    elif usage.free < LEAST_FREE * usage.total:
        yield warning("disk", told, "make room: when it is full both engines stop taking writes")
    else:
        yield ok("disk", told)
