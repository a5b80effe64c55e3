"""`themodel simulate`"""

import asyncio
import json
import signal
from contextlib import suppress
from typing import Annotated, Any

import typer

from deploy.local.client import LIFETIME, address
from deploy.local.commands.token import issue
from deploy.local.errors import CommandError
from deploy.local.home import Home
from deploy.simulate.company import Person
from deploy.simulate.history import play_history
from deploy.simulate.live import play_live
from deploy.simulate.progress import Progress
from deploy.simulate.voices import Refused, Voices


def simulate(
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another company.")] = 7,
    months: Annotated[int, typer.Option(min=1, max=60, help="Of history.")] = 24,
    live: Annotated[bool, typer.Option("--live/--no-live", help="Go on with live traffic, until Ctrl-C.")] = True,
    speed: Annotated[float, typer.Option(min=0.1, max=600, help="Live: simulated minutes in a second.")] = 10,
    stop_after: Annotated[
        float | None, typer.Option(min=1, metavar="SECONDS", help="Live: end by itself; default never.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary for machines at the end.")] = False,
) -> None:
    """Play a believable company into the running system: a history, then people at work.

    Everything goes through the importers and the HTTP APIs. The same seed again tells nothing twice.
    """
    progress = Progress(quiet=as_json)
    summary = asyncio.run(_play(seed, months, live=live, speed=speed, stop_after=stop_after, progress=progress))
    if as_json:
        typer.echo(json.dumps(summary, ensure_ascii=False))
    if summary["history"]["refused"]:
        raise typer.Exit(1)


async def _play(
    seed: int, months: int, *, live: bool, speed: float, stop_after: float | None, progress: Progress
) -> dict[str, Any]:
    """The summary, also of a play that a signal ended."""
    playing = asyncio.current_task()
    assert playing is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, playing.cancel)
    home = Home.locate()

    def token_of(person: Person) -> str:
        return issue(home, person.id, [person.role], LIFETIME)

    summary: dict[str, Any] = {"history": {"refused": {}}}
    async with Voices(address, token_of) as voices:
        try:
            with suppress(asyncio.CancelledError):
                summary["history"] = await play_history(voices, seed, months, progress)
                if live:
                    summary["live"] = await play_live(voices, seed, speed, stop_after, progress)
        except Refused as refused:
            raise CommandError(str(refused)) from refused
    return summary
