"""Schema changes: Alembic scripts in each service's `migrations/`, forward only, run under one lock."""

from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text

from shared.line import engine_of
from shared.messaging.outbox import plumbing

LOCK = 0x7E_0DE1_5C4E


def config(folder: Path) -> Config:
    found = Config()
    found.set_main_option("script_location", str(folder / "migrations"))
    found.set_main_option("version_locations", str(folder / "migrations" / "versions"))
    found.set_main_option("path_separator", "os")
    return found


def _upgrade(connection: Connection, folder: Path) -> None:
    settings = config(folder)
    script = ScriptDirectory.from_config(settings)

    def run(revision: Any, _: MigrationContext) -> Any:
        return script._upgrade_revs("head", revision)  # what alembic's own `upgrade` command calls

    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    with EnvironmentContext(settings, script, fn=run, destination_rev="head") as environment:
        environment.configure(connection=connection)
        environment.run_migrations()


async def upgrade(url: str, folder: Path) -> None:
    """Bring the database of a service to the newest schema; a second runner waits for the first."""
    engine = engine_of(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade, folder)
    finally:
        await engine.dispose()


async def drift(url: str, metadata: MetaData) -> list[Any]:
    """How the migrated database differs from what the code believes; empty is right."""

    def compare(connection: Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), merged(metadata)))

    engine = engine_of(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(compare)
    finally:
        await engine.dispose()


def merged(metadata: MetaData) -> MetaData:
    """A service's own tables and the plumbing every service has, as one."""
    found = MetaData(naming_convention=metadata.naming_convention)
    for source in (plumbing, metadata):
        for table in source.sorted_tables:
            table.to_metadata(found)
    return found
