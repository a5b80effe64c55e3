"""How long a hand-off takes: recorded in marketing until applied in inside sales, at 100 events a second.

The events are those of leads captured: four or ten in a call, as integrations send them, and one by one, as forms do.

Everything runs on this machine, the load included. Beside it, in the same seconds, an unsafe direct send: a record
straight into Kafka and out again, with no database on either side. What is safe costs the difference.
"""

import asyncio
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import uvloop
from rich.console import Console

from deploy.bench.line import Line
from deploy.bench.row import Row
from deploy.local.ports import variable
from shared.auth import Keys
from shared.messaging.kafka import Outgoing, Sender, TopicPartition, ensure_topics, open_reader

SHAPES = ((100, 4), (100, 10), (100, 1))  # events a second, and in one call
SECONDS = 30
WARM_SECONDS = 25  # Java compiles what it runs often; so long it is another program
DIRECT_RATE = 5  # what is beside it must not be in its way
TOPIC = "bench.direct"


def measure(environment: Mapping[str, str], console: Console) -> list[Row]:
    return uvloop.run(_measure(environment, console))


async def _measure(environment: Mapping[str, str], console: Console) -> list[Row]:
    token = Keys.load_or_create(Path(environment["THEMODEL_HOME"]) / "keys").issue("bench", ["admin"])
    servers = f"127.0.0.1:{environment[variable('kafka')]}"
    await ensure_topics(servers, [TOPIC])
    marketing = Line(int(environment[variable("marketing")]), token)
    rows = []
    async with httpx.AsyncClient(base_url=_url(environment, "inside_sales"), timeout=30) as inside:
        await _load(marketing, WARM_SECONDS, 100, 10)
        for rate, at_once in SHAPES:
            console.print(f"Capturing {rate} leads a second, {at_once} in a call, for {SECONDS} s …")
            rows += await _compared(marketing, inside, servers, rate, at_once)
    return rows


async def _compared(marketing: Line, inside: httpx.AsyncClient, servers: str, rate: int, at_once: int) -> list[Row]:
    before = await _buckets(inside)
    direct = asyncio.create_task(_direct(servers, SECONDS))
    await _load(marketing, SECONDS, rate, at_once)
    times = await direct
    await asyncio.sleep(2)
    after = await _buckets(inside)
    counts = {bound: after[bound] - before.get(bound, 0) for bound in after}
    plain = {0.5: statistics.median(times), 0.99: statistics.quantiles(times, n=100)[98]}
    return [
        Row(
            f"hand-off, {rate}/s, {at_once} at a time, p{q * 100:.0f}",
            "ms",
            1000 * quantile(counts, q),
            f"unsafe direct send, p{q * 100:.0f}",
            plain[q],
        )
        for q in plain
    ]


def _url(environment: Mapping[str, str], service: str) -> str:
    return f"http://127.0.0.1:{environment[variable(service)]}"


async def _load(marketing: Line, seconds: int, rate: int, at_once: int) -> None:
    """Open loop: each call at its own time, whether the earlier ones have come back or not."""
    run, begun, calls = uuid4().hex[:8], time.monotonic(), []
    for number in range(0, rate * seconds, at_once):
        await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
        names = [f"{run}-{place}" for place in range(number, number + at_once)]
        items = [{"external_id": name, "email": f"{name}@example.jp", "channel": "bench"} for name in names]
        path, body = ("/v1/leads", items[0]) if at_once == 1 else ("/v1/leads:batch", {"items": items})
        calls.append(asyncio.create_task(marketing.post(path, body)))
    await asyncio.gather(*calls)


async def _buckets(client: httpx.AsyncClient) -> dict[float, float]:
    """Cumulative counts of the reader's own histogram, by upper bound in seconds."""
    found = {}
    for line in (await client.get("/metrics")).text.splitlines():
        if line.startswith("themodel_handoff_latency_seconds_bucket") and 'service="inside_sales"' in line:
            bound = line.split('le="')[1].split('"')[0]
            found[float(bound)] = float(line.rsplit(" ", 1)[1])
    return found


def quantile(counts: Mapping[float, float], q: float) -> float:
    """As Prometheus' histogram_quantile: linear within the bucket the rank falls into."""
    bounds = sorted(counts)
    rank = q * counts[bounds[-1]]
    low, below = 0.0, 0.0
    for bound in bounds:
        if counts[bound] >= rank:
            if bound == float("inf"):
                return low
            share = (rank - below) / max(1e-9, counts[bound] - below)
            return low + (bound - low) * share
        low, below = bound, counts[bound]
    return low


async def _direct(servers: str, seconds: float) -> list[float]:
    """Milliseconds from send to read, for records that go straight through Kafka."""
    sender, place = Sender(servers, "bench-sender"), TopicPartition(TOPIC, 0)
    times: list[float] = []
    async with open_reader(servers, "bench-reader") as reader:
        reader.assign([place])
        await reader.seek_to_end(place)
        reading = asyncio.create_task(_read(reader, times))
        stop = time.monotonic() + seconds
        while time.monotonic() < stop:
            stamp = str(time.perf_counter_ns()).encode()
            await sender.send([Outgoing(0, TOPIC, None, "bench", None, stamp)])
            await asyncio.sleep(1 / DIRECT_RATE)
        await asyncio.sleep(0.5)
        reading.cancel()
        await sender.close()
    return times[DIRECT_RATE:]


async def _read(reader: Any, times: list[float]) -> None:
    while True:
        for records in (await reader.getmany(timeout_ms=1000)).values():
            now = time.perf_counter_ns()
            times += [(now - int(record.value)) / 1e6 for record in records]
