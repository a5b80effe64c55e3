"""`themodel token`"""

import os
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer

from deploy.local.errors import CommandError
from deploy.local.home import Home
from deploy.local.ports import Ports
from deploy.local.processes import read_records

ROLES = (
    *("admin", "ops_lead", "executive", "marketing", "inside_sales"),
    *("field_sales", "customer_success", "product", "viewer"),
)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if not found or not int(found[1]):
        raise typer.BadParameter(f"{text}: a number with s, m, h or d is needed, such as 30m, 12h or 7d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def known_roles(roles: Sequence[str]) -> Sequence[str]:
    for role in roles:
        if role not in ROLES:
            raise typer.BadParameter(f"{role}: one of {', '.join(ROLES)}")
    return roles


def token(
    role: Annotated[
        list[str],
        typer.Option("--role", callback=known_roles, help=f"May be given several times: {', '.join(ROLES)}."),
    ],
    user: Annotated[str, typer.Option("--user", metavar="NAME", help="Who acts; written into histories.")] = "",
    ttl: Annotated[
        str, typer.Option("--ttl", metavar="TIME", help="How long it holds, such as 30m, 12h or 7d.")
    ] = "12h",
    link: Annotated[bool, typer.Option("--link", help="Print a sign-in link for the web pages instead.")] = False,
) -> None:
    """Print a bearer token for this installation.

    Use it as: curl -H "Authorization: Bearer $(themodel token --role viewer)" http://localhost:8005/v1/funnel
    """
    home = Home.locate()
    issued = issue(home, user or "-".join(role), role, duration(ttl))
    typer.echo(sign_in_link(home, issued) if link else issued)


def issue(home: Home, user: str, roles: Sequence[str], ttl: timedelta) -> str:
    if named := os.environ.get("AUTH_JWKS_FILE"):
        raise CommandError(f"Tokens are issued by whoever keeps the keys of {named} (AUTH_JWKS_FILE), not here.")
    from shared.auth import Keys  # imports much that `up` can do without

    try:
        return Keys.load_or_create(home.keys).issue(user, roles, ttl)
    except PermissionError:
        raise CommandError(f"{home.keys} can only be read by the user who started `themodel up`.") from None


def sign_in_link(home: Home, issued: str) -> str:
    """On the address kpi really has, if it runs."""
    running = {record.name: record.address for record in read_records(home.run)}
    address = running.get("kpi") or f"http://localhost:{Ports.from_environment()['kpi']}"
    return f"{address}/sign-in?token={issued}"
