"""What an installation costs that does nothing: its second start, its memory, its processor. Beside it the two engines
alone, which any installation has."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import psutil
from rich.console import Console

from deploy.bench.row import Row
from deploy.local.launch import launched

CALM_SECONDS, WATCH_SECONDS = 10.0, 20.0


def measure(environment: Mapping[str, str], console: Console) -> list[Row]:
    console.print("Starting it again, and the engines alone …")
    whole, engines = _watch(environment), _watch(environment, "--only-engines")
    return [
        Row(what, unit, ours, "Kafka and PostgreSQL alone", theirs)
        for (what, unit), ours, theirs in zip(_MEASURED, whole, engines, strict=True)
    ]


_MEASURED = (
    ("a second start", "s"),
    ("memory at rest", "MB"),
    ("processor at rest", "% of a core"),
    ("stop", "s"),
)


def _watch(environment: Mapping[str, str], *arguments: str) -> tuple[float, ...]:
    begun = time.monotonic()
    with launched(environment, *arguments) as process:
        started = time.monotonic() - begun
        time.sleep(CALM_SECONDS)
        used = _processor(process.pid)
        time.sleep(WATCH_SECONDS)
        busy = (_processor(process.pid) - used) / WATCH_SECONDS * 100
        memory = sum(_each(process.pid, lambda one: one.memory_full_info().pss)) / 1e6
        begun = time.monotonic()
    return started, memory, busy, time.monotonic() - begun


def _processor(pid: int) -> float:
    """Seconds of a core that these processes have used so far."""
    return sum(_each(pid, lambda one: sum(one.cpu_times()[:2])))


def _each(pid: int, figure: Callable[[psutil.Process], float]) -> list[float]:
    """The figure of every process of an installation; one that has just ended has none."""
    found, parent = list[float](), psutil.Process(pid)
    for one in (parent, *parent.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            found.append(figure(one))
    return found
