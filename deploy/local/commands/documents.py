"""`themodel openapi` and `themodel asyncapi`: the interfaces as documents, without a running system."""

import importlib
import json
from typing import Annotated

import typer

from deploy.local.errors import CommandError
from deploy.local.ports import SERVICES
from shared.contracts.asyncapi import document
from shared.settings import Settings


def openapi(service: Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}.")]) -> None:
    """Print the OpenAPI document of a service."""
    if service not in SERVICES:
        raise CommandError(f"{service}: one of {', '.join(SERVICES)}")
    from shared.http.app import create_app
    from shared.process import make_runtime

    found = importlib.import_module(f"services.{service}.app").SERVICE
    app = create_app(found, make_runtime(Settings(service=service)))
    typer.echo(json.dumps(app.openapi(), ensure_ascii=False, indent=2))


def asyncapi() -> None:
    """Print the AsyncAPI 3 document of all events."""
    typer.echo(json.dumps(document(Settings(service="kpi").topic_prefix), ensure_ascii=False, indent=2))
