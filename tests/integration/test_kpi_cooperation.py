"""Goals met at the cost of the next department, the chain held together, and KPIs owned together."""

from typing import Any

import pytest
from sqlalchemy import text

from services.kpi.app import SERVICE
from services.kpi.domain.goals import Component, attainment, local_optimum, weakest
from shared.contracts import Event, customer_success, inside_sales, marketing
from shared.ids import told_id
from tests.support import kpi as told
from tests.support.kpi import QUARTER, YEAR, ask, day, tell
from tests.support.rig import MakeRig, Rig


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


@pytest.fixture
async def example(kpi: Rig) -> Rig:
    events, decisions = told.worked_example()
    await told.take(kpi, told.records(kpi, events))
    await told.decide(kpi, decisions)
    return kpi


def part(department: str, metric: str, target: float) -> dict[str, Any]:
    return {"department": department, "metric": metric, "target": target}


async def agree(kpi: Rig, *parts: dict[str, Any], begin: str = YEAR["from"], end: str = YEAR["to"]) -> None:
    body = {"name": "ours", "from_date": begin, "to_date": end, "components": list(parts)}
    answer = await kpi.client("ops_lead").put("/v1/goals/ours", json=body)
    assert answer.status_code == 200, answer.text


async def aim(kpi: Rig, period: str, metric: str, **more: Any) -> None:
    answer = await kpi.client("ops_lead").put(f"/v1/metric-targets/{period}/{metric}", json={"value": 0.9, **more})
    assert answer.status_code == 200, answer.text


async def mqls(kpi: Rig, since: float, accepted: int, rejected: int) -> None:
    for number in range(accepted + rejected):
        lead = {"lead_id": told_id("lead", f"{since} {number}"), "cycle": 1}
        decided = inside_sales.MqlAccepted(**lead) if number < accepted else None
        end: Event = decided or inside_sales.MqlRejected(**lead, reason="no_need")
        await tell(kpi, (since, marketing.LeadCreated(**lead)), (since, marketing.MqlCreated(**lead)), (since + 1, end))


def test_a_goal_is_a_local_optimum_where_it_is_met_and_the_next_one_gets_worse() -> None:
    assert local_optimum(1.0, below=True) is True
    assert local_optimum(1.2, below=False) is False
    assert local_optimum(0.99, below=True) is False, "not attained"
    assert local_optimum(0.5, below=None) is False
    assert local_optimum(None, below=True) is None
    assert local_optimum(1.0, below=None) is None


def test_the_weakest_part_of_each_department_counts() -> None:
    parts = [(Component("marketing", "mql", 1), 1.1), (Component("marketing", "lead_new", 1), 0.5)]
    assert weakest(parts) == {"marketing": 0.5}
    assert attainment({"marketing": 0.5, "inside_sales": 1.0}).one_sided is True


async def test_a_goal_met_with_what_nobody_can_use_is_flagged(kpi: Rig) -> None:
    await mqls(kpi, 1, accepted=5, rejected=15)
    await agree(kpi, part("marketing", "mql", 20), part("inside_sales", "mql_acc", 0.8))
    answer = await ask(kpi, "cooperation", goal="ours")
    own, sales = answer["local_optima"]
    assert (own["department"], own["metric"], own["actual"], own["attained"]) == ("marketing", "mql_acc", 0.25, 1.0)
    assert (own["reference"], own["reference_from"], own["below"], own["flagged"]) == (0.8, "goal", True, True)
    assert (sales["department"], sales["below"], sales["flagged"]) == ("inside_sales", None, False)
    await agree(kpi, part("marketing", "mql", 40), part("inside_sales", "mql_acc", 0.8))
    own = (await ask(kpi, "cooperation", goal="ours"))["local_optima"][0]
    assert (own["below"], own["flagged"]) == (True, False), "not attained"
    await agree(kpi, part("marketing", "mql", 20), part("inside_sales", "mql_acc", 0.3))
    own = (await ask(kpi, "cooperation", goal="ours"))["local_optima"][0]
    assert (own["below"], own["flagged"]) == (False, False), "so few may be chance"


async def test_without_a_target_the_time_before_is_the_reference(kpi: Rig) -> None:
    await mqls(kpi, 1, accepted=18, rejected=2)
    await mqls(kpi, 190, accepted=4, rejected=16)
    span = {"from": "2025-10-01", "to": "2026-04-01"}
    await agree(kpi, part("marketing", "mql", 20), part("customer_success", "won", 1), begin=span["from"])
    own = (await ask(kpi, "cooperation", goal="ours", **span))["local_optima"][0]
    assert (own["reference"], own["reference_from"], own["flagged"]) == (0.9, "earlier", True)
    await aim(kpi, "2025-H2", "mql_acc", value=0.1)
    own = (await ask(kpi, "cooperation", goal="ours", **span))["local_optima"][0]
    assert (own["reference"], own["reference_from"], own["flagged"]) == (0.1, "target", False)


async def test_promises_kept_in_part_have_an_interval_too(kpi: Rig) -> None:
    for number, kept in enumerate(("no", "no", "no", "partly")):
        account = told_id("account", str(number))
        await tell(kpi, (5, customer_success.PromiseReviewed(account_id=account, number=1, kept=kept)))
    await agree(kpi, part("field_sales", "expectation_fit", 0.9), part("marketing", "mql", 1))
    found = (await ask(kpi, "cooperation", goal="ours"))["local_optima"][0]
    assert (found["metric"], found["actual"], found["below"]) == ("expectation_fit", 0.125, True)


async def test_the_chain_of_the_example_holds_in_every_part(example: Rig) -> None:
    answer = await ask(example, "cooperation/chain", **QUARTER, by="segment", interval="month")
    assert (answer["holds"], answer["plan"]) == (True, None)
    whole, *parts = answer["parts"]
    assert [(joint["before"], joint["goal"], joint["base"]) for joint in whole["joints"]] == [
        *(("marketing", 12, 12), ("inside_sales", 8, 8), ("field_sales", 5, 5))
    ]
    mql, sql = whole["edges"]
    assert {name: mql[name] for name in ("handed", "accepted", "rejected", "undecided", "unexplained")} == {
        **{"handed": 12, "accepted": 10, "rejected": 1, "undecided": 1, "unexplained": 0}
    }
    assert (sql["handed"], sql["accepted"], sql["rejected"]) == (9, 8, 1)
    assert all(part["holds"] for part in parts)
    by_segment = [
        part for part in parts if part["group"] and (part["from"], part["to"]) == (whole["from"], whole["to"])
    ]
    assert sum(part["edges"][0]["handed"] for part in by_segment) == 12
    early = await ask(example, "cooperation/chain", **{**QUARTER, "as_of": "2026-04-03T10:05:00+09:00"})
    assert early["holds"] is True
    assert (early["parts"][0]["edges"][0]["handed"], early["parts"][0]["edges"][0]["undecided"]) == (1, 1)


async def test_what_is_nowhere_is_unexplained(kpi: Rig) -> None:
    lead = {"lead_id": told_id("lead", "a"), "cycle": 1}
    await tell(kpi, (0, marketing.LeadCreated(**lead)), (1, marketing.MqlCreated(**lead)))
    assert (await ask(kpi, "cooperation/chain"))["holds"] is True
    async with kpi.database.transaction() as tx:
        await tx.session.execute(text("DELETE FROM place"))
    answer = await ask(kpi, "cooperation/chain")
    assert (answer["holds"], answer["parts"][0]["edges"][0]["unexplained"]) == (False, 1)


async def test_a_target_changed_by_hand_is_no_longer_the_plans(example: Rig) -> None:
    client = example.client("ops_lead")
    baseline = {"from_date": "2026-04-01", "to_date": "2026-07-01"}
    plan = {"name": "Q1", "period": "2026-Q1", "goal": 1_200_000, "baseline": baseline}
    plan_id = (await client.post("/v1/plans", json=plan)).json()["plan_id"]
    assert (await client.post(f"/v1/plans/{plan_id}/publish")).status_code == 200
    assert (await client.put(f"/v1/plans/{plan_id}", json={**plan, "goal": 9_000_000})).status_code == 200
    answer = await ask(example, "cooperation/chain", **QUARTER)
    assert (answer["holds"], answer["plan"]["plan_id"], answer["plan"]["holds"]) == (True, plan_id, True)
    changed = await client.put("/v1/targets/2026-Q1", json={"stage": "inside_sales", "goal": 3})
    assert changed.status_code == 200
    answer = await ask(example, "cooperation/chain", **QUARTER)
    assert (answer["holds"], answer["plan"]["stages"]["inside_sales"]) == (False, False)
    assert answer["plan"]["stages"]["marketing"] is True


async def test_kpis_owned_together(kpi: Rig) -> None:
    client = kpi.client("viewer")
    empty = (await client.get("/v1/cooperation/co-ownership")).json()
    assert (empty["value"], empty["reason"]) == (None, "no_base")
    assert (empty["survey"]["value"], empty["survey"]["n"]) == (0.568, 258)
    await aim(kpi, "FY2025", "won")
    await aim(kpi, "FY2025", "won", level="team", name="east")
    await aim(kpi, "FY2025", "mql_acc", level="department", name="marketing")
    await aim(kpi, "FY2025", "onb", level="department", name="field_sales")
    await aim(kpi, "FY2025", "sql_acc")
    await agree(kpi, part("inside_sales", "sql_acc", 0.8), part("field_sales", "sql_acc", 0.8))
    found = (await client.get("/v1/cooperation/co-ownership", params={"period": "2025-Q2"})).json()
    assert (found["from"], found["numerator"], found["denominator"]) == ("2025-07-01", 3, 5)
    owners = {item["id"]: item["departments"] for item in found["items"]}
    assert owners == {
        "won": ["field_sales"],
        "mql_acc": ["marketing"],
        "onb": ["customer_success", "field_sales"],
        "sql_acc": ["field_sales", "inside_sales"],
        "ours": ["field_sales", "inside_sales"],
    }
    later = (await client.get("/v1/cooperation/co-ownership", params={"period": "FY2026"})).json()
    assert later["denominator"] == 0


@pytest.mark.parametrize(
    ("path", "params", "field"),
    [
        ("co-ownership", {"period": "soon"}, "period"),
        ("co-ownership", {"luck": "1"}, "luck"),
        ("chain", {"from": "2026-04-02", "to": "2026-04-01"}, "to"),
        ("chain", {"by": "luck"}, "by"),
    ],
)
async def test_what_cannot_be_asked_is_refused(kpi: Rig, path: str, params: dict[str, str], field: str) -> None:
    answer = await kpi.client("viewer").get(f"/v1/cooperation/{path}", params=params)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


async def test_of_an_empty_company_the_chain_holds(kpi: Rig) -> None:
    answer = await ask(kpi, "cooperation/chain", by="owner", interval="quarter", known_at=day(1).isoformat())
    assert answer["holds"] is True
    assert {edge["handed"] for part in answer["parts"] for edge in part["edges"]} == {0}


@pytest.mark.parametrize(
    "more",
    [
        {"slice": "latest", "by": "product", "interval": "week"},
        {"unit": "account", "by": "owner", "cycles": "first"},
        {"unit": "lead", "segment": "SMB", "known_at": "2026-06-01T00:00:00+09:00"},
        {"currency": "USD", "window": "30", "cycles": "recycled"},
    ],
)
async def test_they_are_answered_however_they_are_asked(example: Rig, more: dict[str, str]) -> None:
    metrics = ("two_way", "voice_used", "handoff_complete", "rework", "disputes", "joint_touch", "shared_credit")
    for metric in (*metrics, "mql_quality", "sql_quality", "won_quality"):
        figure = await ask(example, f"metrics/{metric}", **QUARTER, **more)
        assert (figure["value"] is None) == (figure["reason"] is not None), metric
        await ask(example, f"metrics/{metric}/records", **QUARTER, **more)
    asked = {name: value for name, value in more.items() if name != "window"}
    assert (await ask(example, "cooperation/chain", **QUARTER, **asked))["holds"] is True
