"""`themodel doctor`"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from deploy.local.home import Home
from deploy.local.ports import Ports
from deploy.local.servers import Servers
from deploy.local.terminal import table_console

if TYPE_CHECKING:
    from deploy.local.checks.finding import Finding

COLOURS = {"ok": "green", "warning": "yellow", "bad": "red"}


def doctor(
    everything: Annotated[bool, typer.Option("--all", help="Also what is well.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines; everything.")] = False,
) -> None:
    """Look at every part of the system and say what is wrong, and what to do about it. Ends with 1 when anything is."""
    found = asyncio.run(_examine())
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], ensure_ascii=False))
    else:
        _print([each for each in found if everything or each.level != "ok"], len(found))
    if any(each.level == "bad" for each in found):
        raise typer.Exit(1)


async def _examine() -> list["Finding"]:
    from deploy.local.checks import engines, figures, handoff, numbers, topics  # imports much others do without
    from deploy.local.checks.finding import System

    home, ports = Home.locate(), Ports.from_environment()
    environment = Servers.from_environment(home, ports).environment()
    os.environ.update(environment)
    system = System(home, environment)
    checks: list[Callable[[System], AsyncIterator[Finding]]] = [
        *(engines.programs, engines.postgres, engines.kafka, engines.disk, topics.topics),
        *(handoff.migrations, handoff.outboxes, handoff.readers, handoff.waiting, numbers.numbers, figures.figures),
    ]
    return [finding for check in checks async for finding in check(system)]


def _print(shown: list["Finding"], looked_at: int) -> None:
    console = table_console()
    wrong = [each for each in shown if each.level != "ok"]
    if shown:
        table = Table("", "where", "what", "what to do", box=None, pad_edge=False)
        for each in shown:
            colour = COLOURS[each.level]
            table.add_row(f"[{colour}]{each.level}[/{colour}]", each.area, escape(each.what), escape(each.advice))
        console.print(table)
    told = f"{len(wrong)} things want a person" if wrong else "All is well"
    console.print(f"{told}; {looked_at} were looked at.")
