"""What goes in: supply for the slots there are, touches, people; and which opportunities are valid."""

from typing import Any

import pytest

from services.kpi.app import SERVICE
from shared.contracts import Event, customer_success, field_sales, marketing
from shared.ids import told_id
from tests.support.rig import MakeRig, Rig
from tests.support.telling import metric, tell, yen


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


def opened(name: str, **more: Any) -> Event:
    return field_sales.OpportunityOpened.model_validate({"opportunity_id": told_id("opportunity", name), **more})


def capacity(rep: str, slots: int, region: str | None = None) -> Event:
    return field_sales.CapacityChanged(rep_id=rep, slots_per_week=slots, region=region)


async def decide(kpi: Rig, name: str, value: Any, valid_from: str = "2026-01-01") -> None:
    body = {"value": value, "valid_from": valid_from}
    answer = await kpi.client("ops_lead").put(f"/v1/settings/{name}", json=body)
    assert answer.is_success, answer.text


async def test_supply_is_held_against_the_slots_of_the_time(kpi: Rig) -> None:
    await tell(kpi, (-30, capacity("sato", 2, "kanto")), (-30, capacity("ito", 4)))
    await tell(kpi, (12, capacity("ito", 0)))
    await tell(kpi, *((float(day), opened(f"D{day}", owner="sato", channel="ads")) for day in range(4)))
    await tell(kpi, (5, opened("own", origin="partner", owner="ito")))
    found = await metric(kpi, "supply", by="owner", interval="month")
    weeks, until = 30 / 7, (12 + 2 + 9 / 24) / 7
    assert found["denominator"] == pytest.approx(2 * weeks + 4 * until)
    assert (found["numerator"], found["more"]["from_elsewhere"], found["more"]["reps"]) == (4, 1, 2)
    assert found["value"] == pytest.approx(4 / found["denominator"])
    assert found["more"]["state"] == "starving"
    assert found["periods"][0]["value"] == found["value"]
    groups = {group["group"]: group["denominator"] for group in found["groups"]}
    assert groups["sato"] == pytest.approx(2 * weeks)
    regions = {group["group"]: group["denominator"] for group in (await metric(kpi, "supply", by="region"))["groups"]}
    assert regions["kanto"] == pytest.approx(2 * weeks)
    assert regions["(unset)"] == pytest.approx(4 * until)
    one = await metric(kpi, "supply", owner="sato")
    assert (one["numerator"], one["denominator"]) == (4, pytest.approx(2 * weeks))
    day = {"from": "2026-04-20", "to": "2026-04-27"}
    assert (await metric(kpi, "supply", **day))["denominator"] == pytest.approx(2)


async def test_slots_are_not_told_of_every_slice_nor_always(kpi: Rig) -> None:
    await tell(kpi, (1, opened("A", channel="ads")))
    assert (await metric(kpi, "supply"))["reason"] == "no_capacity"
    await tell(kpi, (-30, capacity("sato", 0)))
    assert (await metric(kpi, "supply"))["reason"] == "no_base"
    await tell(kpi, (-20, capacity("sato", 1)))
    by_channel = await metric(kpi, "supply", by="channel")
    assert by_channel["value"] == pytest.approx(7 / 30)
    ads = next(group for group in by_channel["groups"] if group["group"] == "ads")
    assert (ads["numerator"], ads["value"], ads["reason"]) == (1, None, "not_sliced")
    assert (await metric(kpi, "supply", channel="ads"))["reason"] == "not_sliced"


async def test_touches_by_kind(kpi: Rig) -> None:
    for number, kind in enumerate(("webinar", "mail", "mail")):
        told = {"lead_id": told_id("lead", "A"), "cycle": 1, "touch_id": told_id("touch", str(number)), "kind": kind}
        await tell(kpi, (number, marketing.TouchRecorded.model_validate({**told, "channel": "ads"})))
    found = await metric(kpi, "touches", by="channel", interval="week")
    assert (found["value"], found["more"]) == (3, {"kinds": {"mail": 2, "webinar": 1}})
    assert {group["group"]: group["value"] for group in found["groups"]} == {"ads": 3, "(unset)": 0}
    assert (await metric(kpi, "touches", channel="mail"))["value"] == 0


async def test_productivity_by_the_people_there_were(kpi: Rig) -> None:
    contract = {"account_id": told_id("account", "A"), "contract_id": told_id("contract", "A"), "opening_key": "A"}
    start = {**contract, "mrr": yen(60_000), "starts_on": "2026-04-03"}
    await tell(kpi, (1, customer_success.ContractStarted.model_validate(start)))
    assert (await metric(kpi, "productivity"))["reason"] == "setting_missing"
    await decide(kpi, "headcount", {"marketing": 1, "inside_sales": 2, "field_sales": 3, "customer_success": 9})
    await decide(kpi, "headcount", {"marketing": 1, "inside_sales": 2, "field_sales": 6}, "2026-04-16")
    months = 15 * (6 + 9) / (365.25 / 12)
    found = await metric(kpi, "productivity", by="segment", interval="month")
    assert found["denominator"] == pytest.approx(months)
    assert found["value"] == {"amount": round(60_000 / months), "currency": "JPY"}
    assert found["periods"][0]["value"] == found["value"]
    assert {group["reason"] for group in found["groups"]} == {"not_sliced"}
    half = await metric(kpi, "productivity", as_of="2026-04-16T00:00:00+09:00")
    assert half["denominator"] == pytest.approx(15 * 6 / (365.25 / 12))
    ahead = {"from": "2026-06-01", "to": "2026-07-01"}
    assert (await metric(kpi, "productivity", **ahead))["reason"] == "no_base"


async def test_the_company_says_when_an_opportunity_is_judged(kpi: Rig) -> None:
    for name in "ABC":
        await tell(kpi, (1, opened(name)))
    returned = {"opportunity_id": told_id("opportunity", "D"), "lead_id": told_id("lead", "D"), "cycle": 1}
    await tell(kpi, (1, field_sales.SqlReturned.model_validate({**returned, "reason": "no_budget"})))
    for days, name, valid in ((2.0, "A", False), (3.0, "A", True), (3.0, "B", False)):
        told = {"opportunity_id": told_id("opportunity", name), "valid": valid, "compared": (), "differing": ()}
        await tell(kpi, (days, field_sales.FirstVisitReviewed.model_validate(told)))
    found = await metric(kpi, "valid_opp")
    assert (found["numerator"], found["denominator"], found["more"]["judged_at"]) == (3, 4, "acceptance")
    await decide(kpi, "valid_opportunity", "first_meeting")
    found = await metric(kpi, "valid_opp")
    assert (found["numerator"], found["denominator"], found["more"]["judged_at"]) == (1, 2, "first_meeting")
    assert found["more"]["acceptance"]["value"] == 0.75
    listed = (await kpi.client("viewer").get(found["records"])).json()["items"]
    assert [row["numerator"] for row in listed] == [True, False]


@pytest.mark.parametrize(
    ("name", "value"), [("headcount", {"product": 1}), ("headcount", {"marketing": -1}), ("valid_opportunity", "never")]
)
async def test_what_cannot_be_decided_is_refused(kpi: Rig, name: str, value: Any) -> None:
    answer = await kpi.client("ops_lead").put(f"/v1/settings/{name}", json={"value": value})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith("value")
