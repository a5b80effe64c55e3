"""`themodel backup` and `restore`: a whole set taken under load and brought up elsewhere, and one service's database
with the others at work."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import httpx
import pytest

from deploy.local.launch import launched, own_environment
from tests.support.system import System, good, themodel, until


@dataclass
class People:
    """Who captures leads and declares every other an MQL; `done` are those that were acknowledged, in order."""

    system: System
    channel: str
    done: list[str] = field(default_factory=list)
    _stop: Event = field(default_factory=Event)

    def __enter__(self) -> "People":
        self._thread = Thread(target=self._work)
        self._thread.start()
        until(lambda: len(self.done) > 5, 30)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _work(self) -> None:
        with self.system.client("marketing") as marketing:
            while not self._stop.wait(0.02):
                self.done.append(captured(marketing, self.channel, qualified=len(self.done) % 2 == 0))


def captured(marketing: httpx.Client, channel: str, *, qualified: bool) -> str:
    name = uuid4().hex[:12]
    lead = good(marketing.post("/v1/leads", json={"email": f"{name}@example.jp", "channel": channel}))
    if qualified:
        good(marketing.post(f"/v1/leads/{lead['id']}/qualify", json={"override_reason": "asked"}))
    return str(lead["id"])


def leads(system: System, channel: str) -> set[str]:
    with system.client("marketing") as marketing:
        return {
            lead["id"] for lead in good(marketing.get("/v1/leads", params={"channel": channel, "limit": 500}))["items"]
        }


def prospects(system: System, channel: str) -> set[str]:
    with system.client("inside_sales") as inside:
        found = good(inside.get("/v1/prospects", params={"channel": channel, "limit": 500}))["items"]
    return {prospect["lead_id"] for prospect in found}


def steps(system: System, channel: str) -> dict[str, int]:
    with system.client("kpi") as kpi:
        funnel = good(kpi.get("/v1/funnel", params={"channel": channel}))
    return {step["milestone"]: step["passes"] for step in funnel["steps"] if step["passes"]}


def well(system: System) -> bool:
    return system.themodel("doctor", "--json", check=False).returncode == 0


def told(system: System, *arguments: str) -> Any:
    return json.loads(system.themodel(*arguments, "--json").stdout)


@dataclass
class Taken:
    """A set that was taken while people worked: what they had been told before it began, and when it was there."""

    folder: Path
    channel: str
    before: set[str]
    after: set[str]


@pytest.fixture(scope="module")
def taken(system: System, played: Any, tmp_path_factory: pytest.TempPathFactory) -> Taken:
    folder, channel = tmp_path_factory.mktemp("backups") / "whole", f"backup-{uuid4().hex[:8]}"
    with People(system, channel) as people:
        before = set(people.done)
        report = told(system, "backup", "--all", "--to", str(folder))
        after = set(people.done)
    assert report["services"] == ["marketing", "inside_sales", "field_sales", "customer_success", "kpi"]
    assert report["records"] > 1000
    assert len(after) > len(before), "nobody could work meanwhile"
    return Taken(folder, channel, before, after)


@pytest.fixture(scope="module")
def elsewhere(taken: Taken) -> Iterator[System]:
    """The set on an empty home, and the product started on it."""
    home = Path(tempfile.mkdtemp(prefix="themodel-restored-"))
    home.chmod(0o755)  # as root, PostgreSQL runs as another user
    environment = own_environment(home)
    report = json.loads(themodel(environment, "restore", str(taken.folder), "--json").stdout)
    assert report["records"] > 1000
    with launched(environment) as process:
        yield System(environment, process, home / "up.log", {})
    shutil.rmtree(home, ignore_errors=True)


def test_a_set_taken_under_load_is_whole_elsewhere(system: System, taken: Taken, elsewhere: System) -> None:
    found = leads(elsewhere, taken.channel)
    assert taken.before <= found <= taken.after, "what was acknowledged before is there, and nothing nobody told"
    until(lambda: steps(elsewhere, taken.channel).get("lead") == len(found), 30)
    until(lambda: len(prospects(elsewhere, taken.channel)) == steps(elsewhere, taken.channel)["mql"], 30)
    until(lambda: well(elsewhere), 60)
    assert told(elsewhere, "replay", "kpi", "--verify")["differences"] == {}
    elsewhere.tokens["admin"] = system.token("admin")  # given out by the other, and as good here
    with elsewhere.client("marketing") as marketing:
        lead = captured(marketing, taken.channel, qualified=True)
    until(lambda: lead in prospects(elsewhere, taken.channel), 30)
    assert lead not in leads(system, taken.channel)


def test_a_set_is_restored_only_where_nothing_is_and_as_it_was_taken(
    taken: Taken, elsewhere: System, tmp_path: Path
) -> None:
    refused = elsewhere.themodel("restore", str(taken.folder), check=False)
    assert (refused.returncode, "The services run" in refused.stderr) == (1, True)
    damaged = tmp_path / "damaged"
    shutil.copytree(taken.folder, damaged)
    with (damaged / "kpi.dump").open("r+b") as file:
        file.seek(100)
        file.write(b"x")
    refused = elsewhere.themodel("restore", str(damaged), "--service", "kpi", check=False)
    assert (refused.returncode, "kpi.dump is not what was backed up" in refused.stderr) == (1, True)
    (damaged / "manifest.json").unlink()
    refused = elsewhere.themodel("restore", str(damaged), check=False)
    assert (refused.returncode, "is no backup" in refused.stderr) == (1, True)
    again = elsewhere.themodel("backup", "--all", "--to", str(taken.folder), check=False)
    assert (again.returncode, "is there already" in again.stderr) == (1, True)


def test_a_publisher_restored_beside_the_others_goes_on_and_back(elsewhere: System, tmp_path: Path) -> None:
    channel = f"one-{uuid4().hex[:8]}"
    with elsewhere.client("marketing") as marketing:
        first = captured(marketing, channel, qualified=True)
        gone = captured(marketing, f"{channel}-gone", qualified=False)
        told(elsewhere, "backup", "marketing", "--to", str(tmp_path / "one"))
        lost = {captured(marketing, channel, qualified=True) for _ in range(3)}
        good(marketing.post(f"/v1/leads/{gone}/erase"))
        until(lambda: prospects(elsewhere, channel) == {first, *lost}, 30)
        report = told(elsewhere, "restore", str(tmp_path / "one"))
        assert report["forgotten"]["marketing.lead_created.v1"] == 3
        assert (report["erased"], report["to_erase"]) == (1, [])
        assert until(lambda: answered(marketing, channel), 20) == {first}
        assert good(marketing.get(f"/v1/leads/{gone}"))["email"] is None
        new = captured(marketing, channel, qualified=True)
        until(lambda: prospects(elsewhere, channel) == {first, *lost, new}, 30)
        until(lambda: steps(elsewhere, channel) == {"lead": 5, "mql": 5}, 30)
        until(lambda: well(elsewhere), 60)
        told(elsewhere, "restore", "--service", "marketing", "--kept", report["kept"])
        until(lambda: answered(marketing, channel) == {first, *lost}, 20)
        newest = captured(marketing, channel, qualified=True)
    until(lambda: newest in prospects(elsewhere, channel), 30)
    until(lambda: well(elsewhere), 60)


def answered(marketing: httpx.Client, channel: str) -> set[str] | None:
    """While the databases change places, some requests are refused."""
    answer = marketing.get("/v1/leads", params={"channel": channel})
    return {lead["id"] for lead in answer.json()["items"]} if answer.is_success else None


def test_a_reader_restored_beside_the_others_hears_again_what_it_missed(elsewhere: System, tmp_path: Path) -> None:
    channel = f"two-{uuid4().hex[:8]}"
    with elsewhere.client("marketing") as marketing:
        told(elsewhere, "backup", "inside_sales", "--to", str(tmp_path / "two"))
        made = {captured(marketing, channel, qualified=True) for _ in range(4)}
    until(lambda: prospects(elsewhere, channel) == made, 30)
    until(lambda: steps(elsewhere, channel).get("mql") == 4, 30)
    before = steps(elsewhere, channel)
    told(elsewhere, "restore", str(tmp_path / "two"))
    until(lambda: heard_again(elsewhere, channel) == made, 30)
    until(lambda: well(elsewhere), 60)
    assert steps(elsewhere, channel) == before


def heard_again(system: System, channel: str) -> set[str]:
    with system.client("inside_sales") as inside:
        answer = inside.get("/v1/prospects", params={"channel": channel})
    return {prospect["lead_id"] for prospect in answer.json()["items"]} if answer.is_success else set()
