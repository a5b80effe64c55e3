"""A soak: people at work, one fault after another, then quiet and the checks."""

import asyncio
import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from deploy.local.launch import launched
from deploy.local.ports import SERVICES
from tests.soak.faults import FAULTS, Fault, Scene
from tests.soak.people import Ledger, Person
from tests.soak.truth import keep_journal, quiet
from tests.support.system import System

PEOPLE = 6
PAUSE = 0.2  # seconds, the longest between two ways of a person
RECOVERY_SECONDS = 60.0  # I8: by then everything is ready again, whatever happened
TOGETHER = 0.25  # how often the next fault does not wait for the one before
REST_SECONDS = 1.5
MORE_MEMORY, MORE_FILES = 1.6, 2.0  # I8: what a program may have grown by at the end, beside a small allowance
ENOUGH_TRIES = 3  # of a command that was not killed: one may meet a server that is just away
POWER_CUT = "kill everything"


@dataclass
class Size:
    """Of a program and its children: bytes it has for itself, and open files."""

    memory: int
    files: int


@dataclass
class Outcome:
    """What a soak saw; `recoveries` in seconds by fault, `sizes` by program before and after."""

    seed: int
    faults: list[str] = field(default_factory=list)
    recoveries: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    before: dict[str, Size] = field(default_factory=dict)
    after: dict[str, Size] = field(default_factory=dict)
    quiet_seconds: float = 0.0
    commands: Counter[tuple[str, int]] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def bounds(self) -> list[str]:
        """I8: recovery, memory and open files; and that a command people rely on then did its work at least once."""
        told = [
            f"I8 {name}: not ready again within {RECOVERY_SECONDS:.0f} s"
            for name, seconds in self.recoveries.items()
            if max(seconds) > RECOVERY_SECONDS
        ]
        for name in {name for name, _ in self.commands}:
            tries = sum(times for (other, code), times in self.commands.items() if other == name and code >= 0)
            if tries >= ENOUGH_TRIES and not self.commands[name, 0]:
                told.append(f"I8 none of {tries} times a {name} ended well")
        for name, after in self.after.items():
            before = self.before.get(name, after)
            if after.memory > before.memory * MORE_MEMORY + 60e6:
                told.append(f"I8 {name} grew from {before.memory / 1e6:.0f} to {after.memory / 1e6:.0f} MB")
            if after.files > before.files * MORE_FILES + 20:
                told.append(f"I8 {name} had {before.files} open files and has {after.files}")
        return told


class Life:
    """The system, which can be killed as a whole and started again."""

    def __init__(self, system: System, stack: ExitStack) -> None:
        self.system, self._stack = system, stack

    def cut_power(self) -> None:
        os.kill(self.system.process.pid, signal.SIGKILL)
        self.system.process.wait(30)
        self.system.process = self._stack.enter_context(launched(self.system.environment))


@contextmanager
def living(system: System) -> Iterator[Life]:
    with ExitStack() as stack:
        yield Life(system, stack)


@asynccontextmanager
async def working(
    system: System, ledger: Ledger, chance: random.Random, people: int, pause: float
) -> AsyncIterator[None]:
    """People at work until the block ends; each then goes the way begun to its end."""
    on = True
    tasks = [
        asyncio.create_task(Person(system, ledger, number, random.Random(chance.random()), pause).work(lambda: on))
        for number in range(people)
    ]
    try:
        yield
    finally:
        on = False
        await asyncio.gather(*tasks)


async def soak(
    life: Life,
    ledger: Ledger,
    *,
    seed: int,
    seconds: float,
    plan: Sequence[str] = (),
    people: int = PEOPLE,
    pause: float = PAUSE,
) -> tuple[Outcome, Scene]:
    """Faults drawn by `seed` for so long (or `plan`, two and two), then until all is quiet."""
    chance, outcome = random.Random(seed), Outcome(seed)
    scene = Scene(life.system, chance, Path(life.system.environment["THEMODEL_HOME"]) / "soak")
    await keep_journal(scene)
    async with working(life.system, ledger, chance, people, pause):
        await asyncio.sleep(min(15.0, seconds / 10))
        outcome.before = await asyncio.to_thread(sizes, life.system)
        stop, left = time.monotonic() + seconds, list(plan)
        while left if plan else time.monotonic() < stop:
            name = left.pop(0) if plan else _drawn(chance)
            outcome.faults.append(name)
            begun = time.monotonic()
            await _happens(life, scene, name)
            away = time.monotonic() - begun if name == POWER_CUT else 0.0  # it comes back only when it is started
            if len(outcome.faults) % 2 == 0 if plan else chance.random() > TOGETHER:
                outcome.recoveries[name].append(away + await _recovered(life.system))
            await asyncio.sleep(chance.uniform(0, REST_SECONDS))
        await _recovered(life.system)
    outcome.quiet_seconds, outcome.commands = await quiet(scene), scene.commands
    outcome.after = await asyncio.to_thread(sizes, life.system)
    return outcome, scene


def _drawn(chance: random.Random) -> str:
    names = [*FAULTS, POWER_CUT]
    return chance.choices(names, [*(often for often, _ in FAULTS.values()), 1])[0]


async def _happens(life: Life, scene: Scene, name: str) -> None:
    if name == POWER_CUT:
        await asyncio.to_thread(life.cut_power)
        return
    fault: Fault = FAULTS[name][1]
    await fault(scene)


async def _recovered(system: System) -> float:
    """Seconds until every service says that it is ready, twice in a row."""
    begun, well = time.monotonic(), 0
    async with httpx.AsyncClient(timeout=2) as client:
        while well < 2:
            well = well + 1 if await _all_ready(client, system) else 0
            if time.monotonic() - begun > 2 * RECOVERY_SECONDS:
                break  # the bound is judged at the end
            await asyncio.sleep(0.1)
    return time.monotonic() - begun


async def _all_ready(client: httpx.AsyncClient, system: System) -> bool:
    try:
        answers = await asyncio.gather(*(client.get(f"{system.url(name)}/readyz") for name in SERVICES))
    except httpx.HTTPError:
        return False
    return all(answer.is_success for answer in answers)


def sizes(system: System) -> dict[str, Size]:
    found = {}
    for name, pid in system.programs().items():
        try:
            process = psutil.Process(pid)
            each = [process, *process.children(recursive=True)]
            found[name] = Size(sum(one.memory_full_info().uss for one in each), sum(one.num_fds() for one in each))
        except psutil.Error:
            continue  # ended since
    return found
