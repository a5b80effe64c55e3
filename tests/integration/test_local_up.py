"""`themodel up` with five stub services on real engines: order, environment, restarts, and every way to end."""

import json
import os
import shutil
import signal
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.ports import SERVICES, free_ports, variable
from deploy.local.servers import url_variable
from tests.support.engines import Engines, engine_environment, own_engines
from tests.support.local import Up, write_stub_services
from tests.support.system import until


@pytest.fixture(scope="module")
def light(environment: dict[str, str], engines: Engines) -> dict[str, str]:
    """For what is about the services alone: no engines of its own to start."""
    urls = {url_variable(service): engines.create_database(service) for service in SERVICES}
    return {**environment, **urls, "KAFKA_BOOTSTRAP_SERVERS": engines.kafka}


@pytest.fixture(scope="module")
def environment(engines: Engines) -> Iterator[dict[str, str]]:
    """One home for all tests here; each starts it anew and leaves nothing running."""
    top = Path(tempfile.mkdtemp(prefix="themodel-up-"))
    top.chmod(0o755)
    write_stub_services(top / "stubs")
    postgres, kafka, _, *services = free_ports(8)
    ports = {variable(name): str(port) for name, port in zip(SERVICES, services, strict=True)}
    yield {**engine_environment(top / "home", postgres, kafka), **ports, "PYTHONPATH": str(top / "stubs")}
    shutil.rmtree(top)


def asked(environment: dict[str, str], service: str) -> dict[str, str]:
    """The environment that the stub sees."""
    port = environment[variable(service)]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/environment", timeout=5) as answer:
        return dict(json.load(answer))


def test_services_are_migrated_started_told_of_each_other_shown_and_ended_first(environment: dict[str, str]) -> None:
    with Up({**environment, "KEPT": "yes"}, arguments=()) as up:
        up.ready()
        seen = asked(environment, "field_sales")
        assert seen["KAFKA_BOOTSTRAP_SERVERS"] == f"127.0.0.1:{environment['THEMODEL_KAFKA_PORT']}"
        assert {name: seen[name] for name in map(variable, SERVICES)} == {
            name: environment[name] for name in map(variable, SERVICES)
        }
        assert seen["FIELD_SALES_DATABASE_URL"].startswith("postgresql://themodel_field_sales:")
        assert seen["FIELD_SALES_DATABASE_URL"].endswith(
            f":{environment['THEMODEL_POSTGRES_PORT']}/themodel_field_sales"
        )
        assert (seen["KEPT"], seen["PYTHONUNBUFFERED"]) == ("yes", "1")
        told = json.loads(up.command("status", "--json"))
        assert told["ready"]
        assert told["process"] == up.process.pid
        by_name = {program["name"]: program for program in told["programs"]}
        assert set(by_name) == {*SERVICES, "postgres", "kafka"}
        assert by_name["kpi"]["address"] == f"http://localhost:{environment['THEMODEL_KPI_PORT']}"
        assert by_name["kafka"]["memory_bytes"] > 50e6
        assert up.stop(signal.SIGINT) < 10
        assert up.survivors() == []
        said = up.output()
    assert f"http://localhost:{environment['THEMODEL_KPI_PORT']}/sign-in?token=ey" in said
    assert "field_sales | serving" in said
    assert up.process.returncode == 0
    assert json.loads(up.command("status", "--json"))["running"] is False


def test_a_killed_service_is_started_again(light: dict[str, str]) -> None:
    with Up(light, arguments=()) as up:
        up.ready()
        first = up.record("kpi").pid
        os.kill(first, signal.SIGKILL)
        until(lambda: up.record("kpi").restarts == 1 and up.record("kpi").ready, 60)
        assert up.record("kpi").pid != first
        up.stop(signal.SIGHUP)
        assert up.survivors() == []
        assert "kpi ended with SIGKILL; again in 0.5 s" in up.output()


def test_a_killed_supervisor_leaves_no_service(light: dict[str, str]) -> None:
    with Up(light, arguments=()) as up:
        up.ready()
        up.stop(signal.SIGKILL)
        assert up.survivors() == []


def test_who_does_not_stop_is_killed_within_ten_seconds_and_at_once_when_asked_twice(
    light: dict[str, str],
) -> None:
    stubborn = Path(light["THEMODEL_HOME"]) / "marketing.stubborn"
    stubborn.touch()
    try:
        with Up(light, arguments=()) as up:
            up.ready()
            assert up.stop() < 10
            assert up.survivors() == []
            assert "marketing did not stop within 6.5 s; killed" in up.output()
        with Up(light, arguments=()) as up:
            up.ready()
            up.process.send_signal(signal.SIGINT)
            time.sleep(0.5)
            assert up.process.poll() is None
            assert up.stop(signal.SIGINT) < 3
            assert up.survivors() == []
    finally:
        stubborn.unlink()


def test_what_an_earlier_supervisor_left_is_ended(light: dict[str, str]) -> None:
    """As on a system whose kernel ends no orphans: the stubborn one outlives its supervisor."""
    stubborn = Path(light["THEMODEL_HOME"]) / "marketing.stubborn"
    stubborn.touch()
    with Up(light, arguments=()) as up:
        up.ready()
        up.stop(signal.SIGKILL)
        stubborn.unlink()
        assert len(up.survivors(within=2)) == 1
        with Up(light, arguments=()) as second:
            second.ready()
            second.stop()
            assert "Ended what an earlier run had left: marketing." in second.output()
        assert up.survivors(within=1) == []


def test_a_failed_migration_ends_the_start_with_its_words(light: dict[str, str]) -> None:
    broken = Path(light["PYTHONPATH"]) / "services/kpi/migrations/versions/0002_broken.py"
    broken.write_text(
        "revision, down_revision = '0002', '0001'\ndef upgrade():\n    raise ValueError('column missing')"
    )
    try:
        with Up(light, arguments=()) as up:
            assert up.process.wait(60) == 1
            assert "The database of kpi could not be brought up to date:\nValueError: column missing" in up.output()
        broken.unlink()
        with Up(light, arguments=()) as up:
            up.ready()
    finally:
        broken.unlink(missing_ok=True)


def test_servers_named_by_the_environment_are_used(environment: dict[str, str]) -> None:
    with own_engines() as theirs:
        for service in SERVICES:
            theirs.sql(f"drop database themodel_{service}")
            theirs.sql(f"drop role themodel_{service}")
        theirs.sql("create role maker login password 'maker' createrole createdb")
        place = theirs.admin_url.rpartition("@")[2].partition("/")[0]
        url = f"postgresql://maker:maker@{place}/postgres?application_name=x"
        for _ in range(2):
            named = {**environment, "DATABASE_URL": url, "KAFKA_BOOTSTRAP_SERVERS": theirs.kafka}
            with Up(named, arguments=()) as up:
                up.ready()
                seen = asked(environment, "kpi")
                assert seen["KAFKA_BOOTSTRAP_SERVERS"] == theirs.kafka
                assert seen["KPI_DATABASE_URL"].endswith(f"@{place}/themodel_kpi?application_name=x")
                told = json.loads(up.command("status", "--json"))
                assert {program["name"] for program in told["programs"]} == set(SERVICES)
                up.stop()


def test_a_server_that_grants_too_little_is_named_with_what_to_set(
    environment: dict[str, str], engines: Engines
) -> None:
    url = engines.create_database("poor")
    named = {**environment, "DATABASE_URL": url, "KAFKA_BOOTSTRAP_SERVERS": engines.kafka}
    with Up(named, arguments=()) as up:
        assert up.process.wait(60) == 1
        said = up.output()
    assert "may not create roles and databases" in said
    assert "MARKETING_DATABASE_URL, INSIDE_SALES_DATABASE_URL" in said
