"""Plans: a goal taken backwards, and published to all departments at once."""

from itertools import pairwise
from typing import Any

import pytest

from services.kpi.app import SERVICE
from tests.support import kpi as told
from tests.support.rig import MakeRig, Rig

BASELINE = {"from_date": "2026-04-01", "to_date": "2026-07-01"}
PLAN = {"name": "Q2", "period": "2026-Q2", "goal": 1_200_000, "baseline": BASELINE}


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    rig = await make_rig(SERVICE)
    events, decisions = told.worked_example()
    await told.take(rig, told.records(rig, events))
    await told.decide(rig, decisions)
    return rig


async def made(kpi: Rig, **more: Any) -> dict[str, Any]:
    answer = await kpi.client("ops_lead").post("/v1/plans", json={**PLAN, **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_goal_is_taken_backwards_and_every_goal_is_the_base_of_the_next(kpi: Rig) -> None:
    plan = await made(kpi)
    assert {need["step"]: need["shown"] for need in plan["needs"]} == {
        **{"deals": 8, "opportunities": 13, "sql": 15, "mql": 20, "lead_cycles": 23},
        **{"web_leads": 16, "visitors": 2400},
    }
    stages = plan["stages"]
    assert [stage["stage"] for stage in stages] == ["marketing", "inside_sales", "field_sales", "customer_success"]
    for before, after in pairwise(stages[:3]):
        assert before["goal"] == after["base"]
    assert stages[3]["base"] == pytest.approx(8 + 8)
    assert stages[3]["rate"] == pytest.approx(2 / 3)


async def test_published_it_is_the_target_of_all_departments_and_told_once(kpi: Rig) -> None:
    client = kpi.client("ops_lead")
    plan = await made(kpi)
    published = await client.post(f"/v1/plans/{plan['plan_id']}/publish")
    assert (published.status_code, published.json()["state"]) == (200, "published")
    targets = (await client.get("/v1/targets", params={"period": "2026-Q2"})).json()["items"]
    assert {target["stage"] for target in targets} == {stage["stage"] for stage in plan["stages"]}
    events = await kpi.told("kpi.plan_published.v1")
    assert [len(event.data["targets"]) for event in events] == [4]
    again = await client.post(f"/v1/plans/{plan['plan_id']}/publish")
    assert (again.status_code, again.json()["type"]) == (409, "/problems/plan_published")
    changed = await client.put(f"/v1/plans/{plan['plan_id']}", json={**PLAN, "goal": 1_500_000})
    assert (changed.json()["state"], changed.json()["needs"][0]["exact"]) == ("draft", pytest.approx(10))
    assert (await client.post(f"/v1/plans/{plan['plan_id']}/publish")).status_code == 200


async def test_other_rates_and_a_goal_in_times_of_the_baseline(kpi: Rig) -> None:
    plan = await made(kpi, goal=2, goal_is="relative", rates={"opp_to_won": 0.5}, average_won=100_000, retention=0.9)
    assert plan["goal"] == 1_500_000
    assert {need["step"]: need["exact"] for need in plan["needs"]}["opportunities"] == pytest.approx(30)
    assert plan["stages"][3]["rate"] == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"period": "soon"}, "period"),
        ({"goal": 0}, "goal"),
        ({"rates": {"luck": 1}}, "rates.luck.[key]"),
        ({"baseline": {"from_date": "2026-07-01", "to_date": "2026-04-01"}}, "baseline.to_date"),
        ({"baseline": {"from_date": "2020-04-01", "to_date": "2020-07-01"}}, "rates.average_won"),
    ],
)
async def test_what_cannot_be_is_refused(kpi: Rig, more: dict[str, Any], field: str) -> None:
    client = kpi.client("ops_lead")
    answer = await client.post("/v1/plans", json={**PLAN, **more})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert (await client.get("/v1/plans")).json()["items"] == []
    assert (await kpi.client("viewer").post("/v1/plans", json=PLAN)).status_code == 403
