"""What moves a period's pipeline adds up in every slice; what slipped, was put off again and again, and is covered."""

from datetime import date
from typing import Any

import pytest

from services.kpi.app import SERVICE
from services.kpi.metrics.pipeline_moves import DOWN, UP
from services.kpi.metrics.question import SLICES
from shared.contracts import Event, field_sales
from shared.ids import told_id
from tests.support import kpi as told
from tests.support.kpi import QUARTER
from tests.support.rig import MakeRig, Rig
from tests.support.telling import metric, tell, yen

APRIL, MAY = date(2026, 4, 20), date(2026, 5, 20)


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


def deal(name: str) -> Any:
    return told_id("opportunity", name)


def opened(name: str, mrr: int, due: date | None, **more: Any) -> Event:
    told = {"opportunity_id": deal(name), "mrr": yen(mrr), "expected_close_date": due, "origin": "partner", **more}
    return field_sales.OpportunityOpened.model_validate(told)


def updated(name: str, **more: Any) -> Event:
    return field_sales.OpportunityUpdated.model_validate({"opportunity_id": deal(name), **more})


def won(name: str, mrr: int | None = None) -> Event:
    amount = None if mrr is None else yen(mrr)
    return field_sales.DealWon.model_validate({"opportunity_id": deal(name), "mrr": amount})


def lost(name: str) -> Event:
    return field_sales.DealLost(opportunity_id=deal(name), reason="price")


def steps(part: dict[str, Any]) -> dict[str, int]:
    """Of a walk, which adds up."""
    found = {name: part["more"][name]["amount"] if part["more"] else 0 for name in ("start", *UP, *DOWN, "end")}
    up, down = (sum(found[name] for name in side) for side in (UP, DOWN))
    assert found["start"] + up - down == found["end"]
    return found


async def april(kpi: Rig) -> None:
    """One deal for each way a pipeline can move, and some that stay out of it."""
    before = {
        "stays": (100, APRIL, {}),
        "grows": (100, APRIL, {"segment": "ENT"}),
        "shrinks": (100, APRIL, {}),
        "slips": (100, APRIL, {"segment": "ENT"}),
        "won": (100, APRIL, {}),
        "lost": (100, APRIL, {}),
        "later": (100, MAY, {}),
        "pulled": (100, MAY, {"segment": "ENT"}),
        "again": (100, APRIL, {}),
        "omitted": (100, APRIL, {"forecast_category": "omitted"}),
        "left_out": (100, APRIL, {"forecast_category": "commit"}),
    }
    await tell(kpi, *((-20.0, opened(name, mrr, due, **more)) for name, (mrr, due, more) in before.items()))
    await tell(kpi, (-10, lost("again")))
    await tell(
        kpi,
        (1, updated("grows", mrr=yen(130))),
        (1, updated("shrinks", mrr=yen(60))),
        (2, updated("slips", expected_close_date=MAY)),
        (3, updated("pulled", expected_close_date=APRIL, mrr=yen(150))),
        (3, updated("left_out", forecast_category="omitted")),
        (4, field_sales.DealReopened(opportunity_id=deal("again"))),
        (5, won("won", 120)),
        (5, lost("lost")),
        (6, opened("fresh", 70, APRIL)),
        (6, opened("fresh won", 40, MAY)),
        (8, won("fresh won")),
        (6, opened("undated", 500, None)),
    )


async def test_every_move_has_its_name_and_they_add_up(kpi: Rig) -> None:
    await april(kpi)
    found = await metric(kpi, "walk", by="segment")
    more = found["more"]
    assert steps(found) == {
        "start": 700,
        "new": 110,
        "pulled_in": 150,
        "reopened": 100,
        "increased": 50,
        "decreased": 40,
        "pushed": 200,
        "lost": 100,
        "won": 160,
        "end": 610,
    }
    assert found["value"] == {"amount": -90, "currency": "JPY"}
    assert more["deals"]["won"] == 2
    assert more["won"] == (await metric(kpi, "won_value"))["value"]
    assert {group["group"]: steps(group)["end"] for group in found["groups"]} == {"ENT": 280, "(unset)": 330}
    listed = await kpi.client("viewer").get(found["records"])
    kinds = {row["opportunity_id"]: row["kind"] for row in listed.json()["items"]}
    assert kinds[str(deal("left_out"))] == "pushed"
    assert str(deal("omitted")) not in kinds
    assert str(deal("later")) not in kinds


async def test_what_was_due_and_slipped(kpi: Rig) -> None:
    await april(kpi)
    found = await metric(kpi, "slip", by="segment")
    assert (found["numerator"], found["denominator"]) == (1, 7)
    assert {group["group"]: group["numerator"] for group in found["groups"]} == {"ENT": 1, "(unset)": 0}
    by_value = await metric(kpi, "slip_value")
    assert (by_value["numerator"]["amount"], by_value["denominator"]["amount"]) == (100, 700)
    early = await metric(kpi, "slip", as_of="2026-04-04T00:00:00Z")
    assert (early["numerator"], early["denominator"]) == (0, 7)


async def test_a_missing_plan_rate_is_no_amount(kpi: Rig) -> None:
    dollars = {"mrr": {"amount": 100, "currency": "USD"}}
    await tell(kpi, (-5, opened("abroad", 1, APRIL)), (-4, updated("abroad", **dollars)))
    assert (await metric(kpi, "walk"))["reason"] == "no_plan_rate"
    assert (await metric(kpi, "slip_value"))["reason"] == "no_plan_rate"


async def test_deals_put_off_three_times(kpi: Rig) -> None:
    await tell(kpi, *((-30.0, opened(name, 100, APRIL)) for name in ("calm", "twice", "thrice")))
    for number in range(1, 4):
        names = ("twice", "thrice") if number < 3 else ("thrice",)
        day = date(2026, 4 + number, 20)
        await tell(kpi, *((number, updated(name, expected_close_date=day)) for name in names))
    await tell(kpi, (5, updated("calm", expected_close_date=date(2026, 4, 1))))
    found = await metric(kpi, "pushed_often", interval="week")
    assert (found["value"], found["more"]) == (1, {"open": 3, "pushes": {"0": 1, "2": 1, "3": 1}})
    assert [period["value"] for period in found["periods"]] == [0, 1, 1, 1, 1]


async def test_coverage_needs_a_target_and_ends_where_it_is_met(kpi: Rig) -> None:
    await april(kpi)
    assert (await metric(kpi, "coverage"))["reason"] == "no_target"
    client = kpi.client("ops_lead")
    assert (await client.put("/v1/metric-targets/2026-04/won_value", json={"value": 770})).is_success
    for segment, goal in ((None, 6), ("ENT", 2)):
        body = {"stage": "field_sales", "segment": segment, "goal": goal}
        assert (await client.put("/v1/targets/2026-04", json=body)).is_success
    found = await metric(kpi, "coverage", by="segment", interval="month")
    assert found["value"] == pytest.approx(610 / 610)
    assert (found["more"]["target"]["amount"], found["more"]["won"]["amount"]) == (770, 160)
    assert found["periods"][0]["value"] == found["value"]
    assert {group["reason"] for group in found["groups"]} == {"no_target"}
    deals = await metric(kpi, "coverage_deals", by="segment")
    assert (deals["value"], deals["numerator"]) == (6 / 4, 6)
    assert {group["group"]: group["value"] for group in deals["groups"]} == {"ENT": 1.0, "(unset)": None}
    assert (await metric(kpi, "coverage", segment="ENT"))["reason"] == "no_target"
    assert (await client.put("/v1/metric-targets/2026-04/won_value", json={"value": 160})).is_success
    met = await metric(kpi, "coverage")
    assert (met["value"], met["reason"], met["denominator"]["amount"]) == (None, "met", 0)


async def test_the_worked_example_adds_up_by_every_dimension(kpi: Rig) -> None:
    events, decisions = told.worked_example()
    await told.take(kpi, told.records(kpi, events))
    await told.decide(kpi, decisions)
    for by in SLICES:
        whole = await metric(kpi, "walk", **QUARTER, by=by, interval="month")
        parts = [steps(part) for part in whole["groups"]]
        for name, amount in steps(whole).items():
            assert sum(part[name] for part in parts) == amount
        for month in whole["periods"]:
            assert sum(steps(part)["end"] for part in month["groups"]) == steps(month)["end"]
