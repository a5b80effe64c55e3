"""A real Prometheus scrapes the five services; every query of the dashboard is asked of it, and finds something."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.grafana.generate import files
from deploy.local.ports import DEFAULTS, SERVICES, free_ports
from tests.support.system import System, good, until

CONFIGS = Path("deploy/prometheus")
EVERY = "1s"
QUERIES = sorted(
    {
        target["expr"]
        for file in files()
        for panel in json.loads(file.read_text())["panels"]
        for target in panel["targets"]
    }
)


@pytest.fixture(scope="module")
def prometheus(system: System, played: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Run by the shipped configuration; only where the services are and how often they are asked differs."""
    folder, (port,) = tmp_path_factory.mktemp("prometheus"), free_ports(1)
    text = (CONFIGS / "local.yml").read_text().replace("_interval: 5s", f"_interval: {EVERY}")
    shutil.copy(CONFIGS / "alerts.yml", folder)
    for service in SERVICES:
        assert f"127.0.0.1:{DEFAULTS[service]}" in text
        text = text.replace(f"127.0.0.1:{DEFAULTS[service]}", f"127.0.0.1:{system.port(service)}")
    (folder / "prometheus.yml").write_text(text)
    places = (f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}")
    command = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", *places, "--log.level=warn"]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
                until(lambda: _answers(client), 30, hopeless=lambda: process.poll() is not None)
                # a rate needs two scrapes of every service
                until(lambda: len(ask(client, "count_over_time(up[1m]) >= 3")) == len(SERVICES), 30, pause=0.5)
                yield client
        finally:
            process.terminate()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").is_success
    except httpx.TransportError:
        return False


def ask(client: httpx.Client, query: str) -> list[Any]:
    answer = good(client.get("/api/v1/query", params={"query": query}))
    assert answer["status"] == "success", answer
    found: list[Any] = answer["data"]["result"]
    return found


def value(client: httpx.Client, query: str) -> float:
    (series,) = ask(client, query)
    return float(series["value"][1])


def test_all_five_services_are_scraped(prometheus: httpx.Client) -> None:
    up = {series["metric"]["job"]: series["value"][1] for series in ask(prometheus, "up")}
    assert up == dict.fromkeys(SERVICES, "1")


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_of_the_dashboard_finds_something(prometheus: httpx.Client, query: str) -> None:
    assert ask(prometheus, query.replace("$__rate_interval", "1m"))


def test_its_figures_are_those_of_the_api(prometheus: httpx.Client, system: System) -> None:
    with system.client("kpi", "viewer") as kpi:
        stages = good(kpi.get("/v1/funnel"))["stages"]
    for stage in stages:
        if stage["goal"]["value"] is not None:
            query = f'themodel_funnel_goal{{stage="{stage["stage"]}"}}'
            assert value(prometheus, query) == stage["goal"]["value"]
    assert until(lambda: value(prometheus, "max(themodel_metric_freshness_seconds)") < 60, 60, pause=1.0)


def test_every_alert_can_be_judged_and_none_asks_for_a_person(prometheus: httpx.Client) -> None:
    def judged() -> list[Any]:
        groups = good(prometheus.get("/api/v1/rules"))["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return rules if rules and all(rule["health"] != "unknown" for rule in rules) else []

    rules = until(judged, 30, pause=0.5)
    assert {rule["health"] for rule in rules} == {"ok"}, rules
    assert [rule["name"] for rule in rules if rule["state"] == "firing"] == []
    names = {name for rule in rules for name in re.findall(r"themodel_\w+", rule["query"])}
    assert [name for name in sorted(names) if not ask(prometheus, name)] == [], "an alert on what nobody measures"


@pytest.mark.parametrize("name", ["local.yml", "prometheus.yml"])
def test_the_shipped_configurations_are_valid(name: str) -> None:
    done = subprocess.run(["promtool", "check", "config", str(CONFIGS / name)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_what_the_services_say_is_well_formed(system: System, service: str) -> None:
    page = httpx.get(f"{system.url(service)}/metrics").text
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
