"""Scenarios: what would come out were rates, people or budgets other than they are, and what came out."""

from typing import Any
from uuid import uuid4

import pytest

from services.kpi.app import SERVICE
from tests.support import kpi as told
from tests.support.rig import MakeRig, Rig

BASELINE = {"from_date": "2026-04-01", "to_date": "2026-07-01"}
SCENARIO = {"name": "商談化率を上げる", "period": "2026-Q1", "baseline": BASELINE, "rates": {"mql_to_sql": 0.8}}
TEAMS: list[dict[str, Any]] = [
    {"department": "inside_sales", "people": [{"heads": 2}], "productivity": 4},
    {"department": "field_sales", "people": [{"heads": 2}], "productivity": 0.5},
]


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await told.played(make_rig)


async def made(kpi: Rig, **more: Any) -> dict[str, Any]:
    answer = await kpi.client("ops_lead").post("/v1/scenarios", json={**SCENARIO, **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_other_rates_against_the_baseline_and_against_what_happened(kpi: Rig) -> None:
    found = await made(kpi)
    assert found["baseline"]["steps"] == pytest.approx(
        {"visitors": 1500, "web_leads": 10, "lead_cycles": 14, "mql": 12, "sql": 9, "opportunities": 8, "deals": 5}
    )
    assert found["changed"]["won"] == pytest.approx(5 + 1 / 3)
    assert found["difference"]["new_mrr"] == pytest.approx(50_000)
    happened = found["happened"]
    assert (happened["won"], happened["is_partial"], happened["elapsed"]) == (5, False, 1)
    assert happened["to_baseline"]["won"] == pytest.approx(0, abs=1e-9)
    assert happened["to_scenario"]["new_mrr"] == pytest.approx(-50_000)
    assert happened["rates"]["mql_to_sql"] == pytest.approx(0.75)
    ahead = await made(kpi, period="2199-Q1")
    assert ahead["happened"] is None
    month = await made(kpi, period="2199-05")
    assert month["baseline"]["won"] == pytest.approx(5 / 3), "a baseline of another length counts in proportion"


async def test_levers_by_their_realistic_step(kpi: Rig) -> None:
    levers = (await made(kpi))["levers"]
    by_name = {lever["lever"]: lever for lever in levers}
    web = by_name["visitor_to_lead"]
    assert [step["kind"] for step in web["steps"]] == ["target", "upper", "point"]
    assert web["steps"][0]["rate"] == pytest.approx(0.01)
    assert web["steps"][0]["deals"] == pytest.approx(2.5)
    assert web["steps"][0]["new_mrr"] == pytest.approx(375_000)
    won = by_name["opp_to_won"]["steps"]
    assert [step["kind"] for step in won] == ["best_segment", "upper", "point"], "it is above its target already"
    assert won[0]["rate"] == pytest.approx((3 + 20 * 0.625) / (4 + 20))
    assert won[-1]["deals"] == pytest.approx(5 * 0.01 / 0.625)
    firsts = [lever["steps"][0]["new_mrr"] for lever in levers]
    assert firsts == sorted(firsts, reverse=True)
    assert (by_name["sql_accept"]["department"], by_name["sql_accept"]["ja"]) == ("inside_sales", "SQL→有効商談")


async def test_people_moved_change_what_comes_through_and_the_next_bottleneck(kpi: Rig) -> None:
    moved: list[dict[str, Any]] = [
        {**TEAMS[0], "people": [{"heads": 1}]},
        {**TEAMS[1], "people": [{"heads": 2}, {"heads": 1, "from_date": "2026-04-01"}], "ramp_months": 0},
    ]
    found = await made(kpi, rates={}, capacity=TEAMS, instead=moved)
    before, after = found["baseline"], found["changed"]
    assert (before["won"], before["bottleneck"]) == (3, "field_sales"), "two heads, half a deal a month each"
    assert (after["won"], after["bottleneck"]) == (pytest.approx(4.5), "field_sales")
    loads = {one["department"]: one for one in after["departments"]}
    assert loads["inside_sales"]["utilisation"] == pytest.approx(8 / 12)
    levers = {lever["lever"]: lever for lever in found["levers"]}
    assert levers["mql_to_sql"]["steps"][0]["deals"] == 0, "field sales cannot do more"
    nobody = await made(kpi, rates={}, capacity=TEAMS, instead=[{**TEAMS[0], "people": []}])
    assert (nobody["changed"]["won"], nobody["changed"]["bottleneck"]) == (0, "inside_sales")


async def test_one_is_changed_archived_and_then_only_read(kpi: Rig) -> None:
    client = kpi.client("ops_lead")
    made_ = await made(kpi)
    place = f"/v1/scenarios/{made_['scenario_id']}"
    changed = await client.put(place, json={**SCENARIO, "average_won": 300_000}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert changed.json()["changed"]["new_mrr"] == pytest.approx(1_600_000)
    archived = await client.delete(place)
    assert (archived.status_code, archived.json()["state"]) == (200, "archived")
    assert (await client.delete(place)).json()["version"] == 3, "once is enough"
    assert (await kpi.client("viewer").get(place)).json()["state"] == "archived"
    refused = await client.put(place, json=SCENARIO)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/scenario_archived")
    open_ = await made(kpi, name="もう一つ")
    listed = [(await client.get("/v1/scenarios", params=asked)).json()["items"] for asked in ({}, {"state": "open"})]
    assert [len(items) for items in listed] == [2, 1]
    assert listed[1][0]["scenario_id"] == open_["scenario_id"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"rates": {}}, "rates"),
        ({"period": "soon"}, "period"),
        ({"baseline": {"from_date": "2026-07-01", "to_date": "2026-04-01"}}, "baseline.to_date"),
        ({"baseline": {"from_date": "2020-04-01", "to_date": "2020-07-01"}}, "rates.average_won"),
        ({"rates": {"mql_to_sql": 0}}, "rates.mql_to_sql"),
    ],
)
async def test_what_cannot_be_is_refused(kpi: Rig, more: dict[str, Any], field: str) -> None:
    client = kpi.client("ops_lead")
    answer = await client.post("/v1/scenarios", json={**SCENARIO, **more})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert (await client.get(f"/v1/scenarios/{uuid4()}")).status_code == 404
    assert (await kpi.client("viewer").post("/v1/scenarios", json=SCENARIO)).status_code == 403


async def test_a_company_without_a_history_says_what_it_supposes(make_rig: MakeRig) -> None:
    empty = await make_rig(SERVICE)
    rates = {
        **{"visitors": 1000, "visitor_to_lead": 0.01, "offline_recycle_uplift": 1, "lead_to_mql": 0.5},
        **{"mql_to_sql": 0.5, "sql_accept": 0.8, "outside_opportunities": 1, "opp_to_won": 0.5},
    }
    found = await made(empty, rates=rates, average_won=100_000)
    assert found["baseline"]["won"] == found["changed"]["won"] == pytest.approx(1)
    answer = await empty.client("ops_lead").post(
        "/v1/plans",
        json={
            **{"name": "x", "period": "2026-Q1", "baseline": BASELINE, "goal": 100_000},
            **{"rates": rates, "average_won": 100_000, "per_segment": True, "less_pipeline": True},
        },
    )
    assert answer.status_code == 201, answer.text
    plan = answer.json()
    assert (plan["pipeline"]["reason"], plan["segments"]) == ("insufficient_history", [])
    assert [need["p80"] for need in plan["needs"]] == pytest.approx([need["exact"] for need in plan["needs"]])
    assert plan["needs"][1]["need_by"] is None, "nobody was won yet"


async def test_two_levers_at_once(kpi: Rig) -> None:
    asked = {"from": "2026-04-01", "to": "2026-07-01", "as_of": "2026-06-30T15:00:00Z"}
    levers = {"x": "mql_to_sql", "y": "opp_to_won"}
    client = kpi.client("viewer")
    values = {"x_values": [0.75, 0.8], "y_values": [0.625, 1]}
    found = (await client.get("/v1/scenarios/grid", params={**asked, **levers, **values})).json()
    won = [[cell["won"] for cell in row] for row in found["rows"]]
    assert won == [[pytest.approx(5), pytest.approx(16 / 3)], [pytest.approx(8), pytest.approx(8 / 0.75 * 0.8)]]
    assert found["rows"][0][1]["new_mrr"] == {"amount": 800_000, "currency": "JPY"}
    assert found["rows"][1][0]["difference"] == pytest.approx(3)
    around = (await client.get("/v1/scenarios/grid", params={**asked, **levers})).json()
    assert around["x_values"][2] == 0.75
    assert around["x_values"] == sorted(around["x_values"])
    assert around["rows"][2][2]["won"] == pytest.approx(5)
    visits = (await client.get("/v1/scenarios/grid", params={**asked, "x": "visitors", "y": "opp_to_won"})).json()
    assert visits["x_values"] == [pytest.approx(1500 * part) for part in (0.8, 0.9, 1, 1.1, 1.2)]
    nothing = (
        await client.get("/v1/scenarios/grid", params={**levers, "from": "2020-01-01", "to": "2020-02-01"})
    ).json()
    assert (nothing["rows"], nothing["reason"]) == ([], "no_base")


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"x": "opp_to_won", "y": "opp_to_won"}, "y"),
        ({"x": "opp_to_won", "y": "price"}, "y"),
        ({"x": "opp_to_won", "y": "visitors", "x_values": 1.5}, "x_values"),
        ({"x": "opp_to_won"}, "y"),
        ({"x": "opp_to_won", "y": "visitors", "y_values": [1] * 26}, "y_values"),
    ],
)
async def test_a_grid_that_cannot_be_asked_is_refused(kpi: Rig, params: dict[str, Any], field: str) -> None:
    answer = await kpi.client("viewer").get("/v1/scenarios/grid", params=params)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
