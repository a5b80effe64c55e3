"""`themodel where`: the way of each event of a journey, also while a department stands still."""

import json
import os
import signal
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from tests.support.system import System, good, until

LISTENERS = {"inside_sales", "field_sales", "customer_success", "kpi"}


def where(system: System, name: str) -> Any:
    return json.loads(system.themodel("where", name, "--json").stdout)


@pytest.fixture
def lead(system: System) -> Any:
    """One that was declared an MQL."""
    with system.client("marketing") as marketing:
        name = f"where-{uuid4().hex[:8]}"
        made = good(marketing.post("/v1/leads", json={"external_id": name, "email": f"{name}@example.jp"}))
        good(marketing.post(f"/v1/leads/{made['id']}/qualify", json={"override_reason": "asked"}))
    with system.client("inside_sales") as inside:
        until(lambda: inside.get(f"/v1/prospects/{made['id']}").is_success, 30)
    return made


def test_each_event_is_where_it_is_and_who_took_it_in(system: System, lead: Any) -> None:
    for name in (lead["id"], f"ext:{lead['external_id']}"):
        found = settled(system, name)
        kinds = [event["type"] for event in found["events"]]
        assert kinds[0] == "marketing.lead_created.v1"
        assert "marketing.mql_created.v1" in kinds
        assert [event["sequence"] for event in found["events"]] == list(range(1, len(kinds) + 1))
        assert all(event["place"].startswith("themodel.marketing/") for event in found["events"])
        assert all(set(event["known"]) == LISTENERS for event in found["events"])
        assert found["silent"] == {}
    printed = system.themodel("where", lead["id"]).stdout
    assert "marketing.mql_created.v1" in printed


def settled(system: System, name: str) -> Any:
    """What is found once everybody has taken in everything."""

    def found() -> Any:
        told = where(system, name)
        return None if any(event["not_yet"] for event in told["events"]) else told

    return until(found, 30)


def test_a_department_that_stands_still_is_named_and_so_is_what_it_misses(system: System, lead: Any) -> None:
    frozen = system.programs()["inside_sales"]
    os.kill(frozen, signal.SIGSTOP)
    try:
        with system.client("marketing") as marketing:
            good(marketing.post(f"/v1/leads/{lead['id']}/touches", json={"kind": "call"}))
        found = where(system, lead["id"])
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert "inside_sales does not answer" in found["silent"]["inside_sales"]
    assert all("inside_sales" not in event["known"] for event in found["events"])
    settled(system, lead["id"])


def test_what_nobody_ever_told_of_is_said(system: System) -> None:
    done = system.themodel("where", "ext:nobody", check=False)
    assert (done.returncode, "Nothing was ever told of ext:nobody" in done.stderr) == (1, True)
    done = system.themodel("where", str(uuid4()), check=False)
    assert (done.returncode, "No event of it is anywhere." in done.stdout) == (1, True)


def test_without_kafka_the_services_are_asked_all_the_same(system: System, lead: Any) -> None:
    away = replace(system, environment={**system.environment, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    done = away.themodel("where", lead["id"], "--json", check=False)
    found = json.loads(done.stdout)
    assert set(found["silent"]) == {"kafka"}, done.stderr
    assert "127.0.0.1:1 does not answer" in found["silent"]["kafka"]
