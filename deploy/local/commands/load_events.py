"""`themodel load-events`"""

import asyncio
import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from deploy.history.fixtures import Fixtures
from deploy.history.telling import BadLine, Telling, read
from deploy.local.client import answer, client, reach
from deploy.local.errors import CommandError
from deploy.local.ports import Ports
from shared.messaging.loading import History, publish
from shared.settings import Settings

LOADED = "2000-01-01"  # settings of a loaded history hold from before its first event


def load_events(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Events as JSON lines.")],
    fixtures: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="What is not an event.")] = None,
    name: Annotated[str | None, typer.Option(help="The history's name; default the file's.")] = None,
    shuffle: Annotated[int | None, typer.Option(metavar="SEED", help="Send in an order drawn by SEED.")] = None,
    duplicate: Annotated[int, typer.Option(min=0, metavar="N", help="Send N of them again.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Publish a told history: kpi folds it, the departments pass over it; loading it twice changes nothing."""
    settings = Settings(service="kpi")
    told, decisions = _read(file, fixtures, settings.currency)
    history = History(_plain(name or file.stem), settings.topic)
    for telling in told:
        history.add(telling.event, event_id=telling.event_id, key=telling.key, at=telling.at, recorded=telling.recorded)
    records = history.records(shuffle=shuffle, duplicate=duplicate)
    _decide(decisions)
    with Progress(console=Console(stderr=True), disable=as_json) as progress:
        task = progress.add_task("Publishing", total=len(records))
        servers = _servers()
        asyncio.run(publish(servers, records, lambda count: progress.advance(task, count)))
    summary = {"events": len(told), "published": len(records), "decisions": sorted(decisions)}
    typer.echo(json.dumps(summary) if as_json else f"{len(told)} events told, {len(records)} records published.")


def _read(file: Path, fixtures: Path | None, currency: str) -> tuple[list[Telling], dict[str, Any]]:
    try:
        with file.open(encoding="utf-8-sig") as lines:
            told = read(lines, currency)
        if fixtures is None:
            return told, {}
        given = Fixtures(json.loads(fixtures.read_text(encoding="utf-8-sig")), told, currency)
        return [*told, *given.tellings()], given.decisions()
    except (BadLine, ValueError, KeyError) as error:
        raise CommandError(f"{file.name}: {error}") from error


def _decide(decisions: dict[str, Any]) -> None:
    """Settings are not events: kpi is told them by HTTP, as a person would."""
    if not decisions:
        return
    with client("kpi") as kpi:
        for name, value in decisions.items():
            body = {"value": value, "valid_from": LOADED}
            answer(reach("kpi", lambda name=name, body=body: kpi.put(f"/v1/settings/{name}", json=body)))


def _plain(name: str) -> str:
    """A name that can stand in a CloudEvents source."""
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name.lower())


def _servers() -> str:
    return os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or f"127.0.0.1:{Ports.from_environment()['kafka']}"
