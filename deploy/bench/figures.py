"""How fast kpi answers of a million cycles: every metric of the catalogue for a quarter, and the live board.

A company plays two years of history into the product; kpi's tables are then multiplied in place, each copy with ids
and moments of its own. Beside each answer stands the plainest question of the same quarter, asked of the database
itself: how many entries into each milestone there are.
"""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from rich.console import Console
from sqlalchemy import DateTime, Table, Text, Uuid
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import CreateIndex

from deploy.bench.imports import until_read
from deploy.bench.row import Row
from deploy.local.home import Home
from deploy.local.ports import variable
from deploy.local.postgres import Postgres
from services.kpi import models
from services.kpi.domain.periods import Period, cut
from services.kpi.projections.facts import DAY_TYPES
from shared.auth import Keys
from shared.clock import day_of, utc_now

CYCLES = 1_000_000
MONTHS, SEED = 24, 11
SETTLE_SECONDS = 600
RULES_REST_SECONDS = 15  # the rule that adds up weeks of use rests ten
ASKED = 20  # times each metric is asked for
LIVE_ASKED = 40
MOVES = 5
GOAL_MS = 500
MULTIPLIED = (
    *(models.fact, models.passage, models.opportunity_state),
    *(models.place, models.movement, models.customer_span, models.appointment, models.term),
    *(models.joint_deal, models.use_week),
)
_UUID = r"\m[0-9a-f]{8}(-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-)"
_COUNT = """
SELECT milestone, count(*) FROM passage
WHERE at >= $1 AND at < $2 AND (until IS NULL OR until > $2) GROUP BY milestone
"""
_LOOKING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
AND pid <> pg_backend_pid() AND xact_start < $1
"""


def measure(environment: Mapping[str, str], console: Console, cycles: int = CYCLES) -> list[Row]:
    console.print(f"Playing {MONTHS} months of a company, and multiplying them to {cycles:,} cycles …")
    command = [sys.executable, "-m", "deploy.local.cli", "simulate", "--no-live", "--seed", str(SEED), "--json"]
    subprocess.run([*command, "--months", str(MONTHS)], env=dict(environment), check=True, stdout=subprocess.DEVNULL)
    server = Postgres(Home.locate(environment), int(environment[variable("postgres")])).admin_url
    address = f"{server.rpartition('/')[0]}/themodel_kpi"
    _until_all_is_told(environment, address)
    asyncio.run(_multiply(address, cycles))
    quarter = _last_quarter()
    console.print(f"Asking for {quarter.start} to {quarter.end} …")
    plain = asyncio.run(_plain(address, quarter))
    token = Keys.load_or_create(Path(environment["THEMODEL_HOME"]) / "keys").issue("bench", ["viewer"])
    place, headers = f"http://127.0.0.1:{environment[variable('kpi')]}", {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=place, headers=headers, timeout=120) as client:
        slowest, every = _metrics(client, quarter, console)
        look = partial(client.get, "/v1/funnel")
        board, moving = _p95(look, LIVE_ASKED), asyncio.run(_while_it_moves(address, look))
        alive = _p95(lambda: client.get("/healthz"), LIVE_ASKED)
    return [
        Row(f"any metric of a quarter, {cycles:,} cycles, p95", "ms", every, "counting its entries in SQL", plain),
        Row(f"… of the slowest metric ({slowest[0]}), p95", "ms", slowest[1], "counting its entries in SQL", plain),
        Row("the live board, p95", "ms", board, "/healthz", alive),
        Row(f"the live board while something moves {MOVES} times a second, p95", "ms", moving, "/healthz", alive),
    ]


def _until_all_is_told(environment: Mapping[str, str], address: str) -> None:
    """What rules add up they tell later than what it comes of."""
    told, before, deadline = 0, -1, time.monotonic() + SETTLE_SECONDS
    while told != before:
        if time.monotonic() > deadline:
            raise RuntimeError(f"after {SETTLE_SECONDS} s kpi still hears more: {told} facts")
        time.sleep(RULES_REST_SECONDS)
        until_read(environment)
        told, before = asyncio.run(_facts(address)), told


async def _facts(address: str) -> int:
    connection = await asyncpg.connect(address)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM fact"))
    finally:
        await connection.close()


def _last_quarter() -> Period:
    """The last fiscal quarter that is over."""
    today = day_of(utc_now())
    spans = cut(Period(today - timedelta(days=200), today), "quarter", 4)
    return [span for span in spans if span.end <= today and (span.end - span.start).days > 80][-1]


def _metrics(client: httpx.Client, quarter: Period, console: Console) -> tuple[tuple[str, float], float]:
    """The metric whose p95 is the highest, with it, and the p95 of all answers."""
    given = {"from": str(quarter.start), "to": str(quarter.end)}
    every, slowest = list[float](), ("", 0.0)
    for metric in client.get("/v1/metrics").raise_for_status().json()["items"]:
        for mode in metric["modes"]:
            path, asked = f"/v1/metrics/{metric['id']}", {**given, "mode": mode}
            times = _times(partial(client.get, path, params=asked), ASKED)
            every += times
            if (late := _p95_of(times)) > slowest[1]:
                slowest = (f"{metric['id']}, {mode}", late)
            if max(times) > GOAL_MS:
                console.print(f"{metric['id']} as {mode}: p95 {late:,.0f} ms, the slowest {max(times):,.0f} ms")
    return slowest, _p95_of(every)


def _p95_of(times: list[float]) -> float:
    return statistics.quantiles(times, n=20, method="inclusive")[-1]


def _times(ask: Callable[[], httpx.Response], times: int) -> list[float]:
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        ask().raise_for_status()
        found.append((time.perf_counter() - begun) * 1000)
    return found


def _p95(ask: Callable[[], httpx.Response], times: int) -> float:
    ask()
    return _p95_of(_times(ask, times))


async def _while_it_moves(address: str, ask: Callable[[], httpx.Response]) -> float:
    """p95 of asking twice a second while kpi's pulse beats."""
    connection = await asyncpg.connect(address)

    async def beat() -> None:
        while True:
            await connection.execute("UPDATE pulse SET version = version + 1, moved_at = now()")
            await asyncio.sleep(1 / MOVES)

    beating, found = asyncio.create_task(beat()), list[float]()
    try:
        await asyncio.to_thread(ask)
        for _ in range(LIVE_ASKED):
            await asyncio.sleep(0.5)
            found += await asyncio.to_thread(_times, ask, 1)
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        await connection.close()
    return _p95_of(found)


async def _plain(address: str, quarter: Period) -> float:
    connection = await asyncpg.connect(address)
    try:
        zone = "Asia/Tokyo"
        at = "SELECT ($1::date)::timestamp AT TIME ZONE $3, ($2::date)::timestamp AT TIME ZONE $3"
        bounds = await connection.fetchrow(at, quarter.start, quarter.end, zone)
        assert bounds is not None
        found = []
        for _ in range(ASKED):
            begun = time.perf_counter()
            await connection.fetch(_COUNT, *bounds)
            found.append((time.perf_counter() - begun) * 1000)
        return statistics.median(found)
    finally:
        await connection.close()


async def _multiply(address: str, cycles: int) -> None:
    connection = await asyncpg.connect(address, server_settings={"synchronous_commit": "off"})
    try:
        there = await connection.fetchval("SELECT count(*) FROM passage WHERE milestone = 'lead'")
        copies = -(-cycles // there) - 1
        for table in MULTIPLIED:
            await _copies(connection, table, copies)
            await connection.execute(f"VACUUM ANALYZE {table.name}")
        await _settle(connection)
    finally:
        await connection.close()


async def _settle(connection: "asyncpg.Connection[Any]") -> None:
    """As tables are that grew over years: on the disk, and known to be visible to everybody. VACUUM could not tell of
    what was copied while somebody looked, so it does again when they have ended."""
    copied = await connection.fetchval("SELECT now()")
    async with asyncio.timeout(SETTLE_SECONDS):
        while True:
            await asyncio.sleep(0.5)
            if not await connection.fetchval(_LOOKING, copied):
                break
    for table in MULTIPLIED:
        await connection.execute(f"VACUUM {table.name}")
    await connection.execute("CHECKPOINT")


async def _copies(connection: "asyncpg.Connection[Any]", table: Table, copies: int) -> None:
    """Rows anew under ids that begin with the number of the copy, each copy a minute earlier than the one before, in
    about the order in which things occurred, as they come in life. Indexes are made when all rows are there."""
    indexes = [str(CreateIndex(index).compile(dialect=postgresql.dialect())) for index in table.indexes]
    keys = ", ".join(column.name for column in table.primary_key.columns)
    indexes.append(f"ALTER TABLE {table.name} ADD CONSTRAINT pk_{table.name} PRIMARY KEY ({keys})")
    for index in table.indexes:
        await connection.execute(f"DROP INDEX IF EXISTS {index.name}")
    await connection.execute(f"ALTER TABLE {table.name} DROP CONSTRAINT pk_{table.name}")
    names = ", ".join(column.name for column in table.columns)
    values = ", ".join(_value(column) for column in table.columns)
    days = ", ".join(f"'{name}'" for name in sorted(DAY_TYPES))  # the sums of days stay as they are
    only = f"WHERE type NOT IN ({days})" if table is models.fact else ""
    when = next((name for name in ("at", "occurred_at") if name in table.columns), "event_id")
    await connection.execute(f"CREATE TEMP TABLE original AS SELECT * FROM {table.name} {only} ORDER BY {when}")
    copied = f"SELECT {values} FROM original, LATERAL generate_series(1, {copies} + 0 * length({when}::text)) k"
    await connection.execute(f"INSERT INTO {table.name} ({names}) {copied}")
    await connection.execute("DROP TABLE original")
    for statement in indexes:
        await connection.execute(statement)


def _value(column: Any) -> str:
    name, kind = column.name, column.type
    own = "lpad(to_hex(k), 8, '0')"
    if isinstance(kind, Uuid):
        return f"overlay({name}::text PLACING {own} FROM 1 FOR 8)::uuid"
    if isinstance(kind, DateTime):
        return f"{name} - k * interval '1 minute'"
    if name in ("data", "stream") and isinstance(kind, JSONB | Text):
        cast = "::jsonb" if isinstance(kind, JSONB) else ""
        return f"regexp_replace({name}::text, '{_UUID}', {own} || '\\1', 'g'){cast}"
    if name == "reference":
        return f"{name} || ':' || k"
    return str(name)
