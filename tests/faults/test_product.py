"""kill -9 of every process of the product, one after the other, under load; and that the checks which say so would find
what is wrong. `make soak` does the same for longer, with faults of every kind."""

import asyncio
from collections.abc import Iterator
from copy import deepcopy

import pytest

from deploy.local.ports import SERVICES
from tests.soak.faults import Scene
from tests.soak.people import Ledger
from tests.soak.run import Life, Outcome, Size, living, soak
from tests.soak.truth import Evidence, broken, connected, evidence, figures_broken, shown_by
from tests.support.system import running_system

VICTIMS = ("marketing", "kafka", "inside_sales", "kpi", "postgres", "field_sales", "customer_success")
PLAN = (*(f"kill {name}" for name in VICTIMS), "events told twice", "garbage on a topic", "kill everything")


@pytest.fixture
def life() -> Iterator[Life]:
    with running_system() as system, living(system) as life:
        yield life


async def test_every_process_killed_under_load_and_nothing_is_lost_or_counted_twice(life: Life) -> None:
    ledger = Ledger()
    outcome, scene = await soak(life, ledger, seed=1, seconds=50, plan=PLAN, people=3, pause=1.0)
    assert ledger.refused == []
    assert ledger.interrupted, "no kill was felt: the test did not do its work"
    assert ledger.count("won") > 10
    assert set(outcome.after) == {*SERVICES, "kafka", "postgres"}
    assert [*await broken(scene, ledger), *outcome.bounds()] == []
    await _finds_what_is_wrong_in_the_evidence(scene)
    await _finds_what_is_wrong_in_the_figures(scene, ledger)


async def _finds_what_is_wrong_in_the_evidence(scene: Scene) -> None:
    found = await evidence(scene)
    assert shown_by(found) == []
    first = next(iter(found.journal["marketing"]))
    stream, sequence, kind, data = found.journal["marketing"][first]

    lost = deepcopy(found)
    lost.log["marketing"] = [each for each in lost.log["marketing"] if each[0] != first]
    assert "I1 marketing told and not in the log" in _rules(lost)
    unheard = deepcopy(found)
    unheard.heard["inside_sales"].last["/marketing", stream] -= 1
    del unheard.facts[first]
    assert _rules(unheard) == ["I1 inside_sales has not heard all of marketing", "I1 told and no fact"]
    ghost = deepcopy(found)
    ghost.log["field_sales"].append(("ghost", "x", 1))
    assert "I7 on the topic of field_sales and never told" in _rules(ghost)
    twice = deepcopy(found)
    twice.journal["marketing"]["again"] = (stream, sequence, kind, data)
    assert "I3 marketing numbered with gaps or twice" in _rules(twice)
    turned = deepcopy(found)
    turned.log["marketing"].reverse()
    assert any(rule.startswith("I3 in the log of marketing") for rule in _rules(turned))
    behind = deepcopy(found)
    place = next(place for place in behind.heard["kpi"].offsets if place in behind.ends)
    behind.heard["kpi"].offsets[place] += 1
    behind.unsent["kpi"] = 1
    assert {"I4 kpi does not stand at the end", "I6 kpi still holds 1 events"} <= set(_rules(behind))


def _rules(found: Evidence) -> list[str]:
    return [each.partition(":")[0] for each in shown_by(found)]


async def _finds_what_is_wrong_in_the_figures(scene: Scene, ledger: Ledger) -> None:
    connection = await connected(scene, "kpi")
    try:
        await connection.execute("DELETE FROM place WHERE ctid = (SELECT min(ctid) FROM place WHERE until IS NULL)")
        ledger.note("lead", "nobody")
        found = await asyncio.to_thread(figures_broken, scene, ledger)
    finally:
        await connection.close()
    assert [each[:6] for each in found] == ["I5 pla", "I9 not", "I9 kpi"], found


def test_what_grows_or_does_not_come_back_is_found() -> None:
    outcome = Outcome(1)
    outcome.recoveries["kill kafka"] = [3.0, 61.0]
    outcome.before, outcome.after = {"kpi": Size(100_000_000, 30)}, {"kpi": Size(230_000_000, 90)}
    assert [each[:12] for each in outcome.bounds()] == ["I8 kill kafk", "I8 kpi grew ", "I8 kpi had 3"]
    outcome.recoveries["kill kafka"], outcome.after = [3.0], {"kpi": Size(150_000_000, 40)}
    assert outcome.bounds() == []


def test_a_command_that_never_does_its_work_is_found() -> None:
    outcome = Outcome(1)
    outcome.commands.update({("backup", 1): 3, ("replay", -9): 5, ("replay", 2): 2})
    assert outcome.bounds() == ["I8 none of 3 times a backup ended well"]
    outcome.commands["backup", 0] += 1
    assert outcome.bounds() == []
