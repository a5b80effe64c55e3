"""Brings the databases of the services named to their newest schema: `python -m deploy.local.migrate kpi …`.

One process for all, since what it imports takes longer than what it does; and one after another, since Alembic knows
one migration at a time. Their addresses are in the environment, as the services find them.
"""

import asyncio
import importlib.util
import os
import sys
import traceback
from pathlib import Path

from deploy.local.servers import url_variable
from shared.migrate import upgrade


def folder_of(service: str) -> Path:
    spec = importlib.util.find_spec(f"services.{service}")
    assert spec
    assert spec.origin
    return Path(spec.origin).parent


async def main() -> None:
    for service in sys.argv[1:]:
        try:
            await upgrade(os.environ[url_variable(service)], folder_of(service))
        except Exception as error:
            told = "".join(traceback.format_exception_only(error)).strip()
            raise SystemExit(f"The database of {service} could not be brought up to date:\n{told}") from error


if __name__ == "__main__":
    asyncio.run(main())
