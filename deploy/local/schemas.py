"""Whether a service's database needs to be brought up to date: seconds of imports even when there is nothing to do.

It is left out only when neither the code nor the database has moved since it last ran well: every file of the service
and of `shared/` has the size and time it had, and the database is at the revision it was brought to. A restored, new
or foreign database is at another revision, or at none.
"""

import hashlib
import importlib.util
import json
from contextlib import suppress
from pathlib import Path

import asyncpg

from deploy.local.errors import CommandError
from deploy.local.home import Home


def fingerprint(packages: list[str]) -> str:
    """Of every file's place, size and time."""
    found = []
    for package in packages:
        spec = importlib.util.find_spec(package)
        if spec is None:
            raise CommandError(f"The package {package} is not installed.")
        for folder in map(Path, spec.submodule_search_locations or ()):
            for file in sorted(folder.rglob("*")):
                if file.is_file() and file.suffix != ".pyc":
                    info = file.stat()
                    found.append(f"{file} {info.st_size} {info.st_mtime_ns}")
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


async def revision(url: str) -> str | None:
    """Where the database stands; None when it was never migrated or cannot be asked."""
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, ValueError):
        connection = await asyncpg.connect(url, timeout=10)
        try:
            if await connection.fetchval("select to_regclass('alembic_version')") is None:
                return None
            found = await connection.fetchval("select string_agg(version_num, ' ' order by 1) from alembic_version")
            return str(found) if found else None
        finally:
            await connection.close()
    return None


class Schemas:
    """What is remembered in THEMODEL_HOME/schemas/<service>.json."""

    def __init__(self, home: Home) -> None:
        self.folder = home.root / "schemas"

    async def is_current(self, service: str, url: str) -> bool:
        with suppress(OSError, ValueError):
            remembered = json.loads((self.folder / f"{service}.json").read_text())
            if remembered["code"] == fingerprint(["shared", f"services.{service}"]):
                now = await revision(url)
                return now is not None and now == remembered["revision"]
        return False

    async def remember(self, service: str, url: str) -> None:
        """After it was brought up to date."""
        told = {"code": fingerprint(["shared", f"services.{service}"]), "revision": await revision(url)}
        with suppress(OSError):  # then it runs again next time
            self.folder.mkdir(exist_ok=True)
            (self.folder / f"{service}.json").write_text(json.dumps(told))
