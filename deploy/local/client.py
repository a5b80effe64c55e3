"""Speaking HTTP to the running local system, as a command of `themodel` does: with a token of its own making."""

import getpass
import os
from datetime import timedelta
from typing import Any

import httpx

from deploy.local.commands.token import issue
from deploy.local.errors import CommandError
from deploy.local.home import Home
from deploy.local.ports import Ports
from deploy.local.processes import read_records

TOKEN_VARIABLE = "THEMODEL_TOKEN"  # for a system whose keys are not here
LIFETIME = timedelta(hours=12)


def address(service: str) -> str:
    """Where a service listens: what the running system says, else what the environment says."""
    running = {record.name: record.address for record in read_records(Home.locate().run)}
    return running.get(service) or f"http://127.0.0.1:{Ports.from_environment()[service]}"


def client(service: str, role: str = "admin", timeout: float = 60) -> httpx.Client:
    """A signed-in client of `service`. Raises CommandError where no token can be had."""
    token = os.environ.get(TOKEN_VARIABLE) or issue(Home.locate(), getpass.getuser(), [role], LIFETIME)
    return httpx.Client(base_url=address(service), headers={"Authorization": f"Bearer {token}"}, timeout=timeout)


def answer(response: httpx.Response) -> Any:
    """The JSON of a good answer. Raises CommandError with the problem's own words otherwise."""
    if response.is_success:
        return response.json() if response.content else None
    try:
        problem = response.json()
        detail = problem.get("detail") or problem.get("title")
    except ValueError:
        detail = response.text[:200]
    raise CommandError(f"{response.request.method} {response.url.path}: {response.status_code} {detail}")


def reach(service: str, act: Any) -> Any:
    """`act()`, with a line that helps where the service does not answer."""
    try:
        return act()
    except httpx.TransportError as error:
        raise CommandError(f"{service} does not answer at {address(service)}; is `themodel up` running?") from error
