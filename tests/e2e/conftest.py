"""The invented company, played once into the installation all end-to-end tests share."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.system import System, running_system

# So long that somebody is won and onboarded, whatever day it is played on: in 2 or 3 months that is luck.
SEED, MONTHS = 41, 5


def simulate(system: System, *more: str) -> Any:
    done = system.themodel("simulate", "--seed", str(SEED), "--months", str(MONTHS), "--json", *more)
    return json.loads(done.stdout)


@pytest.fixture(scope="package")
def system() -> Iterator[System]:
    """One installation for all end-to-end tests; each uses names and channels of its own. It ends with them, since it
    also costs something at rest: defined in a plugin it would last as long as the session."""
    with running_system() as started:
        yield started


@pytest.fixture(scope="package")
def played(system: System) -> Any:
    """Five months, then eight seconds of eight working hours."""
    return simulate(system, "--speed", "60", "--stop-after", "8")
