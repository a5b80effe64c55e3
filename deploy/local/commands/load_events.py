"""`themodel load-events`"""

import asyncio
import json
import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.history.carry.report import Report
from deploy.history.carry.run import carry
from deploy.history.fixtures import Fixtures
from deploy.history.telling import BadLine, Telling, read
from deploy.local.client import LIFETIME, TOKEN_VARIABLE, address, answer, client, reach
from deploy.local.commands.token import issue
from deploy.local.errors import CommandError
from deploy.local.home import Home
from deploy.local.ports import Ports
from deploy.simulate.company import Person
from deploy.simulate.progress import Progress
from deploy.simulate.voices import Voices
from shared.messaging.loading import History, publish
from shared.settings import Settings

LOADED = "2000-01-01"  # settings of a loaded history hold from before its first event
PATIENCE = 30.0  # seconds for the news of a step to reach the next department


class Where(StrEnum):
    TOPICS = "topics"
    SERVICES = "services"


def load_events(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Events as JSON lines.")],
    fixtures: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="What is not an event.")] = None,
    to: Annotated[
        Where, typer.Option(help="topics: kpi alone folds it. services: the departments take it as their records.")
    ] = Where.TOPICS,
    name: Annotated[str | None, typer.Option(help="The history's name; default the file's.")] = None,
    shuffle: Annotated[int | None, typer.Option(metavar="SEED", help="Send in an order drawn by SEED.")] = None,
    duplicate: Annotated[int, typer.Option(min=0, metavar="N", help="Send N of them again.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Load a told history; loading it twice changes nothing.

    With --to services it goes through the APIs and importers, each act at its own time, and ends with 1 when a line was
    refused. It is the one or the other: kpi would count a history loaded both ways twice.
    """
    if to is Where.SERVICES and (shuffle is not None or duplicate):
        raise CommandError("--shuffle and --duplicate are for --to topics: people do things once, and in order.")
    settings = Settings(service="kpi")
    told, decisions = _read(file, fixtures, settings.currency)
    _decide(decisions)
    name, progress = _plain(name or file.stem), Progress(quiet=as_json)
    if to is Where.TOPICS:
        count = _publish(told, History(name, settings.topic), progress, shuffle=shuffle, duplicate=duplicate)
        summary = {"events": len(told), "published": count, "decisions": sorted(decisions)}
        typer.echo(json.dumps(summary) if as_json else f"{len(told)} events told, {count} records published.")
        return
    report = asyncio.run(_carry(told, name, progress))
    summary = {"events": len(told), **report.as_dict(), "decisions": sorted(decisions)}
    typer.echo(json.dumps(summary, ensure_ascii=False) if as_json else _said(report))
    if report.refused:
        raise typer.Exit(1)


def _publish(
    told: Sequence[Telling], history: History, progress: Progress, *, shuffle: int | None, duplicate: int
) -> int:
    for one in told:
        history.add(one.event, event_id=one.event_id, key=one.key, at=one.at, recorded=one.recorded)
    records = history.records(shuffle=shuffle, duplicate=duplicate)
    with progress.step("Publishing", len(records)) as step:
        asyncio.run(publish(_servers(), records, step))
    return len(records)


async def _carry(told: Sequence[Telling], name: str, progress: Progress) -> Report:
    home, given = Home.locate(), os.environ.get(TOKEN_VARIABLE)

    def token_of(person: Person) -> str:
        return given or issue(home, person.id, [person.role], LIFETIME)

    async with Voices(address, token_of, PATIENCE) as voices:
        with progress.step("Carrying", len(told)) as step:
            return await carry(voices, name, told, step)


def _said(report: Report) -> str:
    counts = report.counts
    end = f"{counts['carried']} events carried, {counts['known']} known before, {counts['concluded']} concluded again"
    return "\n".join([*report.lines(), f"{end}, {counts['refused']} refused."])


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
