"""`themodel restore`"""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from deploy.local.client import client, reach
from deploy.local.commands.backup import showing
from deploy.local.commands.services import known_service
from deploy.local.errors import CommandError
from deploy.local.home import Home
from deploy.local.ports import SERVICES, Ports
from deploy.local.processes import python, python_environment, read_records, run_once
from deploy.local.servers import Servers, url_variable
from deploy.local.system import System
from deploy.local.terminal import Terminal

if TYPE_CHECKING:
    from deploy.local.backup.databases import Beside
    from deploy.local.backup.making import Tell
    from deploy.local.backup.manifest import Manifest

PATIENCE_SECONDS = 20.0  # for a service whose database has just been exchanged


def restore(
    folder: Annotated[Path | None, typer.Argument(help="What `themodel backup` made.")] = None,
    service: Annotated[
        str, typer.Option("--service", callback=known_service, help="Only this one, out of a set.")
    ] = "",
    kept: Annotated[str, typer.Option("--kept", help="Go back to the database an earlier restore has kept.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Bring a backup back: one service's database while the others work, or a whole set where nothing is yet.

    A service reads again what it has missed and goes on after the last number it ever told. Its database as it was is
    kept under another name. A set is restored on an empty THEMODEL_HOME; start it by `themodel up` afterwards.
    """
    if (folder is None) == (not kept) or (kept and not service):
        raise typer.BadParameter("either the folder of a backup, or --kept with --service")
    home = Home.locate()
    servers = Servers.from_environment(home, Ports.from_environment())
    with Progress(console=Console(stderr=True), disable=as_json) as progress:
        if folder is None:
            told = asyncio.run(_go_back(servers, service, kept))
        else:
            told = _bring_back(home, servers, folder.expanduser().resolve(), service, showing(progress))
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        typer.echo(_words(told))


def _bring_back(home: Home, servers: Servers, folder: Path, service: str, tell: "Tell") -> dict[str, Any]:
    from deploy.local.backup.manifest import Manifest

    manifest = Manifest.read(folder)
    if service and service not in manifest.databases:
        raise CommandError(f"{folder} holds {', '.join(manifest.databases)}, and not {service}.")
    if manifest.topics and not service:
        with _undisturbed(home):
            asyncio.run(_set(home, folder, manifest, tell))
        records = sum(part.records for part in manifest.topics.values())
        return {"services": list(manifest.databases), "records": records, "as_of": manifest.made_at.isoformat()}
    (name,) = [service] if service else manifest.databases
    return asyncio.run(_service(servers, folder, manifest, name))


@contextlib.contextmanager
def _undisturbed(home: Home) -> Iterator[None]:
    """With no service of ours at work. What the engines say meanwhile is no answer."""
    if home.holder() and any(record.name in SERVICES for record in read_records(home.run)):
        raise CommandError(f"The services run in {home.root}. A set is restored where nothing is yet: name another.")
    with contextlib.redirect_stdout(sys.stderr):
        yield


async def _set(home: Home, folder: Path, manifest: "Manifest", tell: "Tell") -> None:
    async with _engines(home) as servers:
        from deploy.local.backup.restoring import restore_set  # imports much that other commands can do without
        from shared.settings import Settings

        environment = servers.environment()
        await restore_set(
            folder,
            manifest,
            {service: environment[url_variable(service)] for service in manifest.databases},
            environment["KAFKA_BOOTSTRAP_SERVERS"],
            keys=home.keys,
            replication=Settings(service="kpi").replication_factor,
            tell=tell,
        )


@contextlib.asynccontextmanager
async def _engines(home: Home) -> Any:
    """Those that run, or our own for as long as it takes."""
    if home.holder():
        yield Servers.from_environment(home, Ports.from_environment())
        return
    terminal, ready = Terminal(), asyncio.Event()
    try:
        with home.locked():
            system = System.here(home, terminal)
            work = system.run(only_engines=True, demo=False, user="", on_ready=lambda _: ready.set())
            running, waiting = asyncio.create_task(work), asyncio.create_task(ready.wait())
            try:
                await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
                if not ready.is_set():
                    running.result()
                yield system.servers
            finally:
                waiting.cancel()
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
    finally:
        terminal.close()


async def _service(servers: Servers, folder: Path, manifest: "Manifest", service: str) -> dict[str, Any]:
    from deploy.local.backup.restoring import restore_service  # imports much that other commands can do without
    from shared.settings import Settings

    environment = servers.environment()
    found = await restore_service(
        folder,
        manifest,
        service,
        _beside(servers, service),
        environment["KAFKA_BOOTSTRAP_SERVERS"],
        topic=Settings(service=service).topic(),
        stamp=_stamp(),
        migrate=_migrate,
    )
    told = {"services": [service], "as_of": manifest.made_at.isoformat(), "kept": found.kept}
    left = [lead for lead in found.erased if not await asyncio.to_thread(_erased_again, lead)]
    return {**told, "forgotten": dict(found.forgotten.most_common()), "erased": len(found.erased), "to_erase": left}


def _erased_again(lead: str) -> bool:
    """Somebody who was forgotten since the backup is forgotten again, by marketing and then by everybody."""
    stop = time.monotonic() + PATIENCE_SECONDS
    with client("marketing") as http:
        while True:
            with contextlib.suppress(CommandError):
                answered = reach("marketing", lambda: http.post(f"/v1/leads/{lead}/erase"))
                if answered.is_success or answered.status_code == 404:  # captured since: not known again
                    return True
            if time.monotonic() > stop:
                return False
            time.sleep(0.5)


async def _migrate(service: str, url: str) -> None:
    environment = {**python_environment(), **os.environ, url_variable(service): url}
    await run_once(python("deploy.local.migrate", service), environment=environment)


async def _go_back(servers: Servers, service: str, kept: str) -> dict[str, Any]:
    beside, now = _beside(servers, service), f"before_{_stamp()}"
    if not kept.startswith(f"{beside.name}_before_") or not await beside.exists(kept):
        raise CommandError(f"There is no database {kept} that a restore of {service} has kept.")
    await beside.exchange(kept, f"{beside.name}_{now}")
    return {"services": [service], "kept": f"{beside.name}_{now}", "from": kept}


def _beside(servers: Servers, service: str) -> "Beside":
    from deploy.local.backup.databases import Beside

    return Beside(servers.admin_url(service), servers.environment()[url_variable(service)])


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%dt%H%M%S")


def _words(told: dict[str, Any]) -> str:
    if "records" in told:
        whole = f"{', '.join(told['services'])} and {told['records']:,} events"
        return f"{whole} are as of {told['as_of']}. Start them by `themodel up`."
    (service,) = told["services"]
    lines = [
        f"{service} is back{' as of ' + told['as_of'] if 'as_of' in told else ''}; it reads again what it has missed.",
        f"As it was, it is kept: themodel restore --service {service} --kept {told['kept']} brings it back.",
    ]
    if told.get("erased"):
        lines.append(f"{told['erased']} people who were erased since were erased again.")
    if left := told.get("to_erase"):
        lines.append(f"These could not be; POST /v1/leads/<id>/erase of marketing: {', '.join(left)}")
    if forgotten := told.get("forgotten"):
        lines.append(f"The others know of this, and {service} no longer does; enter again what is still needed:")
        lines += [f"  {count:6} {kind}" for kind, count in forgotten.items()]
    return "\n".join(lines)
