"""Which port everything listens on, and what to say when one is taken."""

import os
import random
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil

from deploy.local.errors import CommandError

SERVICES = ("marketing", "inside_sales", "field_sales", "customer_success", "kpi")
DEFAULTS = {**dict(zip(SERVICES, range(8001, 8006), strict=True)), "postgres": 5544, "kafka": 9092}


def variable(name: str) -> str:
    return f"THEMODEL_{name.upper()}_PORT"


@dataclass(frozen=True)
class Ports:
    """One port per service and engine, by name. Kafka's controller listens on the port after Kafka's."""

    by_name: Mapping[str, int]

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Ports":
        return cls({name: _port(variable(name), environ.get(variable(name)), port) for name, port in DEFAULTS.items()})

    def __getitem__(self, name: str) -> int:
        return self.by_name["kafka"] + 1 if name == "kafka_controller" else self.by_name[name]

    def environment(self) -> dict[str, str]:
        return {variable(name): str(port) for name, port in self.by_name.items()}

    def require_free(self, names: Iterable[str]) -> None:
        """Raises CommandError naming every port among `names` that cannot be had, and which variable moves it."""
        wanted: dict[int, str] = {}
        complaints = []
        for name in names:
            port = self[name]
            what = f"Port {port} for {name}"
            remedy = (
                "set THEMODEL_KAFKA_PORT (the one before it)" if name == "kafka_controller" else f"set {variable(name)}"
            )
            if port in wanted:
                complaints.append(f"{what} is also the port for {wanted[port]}: {remedy}.")
            elif not is_free(port):
                complaints.append(f"{what} is taken by {owner(port)}. Stop it or {remedy}.")
            wanted[port] = name
        if complaints:
            raise CommandError("\n".join(complaints))


def _port(name: str, text: str | None, default: int) -> int:
    if not text:
        return default
    if text.isascii() and text.isdigit() and 0 < int(text) < 65535:
        return int(text)
    raise CommandError(f"{name}={text} is not a port: a whole number from 1 to 65534 is needed.")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a closed connection's last minute is not a user
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def owner(port: int) -> str:
    """Who listens there, as far as this user may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.pid and connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,):
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass  # macOS tells only root
    return "another program" if port >= 1024 else "another program, or is reserved for root"


def free_ports(count: int, below: int = 32768) -> list[int]:
    """Neighbouring ports that nothing uses now, from under the range the system gives to outgoing connections."""
    while True:
        first = random.randrange(20000, below - count)
        ports = list(range(first, first + count))
        if all(is_free(port) for port in ports):
            return ports
