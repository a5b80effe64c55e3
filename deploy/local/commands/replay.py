"""`themodel replay`"""

import asyncio
import dataclasses
import json
import os
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from deploy.local.errors import CommandError
from deploy.local.home import Home
from deploy.local.ports import Ports
from deploy.local.servers import Servers


def replay(
    service: Annotated[str, typer.Argument(help="Only kpi is folded from the topics.")] = "kpi",
    verify: Annotated[bool, typer.Option("--verify", help="Only compare with what is in use.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Fold all facts anew from the topics, beside what is in use, then change over in one moment.

    Targets, stages and settings are not touched; events that come meanwhile are counted too.
    """
    if service != "kpi":
        raise CommandError(f"{service} decides by itself and has nothing to replay; kpi has.")
    os.environ.update(Servers.from_environment(Home.locate(), Ports.from_environment()).environment())
    with Progress(console=Console(stderr=True), disable=as_json) as progress:
        report = asyncio.run(_replay(verify, progress))
    told = dataclasses.asdict(report)
    typer.echo(json.dumps(told) if as_json else _words(report, verify))
    if report.differences:
        raise typer.Exit(1)


async def _replay(verify: bool, progress: Progress) -> Any:
    from services.kpi.app import SERVICE  # imports much that other commands can do without
    from services.kpi.commands.rebuilding import rebuild
    from shared.errors import Problem
    from shared.process import make_runtime
    from shared.settings import Settings

    tasks: dict[str, Any] = {}

    def tell(what: str, done: int, of: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what.capitalize(), total=of)
        progress.update(tasks[what], completed=done)

    runtime = make_runtime(Settings(service=SERVICE.name))
    try:
        return await rebuild(runtime, SERVICE.listens, verify=verify, tell=tell)
    except Problem as problem:
        raise CommandError(problem.detail) from problem
    finally:
        await runtime.database.close()


def _words(report: Any, verify: bool) -> str:
    counted = (
        f"{report.facts} facts in {report.seconds:.1f} s; {report.waiting} wait, {report.unreadable} are no events"
    )
    if not verify:
        return f"Replayed: {counted}."
    if not report.differences:
        return f"All is as it should be: {counted}."
    tables = "; ".join(
        f"{name}: {used} only in use, {new} only replayed" for name, (used, new) in report.differences.items()
    )
    return f"Differences ({counted}): {tables}."
