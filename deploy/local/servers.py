"""Where PostgreSQL and Kafka are: our own programs, or servers named by the environment."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from deploy.local.errors import CommandError
from deploy.local.home import Home
from deploy.local.kafka import Kafka
from deploy.local.ports import SERVICES, Ports
from deploy.local.postgres import Postgres, create_database


def url_variable(service: str) -> str:
    return f"{service.upper()}_DATABASE_URL"


@dataclass(frozen=True)
class Servers:
    """`postgres` and `kafka` are None where servers of somebody else are used."""

    home: Home
    postgres: Postgres | None
    kafka: Kafka | None
    environ: Mapping[str, str]

    @classmethod
    def from_environment(cls, home: Home, ports: Ports, environ: Mapping[str, str] = os.environ) -> "Servers":
        all_named = all(environ.get(url_variable(service)) for service in SERVICES)
        return cls(
            home,
            None if environ.get("DATABASE_URL") or all_named else Postgres(home, ports["postgres"]),
            None if environ.get("KAFKA_BOOTSTRAP_SERVERS") else Kafka.in_home(home, ports["kafka"]),
            environ,
        )

    def ports(self) -> list[str]:
        """Names of the ports that our own engines need."""
        return [*(["postgres"] if self.postgres else []), *(["kafka", "kafka_controller"] if self.kafka else [])]

    async def create_databases(self) -> None:
        if self.postgres:
            await self.postgres.create_databases()
        elif any(not self.environ.get(url_variable(service)) for service in SERVICES):
            await self._create_databases_elsewhere(self.environ["DATABASE_URL"])

    async def _create_databases_elsewhere(self, server: str) -> None:
        try:
            connection = await asyncpg.connect(server.replace("+asyncpg", "", 1), timeout=10)
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            place = urlsplit(server).hostname
            raise CommandError(
                f"The server of DATABASE_URL ({place}) cannot be used: {error or 'no answer'}"
            ) from error
        wanted = [service for service in SERVICES if not self.environ.get(url_variable(service))]
        try:
            for service in wanted:
                role = f"themodel_{service}"
                await create_database(connection, role, self.home.password(role), self._url(service))
        except asyncpg.InsufficientPrivilegeError as error:
            raise CommandError(
                f"The user of DATABASE_URL may not create roles and databases ({error}). Allow it (CREATEROLE, "
                f"CREATEDB), or set {', '.join(map(url_variable, wanted))}."
            ) from error
        finally:
            await connection.close()

    async def require_kafka(self) -> None:
        """Raises CommandError when none of somebody else's brokers can be reached."""
        if self.kafka:
            return
        named = self.environ["KAFKA_BOOTSTRAP_SERVERS"]
        for place in named.split(","):
            host, _, port = place.strip().rpartition(":")
            with suppress(OSError, ValueError):
                async with asyncio.timeout(5):
                    _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
                writer.close()
                return
        raise CommandError(f"No broker of KAFKA_BOOTSTRAP_SERVERS={named} can be reached.")

    def admin_url(self, service: str) -> str:
        """Who may create databases beside that of a service, as far as we know one."""
        if self.environ.get(url_variable(service)):
            return self.environ.get("DATABASE_URL") or self._url(service)
        return self.postgres.admin_url if self.postgres else self.environ["DATABASE_URL"]

    def environment(self) -> dict[str, str]:
        """What the services are told."""
        kafka = self.kafka.bootstrap if self.kafka else self.environ["KAFKA_BOOTSTRAP_SERVERS"]
        urls = {url_variable(service): self._url(service) for service in SERVICES}
        return {**urls, "KAFKA_BOOTSTRAP_SERVERS": kafka, "THEMODEL_HOME": str(self.home.root)}

    def _url(self, service: str) -> str:
        if own := self.environ.get(url_variable(service)):
            return own
        if self.postgres:
            return self.postgres.url(service)
        role = f"themodel_{service}"
        return database_on(self.environ["DATABASE_URL"], role, self.home.password(role))


def database_on(server: str, role: str, password: str) -> str:
    """The URL of the role's own database on that server; parameters such as sslmode are kept."""
    parts = urlsplit(server)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(
        parts._replace(scheme="postgresql", netloc=f"{role}:{quote(password, safe='')}@{place}", path=f"/{role}")
    )
