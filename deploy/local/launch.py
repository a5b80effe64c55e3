"""A whole installation as a child of this process: for benchmarks and tests, in a home and on ports of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deploy.local.errors import CommandError
from deploy.local.home import Home
from deploy.local.ports import SERVICES, free_ports, variable
from deploy.local.processes import die_with_parent

CACHE = Path.home() / ".cache/themodel"
START_SECONDS = 240.0  # a first start fetches Kafka's jars
STOP_SECONDS = 30.0
_OURS = ("THEMODEL_", "DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "AUTH_JWKS_FILE")


def own_environment(home: Path, cache: Path = CACHE) -> dict[str, str]:
    """The environment of an installation in `home`, on free ports, whatever the caller's own environment says."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_OURS) and not k.endswith("_DATABASE_URL")}
    ports = free_ports(len(SERVICES) + 3)  # Kafka's controller listens on the port after Kafka's
    names = ("postgres", "kafka", "", *SERVICES)
    named = {variable(name): str(port) for name, port in zip(names, ports, strict=True) if name}
    return {**kept, "THEMODEL_HOME": str(home), "THEMODEL_CACHE": str(cache), **named}


@contextmanager
def launched(environment: Mapping[str, str], *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`themodel up` until the block ends, once everything is ready. Raises CommandError with its last words."""
    home = Home.locate(environment)
    home.root.mkdir(parents=True, exist_ok=True)
    log = home.root / "up.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local.cli", "up", *arguments],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=die_with_parent(),
        )
    try:
        _await(home, process, log)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(STOP_SECONDS)


def _await(home: Home, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not home.is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise CommandError(f"It did not start:\n{log.read_text(errors='replace')[-6000:]}")
        time.sleep(0.02)
