"""`themodel up`"""

import asyncio
import getpass
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from deploy.local.home import Home
from deploy.local.ports import SERVICES
from deploy.local.system import System, until_signalled
from deploy.local.terminal import Terminal

_HELP_DEMO = "Also play a believable company: two years of history, then live traffic."
_HELP_ENGINES = "Only PostgreSQL and Kafka, for working on the services."


def up(
    demo: Annotated[bool, typer.Option("--demo", help=_HELP_DEMO)] = False,
    only_engines: Annotated[bool, typer.Option("--only-engines", help=_HELP_ENGINES)] = False,
) -> None:
    """Run the whole product here, until Ctrl-C: PostgreSQL, Kafka and the five services.

    Data is kept in .themodel (THEMODEL_HOME). Ports: THEMODEL_MARKETING_PORT … THEMODEL_KPI_PORT,
    THEMODEL_POSTGRES_PORT, THEMODEL_KAFKA_PORT. With DATABASE_URL (a server) or KAFKA_BOOTSTRAP_SERVERS set,
    those servers are used in place of our own.
    """
    home = Home.locate()
    started = time.monotonic()
    terminal = Terminal()
    try:
        with home.locked():
            system = System.here(home, terminal)

            def on_ready(sign_in: str | None) -> None:
                took = time.monotonic() - started
                terminal.say(_engines_text(system, took) if only_engines else _welcome(system, took, sign_in))

            work = system.run(only_engines=only_engines, demo=demo, user=_user(), on_ready=on_ready)
            asyncio.run(until_signalled(work, system))
            terminal.say("Stopped. Your data stays.")
    finally:
        terminal.close()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "admin"


def _engines_text(system: System, took: float) -> str:
    lines = [f"export {name}={escape(value)}" for name, value in sorted(system.servers.environment().items())]
    return "\n".join(
        [f"The engines are running ({took:.1f} s). A service finds them by:", *lines, "Ctrl-C stops them."]
    )


def _welcome(system: System, took: float, sign_in: str | None) -> str:
    command = Path(sys.argv[0])
    if command.name == "themodel" and command.is_absolute():
        command = Path(os.path.relpath(command))
    themodel = str(command) if command.name == "themodel" else "themodel"
    rows = [("pages", f"http://localhost:{system.ports['kpi']}/")]
    rows += [(f"{service} API", f"http://localhost:{system.ports[service]}/docs") for service in SERVICES]
    rows += [(program.name, program.address) for program in system.engine_programs()]
    rows += [("data", escape(str(system.home.root)))]
    if sign_in:
        rows += [
            ("sign in", f"{escape(sign_in)}  (administrator, 12 hours)"),
            ("a colleague", f"{themodel} token --role marketing --user hanako --link"),
        ]
    body = "\n".join(f"  [bold]{name:<21}[/bold] {value}" for name, value in rows)
    title = f"[bold green]THE MODEL is running[/bold green] ({took:.1f} s)."
    return f"\n{title}\n\n{body}\n\nCtrl-C stops it; your data stays.\n"
