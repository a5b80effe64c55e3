"""Targets of metrics at every level, and the trees of what drives the company's goals."""

from typing import Any

import pytest

from services.kpi.domain.trees import TREES, Status, landing, pace, status
from services.kpi.metrics.catalogue import CATALOGUE
from tests.support import kpi as told
from tests.support.rig import MakeRig, Rig

AS_OF = {"as_of": "2026-06-30T15:00:00Z"}


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await told.played(make_rig)


def test_every_node_is_a_metric() -> None:
    assert {node.metric for tree in TREES.values() for node in tree.all()} <= CATALOGUE.keys()


def test_a_sum_grows_with_the_time_and_a_rate_holds_all_of_it() -> None:
    assert (pace(100, 0.25, additive=True), pace(0.8, 0.25, additive=False)) == (25, 0.8)
    assert (landing(30, 0.25, additive=True), landing(0.7, 0.25, additive=False)) == (120, 0.7)
    assert [status("won", actual, 10) for actual in (10, 9.5, 8, None)] == [
        *(Status.ON_TRACK, Status.AT_RISK, Status.BEHIND, Status.UNKNOWN)
    ]
    assert [status("logo_churn", actual, 0.1) for actual in (0.1, 0.105, 0.2)] == [
        *(Status.ON_TRACK, Status.AT_RISK, Status.BEHIND)
    ]


def nodes(tree: dict[str, Any]) -> list[dict[str, Any]]:
    return [tree, *(node for driver in tree["drivers"] for node in nodes(driver))]


async def test_the_trees_of_a_quarter(kpi: Rig) -> None:
    client = kpi.client("ops_lead")
    for metric, value in (("new_mrr", 800_000), ("won", 5), ("opp_to_won", 0.6), ("logo_churn", 0.2)):
        answer = await client.put(f"/v1/metric-targets/2026-Q1/{metric}", json={"value": value, "owner": "sato"})
        assert answer.status_code == 200, answer.text
    found = (await client.get("/v1/kgi", params={"period": "2026-Q1", **AS_OF})).json()
    assert (found["from"], found["to"], found["elapsed"]) == ("2026-04-01", "2026-07-01", 1.0)
    by_metric = {node["metric"]: node for tree in found["trees"] for node in nodes(tree)}
    assert by_metric["new_mrr"]["actual"] == {"amount": 750_000, "currency": "JPY"}
    assert (by_metric["new_mrr"]["status"], by_metric["new_mrr"]["owner"]) == ("at_risk", "sato")
    assert (by_metric["won"]["status"], by_metric["opp_to_won"]["status"]) == ("on_track", "on_track")
    assert (by_metric["logo_churn"]["status"], by_metric["mql"]["status"]) == ("behind", "unknown")
    half = (await client.get("/v1/kgi", params={"period": "2026-Q1", "as_of": "2026-05-16T12:00:00+09:00"})).json()
    won = {node["metric"]: node for tree in half["trees"] for node in nodes(tree)}["won"]
    assert won["pace"] == pytest.approx(2.5)
    assert won["landing"] == pytest.approx(won["actual"] / half["elapsed"])


async def test_targets_of_a_level_are_added_up_beside_the_companys(kpi: Rig) -> None:
    client = kpi.client("ops_lead")
    whole = [
        {"value": 10},
        {"level": "team", "name": "east", "value": 6},
        {"level": "team", "name": "west", "value": 3},
    ]
    for body in [*whole, {"level": "person", "name": "sato", "value": 10}]:
        assert (await client.put("/v1/metric-targets/2026-Q1/won", json=body)).status_code == 200
    found = (await client.get("/v1/metric-targets", params={"period": "2026-Q1"})).json()
    assert len(found["items"]) == 4
    assert [(sums["level"], sums["difference"]) for sums in found["sums"]] == [("person", 0), ("team", -1)]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("2026-Q1/luck", {"value": 1}, "metric"),
        ("2026-Q9/won", {"value": 1}, "period"),
        ("2026-Q1/won", {"value": 1, "level": "team"}, "body"),
        ("2026-Q1/won", {"value": 1, "name": "east"}, "body"),
        ("2026-Q1/won", {"value": -1}, "value"),
    ],
)
async def test_what_cannot_be_is_refused(kpi: Rig, path: str, body: dict[str, Any], field: str) -> None:
    answer = await kpi.client("ops_lead").put(f"/v1/metric-targets/{path}", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert (await kpi.client("viewer").put("/v1/metric-targets/2026-Q1/won", json={"value": 1})).status_code == 403
