"""Which database a process uses, and that its address may say what PostgreSQL's own programs understand."""

import pytest
from sqlalchemy import text

from services.kpi.app import SERVICE
from shared.database import Database
from shared.migrate import upgrade
from shared.settings import Settings
from tests.support.engines import Engines

PARAMETERS = "?sslmode=prefer&application_name=theirs&options=-c%20work_mem%3D5MB"


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "postgresql://127.0.0.1:5544/themodel_kpi"),
        ({"DATABASE_URL": "postgresql://a:b@db:1/"}, "postgresql://a:b@db:1/themodel_kpi"),
        ({"DATABASE_URL": "postgresql://db?sslmode=require"}, "postgresql://db/themodel_kpi?sslmode=require"),
        ({"DATABASE_URL": "postgresql+asyncpg://db/other"}, "postgresql://db/themodel_kpi"),
        ({"DATABASE_URL": "postgresql://db", "KPI_DATABASE_URL": "postgresql://mine/x"}, "postgresql://mine/x"),
    ],
)
def test_a_service_has_its_own_database_on_the_server_named(
    environment: dict[str, str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "KPI_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings(service="kpi").database_url == url


async def test_parameters_of_the_address_reach_the_server(engines: Engines) -> None:
    url = engines.create_database("parameters") + PARAMETERS
    await upgrade(url, SERVICE.folder)
    database = Database(url, source="/kpi", topic="t")
    try:
        async with database.reading() as session:
            assert await session.scalar(text("SHOW work_mem")) == "5MB"
            assert await session.scalar(text("SELECT count(*) FROM consumer_offset")) == 0
        line = await database.direct()
        assert await line.fetchval("SHOW work_mem") == "5MB"
        await line.close()
    finally:
        await database.close()
        engines.drop_database(url)
