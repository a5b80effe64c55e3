"""`themodel backup`"""

import asyncio
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from deploy.local.commands.services import known_service
from deploy.local.home import Home
from deploy.local.ports import SERVICES, Ports
from deploy.local.servers import Servers, url_variable

if TYPE_CHECKING:
    from deploy.local.backup.making import Tell


def backup(
    service: Annotated[str, typer.Argument(callback=known_service, help=f"One of {', '.join(SERVICES)}.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Topics and all databases, as of one moment.")] = False,
    to: Annotated[Path | None, typer.Option("--to", help="A folder that is not there yet.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Save one service's database, or with --all the whole system, while everybody works.

    It holds personal data: keep it where only you can read it, and no longer than you promise to forget people in.
    """
    if bool(service) == everything:
        raise typer.BadParameter("either the name of a service or --all")
    home, began = Home.locate(), time.monotonic()
    environment = Servers.from_environment(home, Ports.from_environment()).environment()
    os.environ.update(environment)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = (to or home.root / "backups" / f"{stamp}-{service or 'all'}").expanduser().resolve()
    with Progress(console=Console(stderr=True), disable=as_json) as progress:
        found = asyncio.run(_back_up(home, environment, [service] if service else SERVICES, folder, showing(progress)))
    size = sum(part.bytes for part in found.parts())
    records = sum(part.records for part in (found.topics or {}).values())
    told = {"folder": str(folder), "services": list(found.databases), "records": records, "bytes": size}
    took = time.monotonic() - began
    if as_json:
        typer.echo(json.dumps({**told, "seconds": round(took, 3)}))
    else:
        events = f" and {records:,} events" if found.topics else ""
        typer.echo(f"{', '.join(found.databases)}{events}: {size / 1e6:.1f} MB in {took:.1f} s, in {folder}")


async def _back_up(home: Home, environment: dict[str, str], services: Any, folder: Path, tell: "Tell") -> Any:
    from deploy.local.backup.making import back_up  # imports much that other commands can do without
    from shared.settings import Settings

    urls = {name: environment[url_variable(name)] for name in services}
    whole = [Settings(service=name) for name in SERVICES] if len(urls) == len(SERVICES) else []
    return await back_up(
        folder,
        urls,
        environment["KAFKA_BOOTSTRAP_SERVERS"],
        topics=[topic for settings in whole for topic in (settings.topic(), settings.dead_letter_topic)],
        keys=home.keys,
        tell=tell,
    )


def showing(progress: Progress) -> "Tell":
    tasks: dict[str, Any] = {}

    def tell(what: str, done: int, of: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what, total=of)
        progress.update(tasks[what], completed=done)

    return tell
