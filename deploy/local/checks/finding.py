"""What a check found, and what it may look at."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

import asyncpg

from deploy.local.home import Home
from deploy.local.ports import SERVICES
from deploy.local.servers import url_variable
from shared.settings import Settings


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """`advice` is what a person does about it; nothing to do where all is well."""

    level: Level
    area: str
    what: str
    advice: str = ""


def ok(area: str, what: str) -> Finding:
    return Finding(Level.OK, area, what)


def warning(area: str, what: str, advice: str) -> Finding:
    return Finding(Level.WARNING, area, what, advice)


def bad(area: str, what: str, advice: str) -> Finding:
    return Finding(Level.BAD, area, what, advice)


class Silent(Exception):
    """What was asked does not answer; another check says so."""


async def one(connection: asyncpg.Connection, query: str) -> asyncpg.Record:
    """The row of a query that always has one."""
    row = await connection.fetchrow(query)
    assert row is not None
    return row


@dataclass(frozen=True)
class System:
    """What is looked at. `environment` is what the services are told."""

    home: Home
    environment: dict[str, str]

    @property
    def kafka(self) -> str:
        return self.environment["KAFKA_BOOTSTRAP_SERVERS"]

    @property
    def settings(self) -> Settings:
        return Settings(service="kpi")

    @property
    def publishers(self) -> dict[str, str]:
        """The topic each service speaks on, by service."""
        return {service: self.settings.topic(service) for service in SERVICES}

    @asynccontextmanager
    async def database(self, service: str) -> AsyncIterator[asyncpg.Connection]:
        """Raises Silent."""
        try:
            connection = await asyncpg.connect(self.environment[url_variable(service)], timeout=5)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Silent(f"the database of {service}: {error or type(error).__name__}") from error
        try:
            yield connection
        finally:
            connection.terminate()
