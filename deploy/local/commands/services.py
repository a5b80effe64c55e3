"""What commands that are told of a service have in common."""

import typer

from deploy.local.ports import SERVICES


def known_service(name: str) -> str:
    """A `callback` of typer: one of the five, or nothing where none was named."""
    if name and name not in SERVICES:
        raise typer.BadParameter(f"{name}: one of {', '.join(SERVICES)}")
    return name
