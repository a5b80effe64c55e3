"""`themodel status`"""

import json
import time
from dataclasses import asdict, dataclass
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from deploy.local.home import Home
from deploy.local.processes import Record, read_records


@dataclass(frozen=True)
class State:
    name: str
    state: str  # starting, ready, or gone: ended and not yet started again
    address: str
    process: int
    restarts: int
    up_seconds: float
    memory_bytes: int  # resident set; memory shared between processes is counted in each


def state_of(record: Record, now: float) -> State:
    process = record.process()
    memory = 0
    if process:
        try:
            memory = sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))
        except psutil.Error:
            process = None
    state = "gone" if process is None else "ready" if record.ready else "starting"
    up = now - record.created_at if process else 0.0
    return State(record.name, state, record.address, record.pid, record.restarts, round(up, 1), memory)


def status(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show what runs here. Ends with 0 when everything is ready, 1 when something is not, 3 when nothing runs."""
    home = Home.locate()
    supervisor = home.holder()
    now = time.time()
    states = [state_of(record, now) for record in read_records(home.run)] if supervisor else []
    ready = home.is_ready() and all(state.state == "ready" for state in states)
    if as_json:
        told = {"running": supervisor is not None, "ready": ready, "process": supervisor, "home": str(home.root)}
        typer.echo(json.dumps({**told, "programs": [asdict(state) for state in states]}))
    else:
        _print(home, supervisor, states, ready)
    if not ready:
        raise typer.Exit(1 if supervisor else 3)


def _print(home: Home, supervisor: int | None, states: list[State], ready: bool) -> None:
    console = Console(soft_wrap=True, highlight=False)
    if supervisor is None:
        console.print(f"Nothing runs in {home.root}. Start it with `make up` or `themodel up`.")
        return
    table = Table("program", "state", "address", "process", "restarts", "up", "memory", box=None, header_style="bold")
    for state in states:
        colour = {"ready": "green", "starting": "yellow"}.get(state.state, "red")
        table.add_row(
            state.name,
            f"[{colour}]{state.state}[/{colour}]",
            state.address,
            str(state.process),
            str(state.restarts),
            _span(state.up_seconds),
            f"{state.memory_bytes / 1e6:.0f} MB",
        )
    console.print(table)
    console.print(f"{'All is ready' if ready else 'Not everything is ready'}; home {home.root}, process {supervisor}.")


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
