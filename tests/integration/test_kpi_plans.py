"""Plans: a goal taken backwards, and published to all departments at once."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from services.kpi.app import SERVICE
from shared.contracts import field_sales
from shared.ids import told_id
from shared.money import Money
from tests.support import kpi as told
from tests.support.rig import MakeRig, Rig

BASELINE = {"from_date": "2026-04-01", "to_date": "2026-07-01"}
PLAN = {"name": "Q2", "period": "2026-Q2", "goal": 1_200_000, "baseline": BASELINE}


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await told.played(make_rig)


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
    place = f"/v1/plans/{plan['plan_id']}/publish"
    assert (await client.post(place, headers={"If-Match": '"7"'})).status_code == 412
    published = await client.post(place, headers={"If-Match": '"1"'})
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


def exact(plan: dict[str, Any]) -> dict[str, float]:
    return {need["step"]: need["exact"] for need in plan["needs"]}


async def test_a_goal_in_arr_counts_what_the_mrr_of_the_start_becomes(kpi: Rig) -> None:
    plan = await made(kpi, goal=24_000_000, goal_is="end_arr", nrr=0.9)
    assert plan["goal"] == pytest.approx(2_000_000 - 1_420_000 * 0.9)
    kept = await made(kpi, goal=24_000_000, goal_is="end_arr")
    assert kept["goal"] == pytest.approx(2_000_000 - 1_420_000 * 570 / 650), "as in the baseline"


@pytest.mark.parametrize(
    ("aim", "wanted", "step", "needed"),
    [
        ({"metric": "lead_cycles", "kind": "relative", "change": 1}, 28, "lead_cycles", 28),
        ({"metric": "sql_rate", "kind": "relative", "change": 0.2}, 0.9, "visitors", 1500),
        ({"metric": "new_mrr", "kind": "points", "change": 450_000}, 1_200_000, "deals", 8),
        ({"metric": "ltv", "kind": "relative", "change": 0.2}, 2_182_971 * 1.2, "deals", 5),
    ],
)
async def test_a_goal_said_of_a_metric(kpi: Rig, aim: dict[str, Any], wanted: float, step: str, needed: float) -> None:
    plan = await made(kpi, goal=None, aim=aim)
    assert plan["aim"]["wanted"] == pytest.approx(wanted, rel=1e-6)
    assert exact(plan)[step] == pytest.approx(needed)


async def test_thirty_percent_more_of_a_rate_is_refused_until_one_says_of_what(kpi: Rig) -> None:
    aim = {"metric": "sql_rate", "change": 0.3}
    answer = await kpi.client("ops_lead").post("/v1/plans", json={**PLAN, "goal": None, "aim": aim})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/relative_or_points")


async def test_productivity_is_by_head_of_those_who_market_and_sell(kpi: Rig) -> None:
    aim = {"metric": "productivity", "kind": "relative", "change": 0.15}
    teams = [{"department": name, "people": [{"heads": 2}]} for name in ("marketing", "inside_sales", "field_sales")]
    plan = await made(kpi, goal=None, aim=aim, capacity=teams)
    assert plan["aim"]["baseline"] == pytest.approx(750_000 / 18)
    assert plan["goal"] == pytest.approx(750_000 * 1.15)
    answer = await kpi.client("ops_lead").post("/v1/plans", json={**PLAN, "goal": None, "aim": aim})
    assert answer.json()["errors"][0]["field"] == "capacity", "null while the heads are unknown"


async def test_a_baseline_of_another_length_counts_in_proportion(kpi: Rig) -> None:
    plan = await made(kpi, goal=1, goal_is="relative", period="2026-04")
    assert plan["goal"] == pytest.approx(250_000)


async def test_open_deals_that_are_due_are_taken_off_where_asked(kpi: Rig) -> None:
    plain = await made(kpi, period="2026-H1")
    assert (plain["pipeline"]["open_deals"], plain["pipeline"]["subtracted"]) == (2, False)
    assert plain["pipeline"]["expected_mrr"] == pytest.approx(198_000), "the weighted pipeline"
    less = await made(kpi, period="2026-H1", less_pipeline=True)
    assert exact(less)["deals"] == pytest.approx((1_200_000 - 198_000) / 150_000)
    brought = less["pipeline"]["expected_deals"]
    assert less["stages"][2]["goal"] == pytest.approx(exact(less)["deals"] + brought), "field sales wins those as well"
    assert less["stages"][1]["goal"] == less["stages"][2]["base"] == pytest.approx(exact(less)["opportunities"])


async def test_recycled_cycles_bring_their_own_and_new_leads_the_rest(kpi: Rig) -> None:
    rates = {"lead_to_mql": 1, "mql_to_sql": 1, "sql_accept": 1, "opp_to_won": 0.5}
    plan = await made(kpi, recycled={"cycles": 10, "rates": rates})
    brought = plan["recycled"]
    assert (brought["new_mrr"], brought["passes"]["deals"], brought["passes"]["mql"]) == (750_000, 5, 10)
    assert exact(plan) == {  # 3 deals more, of first cycles: 12 of 10 web leads, 10 MQL, 7 SQL, 6 opportunities, 4 won
        "deals": pytest.approx(8),
        "opportunities": pytest.approx(10 + 4.5),
        "sql": pytest.approx(10 + 5.25),
        "mql": pytest.approx(10 + 7.5),
        "lead_cycles": pytest.approx(10 + 9),
        "web_leads": pytest.approx(7.5),
        "visitors": pytest.approx(1125),
    }
    for before, after in pairwise(plan["stages"][:3]):
        assert before["goal"] == after["base"]
    many = {need["step"]: need for need in plan["needs"]}
    assert many["mql"]["p50"] < many["mql"]["p80"]


async def test_rates_of_recycled_cycles_are_drawn_to_everyones(kpi: Rig) -> None:
    brought = (await made(kpi, recycled={}))["recycled"]
    assert brought["cycles"] == 2
    assert brought["rates"] == {
        "lead_to_mql": pytest.approx((2 + 20 * 12 / 14) / 22),
        "mql_to_sql": pytest.approx((2 + 20 * 9 / 12) / 22),
        "sql_accept": pytest.approx((2 + 20 * 8 / 9) / 22),
        "opp_to_won": pytest.approx((1 + 20 * 5 / 8) / 22),
    }
    plenty = await made(kpi, recycled={"cycles": 1000, "rates": {"opp_to_won": 0.5}})
    assert (exact(plenty)["visitors"], plenty["uncertainty"]["p_goal"]) == (0, 1)
    leads = await made(kpi, goal=None, aim={"metric": "lead_cycles", "kind": "relative", "change": 1}, recycled={})
    assert exact(leads)["lead_cycles"] == pytest.approx(28)


async def test_a_chain_for_each_segment_adds_up_and_its_targets_are_set(kpi: Rig) -> None:
    plan = await made(kpi, per_segment=True)
    parts = {one["segment"]: one for one in plan["segments"]}
    assert parts["SMB"]["goal"] == pytest.approx(1_200_000 * 270 / 750)
    assert parts["SMB"]["rates"]["opp_to_won"] == pytest.approx((3 + 20 * 0.625) / (4 + 20))
    for need in plan["needs"]:
        of_parts = [other["exact"] for one in parts.values() for other in one["needs"] if other["step"] == need["step"]]
        assert need["exact"] == pytest.approx(sum(of_parts))
    assert (plan["differing"], plan["blended_misleads"]) == ({}, False)
    client = kpi.client("ops_lead")
    assert (await client.post(f"/v1/plans/{plan['plan_id']}/publish")).status_code == 200
    targets = (await client.get("/v1/targets", params={"period": "2026-Q2", "segment": "SMB"})).json()["items"]
    assert {target["stage"] for target in targets} == {"marketing", "inside_sales", "field_sales"}
    assert [len(event.data["targets"]) for event in await kpi.told("kpi.plan_published.v1")] == [4]


async def test_where_segments_differ_one_chain_for_all_misleads(make_rig: MakeRig) -> None:
    kpi, at = await make_rig(SERVICE), datetime(2026, 4, 10, tzinfo=UTC)
    worth, records = Money(amount=100_000, currency="JPY"), []
    for segment, wins in (("SMB", 30), ("ENT", 6)):
        for number in range(40):
            deal = told_id("opportunity", f"{segment}{number}")
            opened = field_sales.OpportunityOpened(opportunity_id=deal, segment=segment)
            records.append(kpi.record(opened, deal, at=at))
            if number < wins:
                won = field_sales.DealWon(opportunity_id=deal, segment=segment, mrr=worth)
                records.append(kpi.record(won, deal, at=at + timedelta(days=number + 1)))
    await kpi.hand_over(records)
    halves = ("visitor_to_lead", "lead_to_mql", "mql_to_sql", "sql_accept")
    said = {"visitors": 1000, "offline_recycle_uplift": 1, "outside_opportunities": 1, **dict.fromkeys(halves, 0.5)}
    plan = await made(kpi, rates=said)
    assert list(plan["differing"]) == ["opp_to_won"]
    assert plan["differing"]["opp_to_won"]["SMB"] == pytest.approx((30 + 20 * 0.45) / 60)
    assert plan["blended_misleads"] is True
    parted = await made(kpi, rates=said, per_segment=True)
    assert (parted["blended_misleads"], len(parted["segments"])) == (False, 2)
    assert exact(parted)["opportunities"] == pytest.approx(10 / 0.65 + 2 / 0.25)


async def test_each_step_has_its_date_and_what_is_left_where_that_is_past(kpi: Rig) -> None:
    plan = await made(kpi, period="2026-Q1")
    needs = {need["step"]: need for need in plan["needs"]}
    deals, opportunities = needs["deals"], needs["opportunities"]
    assert deals["need_by"] == "2026-06-30"
    assert (opportunities["need_by"], opportunities["safe_by"]) == ("2026-06-05",) * 2, (
        "25 days, as far as five are at risk"
    )
    assert (opportunities["entered"], opportunities["missing"]) == (7, pytest.approx(5.8)), "D04 came after that"
    assert needs["visitors"]["need_by"] == needs["lead_cycles"]["need_by"] < needs["sql"]["need_by"]
    assert all(need["late"] for need in plan["needs"])
    levers = [lever["lever"] for lever in needs["sql"]["levers"]]
    assert levers == ["sql_accept", "opp_to_won", "average_won", "recycling", "expansion", "renewals"]
    assert [month["won"] for month in plan["months"]] == [0, 2, 3]
    ahead = await made(kpi, period="2190-Q1")
    assert not any(need["late"] or need["levers"] for need in ahead["needs"])
    step = next(need for need in ahead["needs"] if need["step"] == "opportunities")
    assert (step["entered"], step["missing"]) == (0, pytest.approx(step["exact"]))
    wins = sum(month["expected"]["opportunities"] for month in ahead["months"])
    assert 0 < wins <= step["exact"] * 0.625 + 1e-6


async def test_how_surely_and_whether_the_departments_can(kpi: Rig) -> None:
    teams = [
        {"department": "inside_sales", "people": [{"heads": 1}], "productivity": 5},
        {"department": "field_sales", "people": [{"heads": 2}], "hours_per_head": 100, "hours_per_case": 60},
        {"department": "customer_success", "people": [{"heads": 1}], "productivity": 20},
    ]
    plan = await made(kpi, capacity=teams)
    loads = {one["department"]: one for one in plan["capacity"]}
    assert loads["marketing"]["reason"] == "not_told"
    assert loads["inside_sales"]["people"]["utilisation"] == pytest.approx(12.8 / 15)
    assert loads["field_sales"]["hours"]["utilisation"] == pytest.approx(480 / 600)
    assert loads["customer_success"]["people"]["utilisation"] == pytest.approx(16 / 20)
    assert plan["feasible"] is True
    teams[0]["productivity"] = 4
    assert (await made(kpi, capacity=teams))["feasible"] is False
    needs = {need["step"]: need for need in plan["needs"]}
    assert needs["mql"]["p50"] < needs["mql"]["p80"]
    assert plan["uncertainty"]["lead_to_won_ci95"][0] < 5 / 14 < plan["uncertainty"]["lead_to_won_ci95"][1]
    assert 0 <= plan["uncertainty"]["p_goal_as_before"] < plan["uncertainty"]["p_goal"] <= 1


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"period": "soon"}, "period"),
        ({"goal": 0}, "goal"),
        ({"aim": {"metric": "won", "kind": "relative", "change": 1}}, "body"),
        ({"goal": None, "aim": {"metric": "luck", "kind": "relative", "change": 1}}, "aim.metric"),
        ({"goal": 1, "goal_is": "end_arr"}, "goal"),
        ({"baseline": {"from_date": "0001-01-01", "to_date": "2026-07-01"}}, "baseline.from_date"),
        ({"rates": {"opp_to_won": 1e-300}}, "rates.opp_to_won"),
        ({"capacity": [{"department": "marketing"}] * 2}, "capacity"),
        ({"capacity": [{"department": "marketing", "budget": 1}]}, "capacity.0"),
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
