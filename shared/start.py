"""How a process of a service begins; imports nothing before it is asked to."""

import gc
from importlib import import_module


def start(module: str) -> None:
    """Run the SERVICE of a module. Until it serves nothing is thrown away: to look for what could be takes a fifth of
    the time a start takes."""
    gc.disable()
    process, app = import_module("shared.process"), import_module(module)
    process.main(app.SERVICE)
