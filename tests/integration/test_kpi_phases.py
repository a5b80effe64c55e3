"""Phases: who goes on from each, how long deals stand in them, what goes back; and why deals are lost."""

from typing import Any

import pytest

from services.kpi.app import SERVICE
from shared.contracts import Event, field_sales
from shared.ids import told_id
from tests.support.rig import MakeRig, Rig
from tests.support.telling import metric, tell, yen


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


async def ordered(rig: Rig) -> None:
    """The company says what each phase is worth, and so their order."""
    body = {"value": {"proposal": 0.5, "discovery": 0.2, "closing": 0.8}, "valid_from": "2026-01-01"}
    answer = await rig.client("ops_lead").put("/v1/settings/phase_probabilities", json=body)
    assert answer.is_success, answer.text


def opened(name: str, phase: str | None = "discovery", **more: Any) -> Event:
    told = {"opportunity_id": told_id("opportunity", name), "phase": phase, "origin": "partner", **more}
    return field_sales.OpportunityOpened.model_validate(told)


def moved(name: str, phase: str) -> Event:
    return field_sales.OpportunityUpdated(opportunity_id=told_id("opportunity", name), phase=phase)


def won(name: str) -> Event:
    return field_sales.DealWon(opportunity_id=told_id("opportunity", name))


def lost(name: str, reason: str = "price", **more: Any) -> Event:
    return field_sales.DealLost.model_validate(
        {"opportunity_id": told_id("opportunity", name), "reason": reason, **more}
    )


async def moves(kpi: Rig) -> None:
    await tell(kpi, *((0.0, opened(name, segment="SMB" if name in "AB" else None)) for name in "ABCDE"))
    await tell(
        kpi,
        (1, moved("A", "proposal")),
        (2, moved("A", "discovery")),
        (3, moved("A", "closing")),
        (4, won("A")),
        (5, moved("B", "proposal")),
        (6, lost("B")),
        (7, won("C")),
        (8, field_sales.DealReopened(opportunity_id=told_id("opportunity", "C"))),
        (20, moved("D", "proposal")),
    )


async def test_who_went_on_from_each_phase(kpi: Rig) -> None:
    await ordered(kpi)
    await moves(kpi)
    found = await metric(kpi, "stage_conv", by="segment")
    phases = {row["phase"]: (row["numerator"], row["denominator"]) for row in found["more"]["phases"]}
    assert phases == {"discovery": (3, 5), "proposal": (1, 3), "closing": (1, 1)}
    assert list(phases) == ["discovery", "proposal", "closing"]
    assert (found["numerator"], found["denominator"]) == (5, 9)
    assert {group["group"]: group["denominator"] for group in found["groups"]} == {"SMB": 5, "(unset)": 4}
    soon = await metric(kpi, "stage_conv", window="10")
    assert (soon["numerator"], soon["denominator"]) == (4, 9)
    early = await metric(kpi, "stage_conv", as_of="2026-04-05T12:00:00Z")
    assert (early["numerator"], early["denominator"]) == (1, 6)


async def test_what_goes_back_of_all_that_moves(kpi: Rig) -> None:
    await ordered(kpi)
    await moves(kpi)
    found = await metric(kpi, "regress", by="segment", interval="week")
    assert (found["numerator"], found["denominator"]) == (1, 5)
    assert found["more"] == {"back": {"proposal>discovery": 1}}
    assert {group["group"]: group["denominator"] for group in found["groups"]} == {"SMB": 4, "(unset)": 1}


async def test_without_an_order_nothing_is_later(kpi: Rig) -> None:
    await moves(kpi)
    found = await metric(kpi, "stage_conv")
    assert (found["value"], found["reason"]) == (None, "insufficient_history")
    assert (await metric(kpi, "regress"))["reason"] == "no_base"


async def test_the_order_is_learned_from_closed_deals(kpi: Rig) -> None:
    for number in range(24):
        name = f"past {number}"
        await tell(kpi, (-90, opened(name)), *([(-80, moved(name, "late"))] if number % 2 else []))
        await tell(kpi, (-70, won(name) if number % 2 else lost(name)))
    await tell(kpi, (1, opened("A")), (2, moved("A", "late")), (3, moved("A", "discovery")))
    assert (await metric(kpi, "regress"))["more"] == {"back": {"late>discovery": 1}}


async def test_how_long_deals_stand_and_which_are_stale(kpi: Rig) -> None:
    for number in range(20):
        await tell(kpi, (-60, opened(f"won {number}")), (-60 + number + 1, won(f"won {number}")))
    await tell(kpi, (0, opened("old")), (20, opened("new")), (0, opened("elsewhere")), (10, moved("elsewhere", "x")))
    await tell(kpi, (-40, opened("undated", None)), (3, lost("new")), (25, opened("new")))
    found = await metric(kpi, "age", interval="week")
    of = found["more"]["phases"]
    assert of["discovery"]["p90_of_won"] == pytest.approx(18.1)
    assert (of["discovery"]["deals"], of["discovery"]["stale"], of["x"]["p90_of_won"]) == (1, 1, None)
    assert of["(unset)"]["median"] == pytest.approx(27.625 + 40)
    assert (found["value"], found["denominator"]) == (pytest.approx(27.625), 3)
    stale = await metric(kpi, "stale")
    assert (stale["value"], stale["more"]) == (1, {"open": 3, "unjudged": 2})
    assert (await metric(kpi, "stale", as_of="2026-04-12T00:00:00Z"))["value"] == 0
    listed = (await kpi.client("viewer").get(stale["records"])).json()["items"]
    assert [row["opportunity_id"] for row in listed] == [str(told_id("opportunity", "old"))]


async def test_why_deals_are_lost_and_which_may_come_back(kpi: Rig) -> None:
    values = {"A": "price", "B": "price", "C": "timing", "D": "competitor"}
    for name, reason in values.items():
        await tell(kpi, (0, opened(name, mrr=yen(100))), (2, lost(name, reason, recyclable=reason != "competitor")))
    await tell(kpi, (3, field_sales.DealReopened(opportunity_id=told_id("opportunity", "B"))))
    found = await metric(kpi, "loss_reason")
    assert (found["numerator"], found["denominator"]) == (2, 3)
    told = [(row["code"], row["numerator"], row["recyclable"]) for row in found["more"]["reasons"]]
    assert told == [("competitor", 1, 0), ("price", 1, 1), ("timing", 1, 1)]
    assert found["more"]["reasons"][0]["value"] == pytest.approx(1 / 3)
    assert found["more"]["reasons"][0]["value_lost"] == {"amount": 100, "currency": "JPY"}
