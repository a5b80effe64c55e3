"""The importing service on a real database, and how tests ask it."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, text

from shared.database import Database
from shared.http.app import create_app
from shared.imports.api import Imports
from shared.imports.jobs import run_open_jobs
from shared.line import engine_of
from shared.migrate import merged
from shared.service import Runtime
from shared.settings import Settings
from tests.support.engines import Engines
from tests.support.import_service import IMPORTERS, SERVICE
from tests.support.rig import Rig, keys

HEAD = "external_id,name,slots_per_week\n"
CSV = {"Content-Type": "text/csv"}
OUTCOMES = ("read", "new", "updated", "unchanged", "skipped", "waiting", "refused", "events")


@pytest.fixture(scope="module")
async def url(engines: Engines) -> AsyncIterator[str]:
    url = engines.create_database("imports")
    engine = engine_of(url)
    async with engine.begin() as connection:
        await connection.run_sync(merged(SERVICE.metadata).create_all)
    await engine.dispose()
    yield url
    engines.drop_database(url)


@pytest.fixture
async def rig(engines: Engines, url: str) -> AsyncIterator[Rig]:
    settings = Settings(service=SERVICE.name).model_copy(update={"kafka": engines.kafka})
    database = Database(url, source="/field_sales", topic=settings.topic(), pool_size=4)
    runtime = Runtime(settings, database, keys())
    rig = Rig(SERVICE, runtime, create_app(SERVICE, runtime), engines)
    yield rig
    async with database.transaction() as tx:
        tables = ", ".join(merged(SERVICE.metadata).tables)
        await tx.session.execute(text(f"TRUNCATE {tables} CASCADE"))
    await rig.close()
    await database.close()


@pytest.fixture
def client(rig: Rig) -> httpx.AsyncClient:
    return rig.client("field_sales")


def page(rows: int, first: int = 0) -> str:
    return HEAD + "".join(f"R-{n},Rep {n},{n % 7}\n" for n in range(first, first + rows))


async def post(client: httpx.AsyncClient, text: str | bytes, query: str = "", status: int = 202) -> dict[str, Any]:
    answer = await client.post(f"/v1/imports?resource=reps{query}", content=text, headers=CSV)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def finished(rig: Rig, client: httpx.AsyncClient, job: dict[str, Any]) -> dict[str, Any]:
    await run_open_jobs(rig.database, IMPORTERS)
    answer = await client.get(f"/v1/imports/{job['id']}")
    assert answer.status_code == 200
    found = dict(answer.json())
    assert found["status"] == "finished", found
    assert found["read"] == sum(found[name] for name in OUTCOMES[1:7])
    return found


async def errors(client: httpx.AsyncClient, job: dict[str, Any]) -> list[dict[str, str]]:
    answer = await client.get(f"/v1/imports/{job['id']}/errors.csv")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbfline,column,value,rule,explanation\r\n")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


async def until(answer: Callable[[], Awaitable[object]], seconds: float = 20) -> None:
    """Ask again and again until `answer` is something."""
    async with asyncio.timeout(seconds):
        while not await answer():  # noqa: ASYNC110 another process or task answers, which sets no event here
            await asyncio.sleep(0.02)


async def is_finished(client: httpx.AsyncClient, job: dict[str, Any]) -> bool:
    return bool((await client.get(f"/v1/imports/{job['id']}")).json()["status"] == "finished")


async def count(rig: Rig, table: Any) -> int:
    async with rig.database.reading() as session:
        return int(await session.scalar(select(func.count()).select_from(table)) or 0)


def counts(job: dict[str, Any]) -> dict[str, int]:
    return {name: job[name] for name in OUTCOMES if job[name]}


async def errors_after(rig: Rig, imports: Imports, role: str, resource: str, text: str) -> str:
    """errors.csv of a file sent to any service and read to its end."""
    client = rig.client(role)
    answer = await client.post(f"/v1/imports?resource={resource}", content=text.encode(), headers=CSV)
    assert answer.status_code in (200, 202), answer.text
    await run_open_jobs(rig.database, imports._importers)
    return (await client.get(f"/v1/imports/{answer.json()['id']}/errors.csv")).text
