"""The invented company, played once into the installation all end-to-end tests share."""

import json
from typing import Any

import pytest

from tests.support.system import System

SEED, MONTHS = "41", "2"


def simulate(system: System, *more: str) -> Any:
    done = system.themodel("simulate", "--seed", SEED, "--months", MONTHS, "--json", *more)
    return json.loads(done.stdout)


@pytest.fixture(scope="package")
def played(system: System) -> Any:
    """Two months, then eight seconds of eight working hours."""
    return simulate(system, "--speed", "60", "--stop-after", "8")
