"""How fast a file of opportunities goes in: from the upload until kpi shows all of them.

Beside it the raw `COPY` of the same rows into one table of the same server: what is more is each row checked, its
record, history and events stored, the events sent, read by every department, and folded into figures.
"""

import asyncio
import csv
import io
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from rich.console import Console

from deploy.bench.row import Row
from deploy.local.home import Home
from deploy.local.ports import SERVICES, variable
from deploy.local.postgres import Postgres
from deploy.simulate.voices import BEHIND
from shared.auth import Keys

ROWS = 8_800
COLUMNS = ("external_id", "account", "product", "owner", "region", "status", "opened_at", "closed_at", "amount")
FIRST = date(2020, 1, 6)
PATIENCE = 300.0


def measure(environment: Mapping[str, str], console: Console) -> list[Row]:
    rows = _rows()
    console.print(f"Importing {len(rows):,} opportunities …")
    with _client(environment, "field_sales") as sellers, _client(environment, "kpi") as kpi:
        begun = time.monotonic()
        _import(sellers, _file(rows))
        imported = time.monotonic() - begun
        _until_shown(kpi, len(rows))
        shown = time.monotonic() - begun
    until_read(environment)
    read = time.monotonic() - begun
    copied = asyncio.run(_copy(environment, rows))
    return [
        Row("opportunities imported", "rows/s", len(rows) / imported, "COPY into one table", len(rows) / copied),
        Row("… and shown by kpi", "rows/s", len(rows) / shown, "COPY into one table", len(rows) / copied),
        Row("… and heard by all", "rows/s", len(rows) / read, "COPY into one table", len(rows) / copied),
    ]


def _rows() -> list[tuple[str, ...]]:
    chance = random.Random(8_800)
    found: list[tuple[str, ...]] = []
    for number in range(ROWS):
        opened = FIRST + timedelta(days=chance.randrange(700))
        closed = opened + timedelta(days=chance.randrange(5, 120))
        won = chance.random() < 0.6
        status, amount = ("won", str(chance.randrange(50, 5_000) * 1_000)) if won else ("lost", "")
        place = f"Company {chance.randrange(300)}", chance.choice("ABCDEFG"), f"rep-{chance.randrange(30)}"
        region = chance.choice(("East", "West", "Central"))
        found.append((f"bench-{number}", *place, region, status, opened.isoformat(), closed.isoformat(), amount))
    return found


def _file(rows: Sequence[tuple[str, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([COLUMNS, *rows])
    return text.getvalue().encode()


@contextmanager
def _client(environment: Mapping[str, str], service: str) -> Iterator[httpx.Client]:
    token = Keys.load_or_create(Path(environment["THEMODEL_HOME"]) / "keys").issue("bench", ["admin"])
    headers = {"Authorization": f"Bearer {token}"}
    url = f"http://127.0.0.1:{environment[variable(service)]}"
    with httpx.Client(base_url=url, headers=headers, timeout=120) as client:
        yield client


def _import(client: httpx.Client, content: bytes) -> None:
    files = {"file": ("bench.csv", content, "text/csv")}
    job: Any = client.post("/v1/imports", params={"resource": "opportunities"}, files=files).raise_for_status().json()
    while job["status"] not in {"finished", "failed"}:
        time.sleep(0.1)
        job = client.get(f"/v1/imports/{job['id']}").raise_for_status().json()
    if job["status"] == "failed" or job["refused"]:
        raise RuntimeError(f"the import did not go as it should: {job}")


def _until_shown(client: httpx.Client, count: int) -> None:
    period = {"from": FIRST.isoformat(), "to": (FIRST + timedelta(days=1_000)).isoformat()}
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = client.get("/v1/metrics/opportunity", params=period).raise_for_status().json()
        if found["value"] == count:
            return
        time.sleep(0.2)
    raise RuntimeError(f"kpi shows {found['value']} of {count} opportunities")


def until_read(environment: Mapping[str, str]) -> None:
    """Until no department has anything left to send or to read."""
    deadline, behind = time.monotonic() + PATIENCE, 1.0
    while behind and time.monotonic() < deadline:
        time.sleep(1)
        pages = [httpx.get(f"http://127.0.0.1:{environment[variable(name)]}/metrics").text for name in SERVICES]
        behind = sum(float(found) for page in pages for found in BEHIND.findall(page))


async def _copy(environment: Mapping[str, str], rows: Sequence[tuple[str, ...]]) -> float:
    """Seconds for the same rows into a table with a unique id."""
    admin = Postgres(Home.locate(environment), int(environment[variable("postgres")])).admin_url
    connection = await asyncpg.connect(admin)
    try:
        columns = ", ".join(f"{name} text" for name in COLUMNS)
        await connection.execute(f"CREATE TEMP TABLE bench ({columns}, UNIQUE (external_id))")
        begun = time.monotonic()
        await connection.copy_records_to_table("bench", records=rows, columns=COLUMNS)
        return time.monotonic() - begun
    finally:
        await connection.close()
