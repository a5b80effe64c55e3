"""Engines of the faults' own, since they are killed and frozen; one pair for all of them."""

from collections.abc import Iterator

import pytest

from tests.support.engines import Engines, own_engines


@pytest.fixture(scope="package")
def engines() -> Iterator[Engines]:
    with own_engines() as own:
        yield own
