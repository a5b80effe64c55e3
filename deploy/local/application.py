"""The command line as a typer application."""

import importlib
import logging
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from deploy.local.commands import COMMANDS
from deploy.local.errors import CommandError

HELP = """THE MODEL: marketing, inside sales, field sales and customer success as one measured chain.

Start it with [bold]themodel up[/bold], open the sign-in link it prints, and look at [bold]themodel status[/bold]
from another terminal. Every command has its own --help."""
EPILOG = (
    "THEMODEL_HOME names the folder with all data (default: .themodel in the project). "
    "Commands that print tables take --json for machines."
)


def application(arguments: Sequence[str] = ()) -> typer.Typer:
    """The command that the arguments ask for, or all: importing what one needs takes the others' time."""
    app = typer.Typer(
        name="themodel",
        rich_markup_mode="rich",
        no_args_is_help=True,
        pretty_exceptions_show_locals=False,  # they may hold passwords
    )
    app.callback(help=HELP, epilog=EPILOG)(lambda: None)
    asked = next((each for each in arguments if not each.startswith("-")), "")
    for name in [asked] if asked in COMMANDS else COMMANDS:
        module, _, attribute = COMMANDS[name].partition(":")
        command = getattr(importlib.import_module(f"deploy.local.commands.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def run() -> None:
    logging.getLogger("aiokafka").setLevel(
        logging.CRITICAL
    )  # what it cannot do comes as an error; the rest is not for people
    try:
        application(sys.argv[1:])()
    except CommandError as error:
        _stop(str(error))
    except Exception as error:
        if not _of_an_engine(error):
            raise
        _stop(f"PostgreSQL or Kafka does not answer ({error or type(error).__name__}); is `themodel up` running?")


def _of_an_engine(error: Exception) -> bool:
    """One that is away. Told by its module: importing the clients for it would cost every command half a second."""
    module, state = type(error).__module__.partition(".")[0], getattr(error, "sqlstate", None)
    away = isinstance(error, ConnectionError | TimeoutError) or (state or "")[:2] in ("08", "57")
    return away or (module == "aiokafka" and "Connection" in type(error).__name__)


def _stop(told: str) -> NoReturn:
    Console(stderr=True, soft_wrap=True, highlight=False).print(f"[red]{escape(told)}[/red]")
    sys.exit(1)
