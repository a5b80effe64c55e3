"""The reverse flow as one figure, what became of the customers' voice, and that only items old enough count."""

from typing import Any

import pytest

from services.kpi.app import SERVICE
from shared.contracts import EVENTS, Event, marketing
from shared.ids import told_id
from tests.support import kpi as told
from tests.support.kpi import QUARTER, ask, day, tell
from tests.support.rig import MakeRig, Rig


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


def given(name: str, at: float, sender: str, receiver: str, kind: str = "voice") -> tuple[float, Event]:
    sides = {"feedback_id": told_id("feedback", name), "sender": sender, "receiver": receiver, "kind": kind}
    return at, EVENTS[f"{sender}.feedback_given.v1"].model_validate(sides)


def moved(name: str, at: float, by: str, state: str, **more: Any) -> tuple[float, Event]:
    step = {"feedback_id": told_id("feedback", name), "at": day(at), "by": by, "state": state, **more}
    return at, EVENTS[f"{by}.feedback_updated.v1"].model_validate(step)


async def mqls(kpi: Rig, number: int) -> None:
    for lead in [told_id("lead", str(place)) for place in range(number)]:
        await tell(
            kpi, (0, marketing.LeadCreated(lead_id=lead, cycle=1)), (1, marketing.MqlCreated(lead_id=lead, cycle=1))
        )


async def test_both_ways_is_the_weakest_edge_and_one_dead_edge_is_nothing(make_rig: MakeRig) -> None:
    kpi = await make_rig(SERVICE)
    events, decisions = told.worked_example()
    await told.take(kpi, told.records(kpi, events))
    await told.decide(kpi, decisions)
    figure = await ask(kpi, "metrics/two_way", **QUARTER)
    edges = {name: edge["value"] for name, edge in figure["more"]["edges"].items()}
    assert edges["inside_sales>field_sales"] == pytest.approx(2 / 9 / 0.3 * 2 / 2)
    assert (edges["marketing>inside_sales"], edges["field_sales>customer_success"]) == (0, 0), "nothing was closed"
    assert figure["value"] == 0


async def test_the_flow_wanted_is_a_setting_and_young_items_are_not_judged(kpi: Rig) -> None:
    await mqls(kpi, 4)
    await tell(kpi, given("a", 10, "inside_sales", "marketing"), moved("a", 12, "inside_sales", "closed"))
    whole = await ask(kpi, "metrics/two_way")
    assert whole["value"] == pytest.approx(1 / 4 / 0.3)
    assert (await ask(kpi, "metrics/two_way", as_of=day(20).isoformat()))["value"] is None, "not 14 days old"
    await told.decide(kpi, {"reverse_flow_target": 0.5})
    assert (await ask(kpi, "metrics/two_way"))["value"] == pytest.approx(1 / 4 / 0.5)
    refused = await kpi.client("ops_lead").put("/v1/settings/reverse_flow_target", json={"value": 0})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "value")


async def test_the_customers_voice_is_used_where_a_change_is_told(kpi: Rig) -> None:
    for name, kind in (("used", "voice"), ("wish", "campaign_wish"), ("idle", "voice"), ("thanks", "praise")):
        await tell(kpi, given(name, 10, "inside_sales", "marketing", kind))
    for name in ("used", "wish", "thanks"):
        change = {"change": "a webinar about prices"} if name != "wish" else {}
        await tell(kpi, moved(name, 12, "marketing", "acted", **change))
    await tell(kpi, given("other", 10, "field_sales", "marketing"), given("young", 355, "inside_sales", "marketing"))
    figure = await ask(kpi, "metrics/voice_used")
    assert (figure["numerator"], figure["denominator"], figure["more"]["young"]) == (1, 3, 1)


async def test_the_records_below_a_share_are_the_items_old_enough(kpi: Rig) -> None:
    await tell(kpi, given("old", 10, "inside_sales", "marketing"), given("young", 355, "inside_sales", "marketing"))
    await tell(kpi, moved("young", 356, "marketing", "acted"))
    for metric in ("acted", "closure", "two_way", "voice_used"):
        rows = (await ask(kpi, f"metrics/{metric}/records"))["items"]
        assert [(row["numerator"], row["denominator"]) for row in rows] == [(False, True), (False, False)], metric
    early = await ask(kpi, "metrics/ack_72h/records", as_of=day(12).isoformat())
    assert [row["denominator"] for row in early["items"]] == [False]
