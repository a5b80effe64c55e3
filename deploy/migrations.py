"""Write the next migration of a service by comparing its models with its migrated database.

`python -m deploy.migrations SERVICE "what changes"`, with SERVICE's database at `<SERVICE>_DATABASE_URL`. Read what it
wrote before it is committed: it knows columns, not what must happen to the rows in them.
"""

import asyncio
import importlib
import sys

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from shared.line import engine_of
from shared.migrate import config, merged, upgrade
from shared.service import Service
from shared.settings import Settings

HEAD = '''"""{message}"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "{revision}"
down_revision = {down}


def upgrade() -> None:
    {body}
'''


def _difference(connection: Connection, service: Service) -> str:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    found = produce_migrations(context, merged(service.metadata))
    assert found.upgrade_ops is not None
    return str(render_python_code(found.upgrade_ops, migration_context=context))


async def write(name: str, message: str) -> str:
    """Migrate the database to the newest known state, then write what is still missing as a new script."""
    service: Service = importlib.import_module(f"services.{name}.app").SERVICE
    url = Settings(service=name).database_url
    versions = service.folder / "migrations" / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    await upgrade(url, service.folder)
    head = ScriptDirectory.from_config(config(service.folder)).get_current_head()
    engine = engine_of(url)
    async with engine.connect() as connection:
        body = await connection.run_sync(_difference, service)
    await engine.dispose()
    revision = f"{int(head or 0) + 1:04d}"
    file = versions / f"{revision}_{message.lower().replace(' ', '_')}.py"
    down = f'"{head}"' if head else "None"
    file.write_text(HEAD.format(message=message.capitalize() + ".", revision=revision, down=down, body=body))
    return str(file)


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit('usage: python -m deploy.migrations SERVICE "what changes"')
    sys.stdout.write(asyncio.run(write(*sys.argv[1:])) + "\n")


if __name__ == "__main__":
    main()
