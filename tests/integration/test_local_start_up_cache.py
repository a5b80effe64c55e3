"""Kafka's start-up cache, trained for real: the slowest minute of the embedded engines."""

import asyncio
import shutil
from pathlib import Path

import pytest

from deploy.local.errors import CommandError
from deploy.local.home import Home
from deploy.local.kafka import Kafka
from deploy.local.processes import run_once
from deploy.local.start_up_cache import make
from tests.support.engines import SHARED_CACHE, Engines


def test_it_is_made_once_and_fits_only_these_jars(tmp_path: Path, engines: Engines) -> None:
    shutil.copytree(SHARED_CACHE / "kafka", tmp_path / "kafka")
    kafka = Kafka.in_home(Home(tmp_path, tmp_path), 1)
    asyncio.run(_make_twice(kafka))
    assert list(tmp_path.glob("*.aot")) == [kafka.start_up_cache]
    assert not list(tmp_path.glob(".train-*"))
    # AOTMode=on refuses what AOTMode=auto, our way of starting, would silently do without
    strict = [*kafka.java_command("-XX:AOTMode=on", f"-XX:AOTCache={kafka.start_up_cache}"), "kafka.Kafka", "--version"]
    asyncio.run(run_once(strict))
    (kafka.jars / "slf4j-api-1.7.36.jar").touch()
    with pytest.raises(CommandError, match="AOT"):
        asyncio.run(run_once(strict))


async def _make_twice(kafka: Kafka) -> None:
    await asyncio.gather(make(kafka, idle=False), make(kafka, idle=False))
