"""Engines of the faults' own, since they are killed and frozen; one pair for all of them."""

import gc
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engines import Engines, own_engines

HERE = Path(__file__).parent
# Who is cut off while connecting leaves a socket to the collector, here as in any process that is cut off.
UNCLOSED = "unclosed"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(f"ignore:{UNCLOSED}:ResourceWarning"))


@pytest.fixture(scope="module", autouse=True)
def nothing_left_for_others_to_collect() -> Iterator[None]:
    yield
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", UNCLOSED, ResourceWarning)
        gc.collect()


@pytest.fixture(scope="package")
def engines() -> Iterator[Engines]:
    with own_engines() as own:
        yield own
