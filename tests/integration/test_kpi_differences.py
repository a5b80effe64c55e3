"""Two spans or two slices of a rate, and whether they differ."""

from datetime import timedelta
from typing import Any

import pytest

from services.kpi.app import SERVICE
from services.kpi.metrics.statistics import newcombe
from shared.contracts import Event, field_sales, inside_sales, marketing
from shared.ids import told_id
from tests.integration.test_kpi_bottleneck import ASKED, JUNE, MAY, many
from tests.support.rig import MakeRig, Rig

PATH = "/v1/metrics/l2m/difference"


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    rig = await make_rig(SERVICE)
    await many(rig, "may", MAY, [("lead", 2), ("mql", 18)], channel="ads")
    await many(rig, "june-a", JUNE, [("lead", 18), ("mql", 2)], channel="ads")
    await many(rig, "june-e", JUNE, [("lead", 1), ("mql", 3)], channel="event")
    return rig


async def ask(rig: Rig, path: str = PATH, **more: Any) -> dict[str, Any]:
    answer = await rig.client("viewer").get(path, params={**ASKED, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_span_before_or_another_one(kpi: Rig) -> None:
    found = await ask(kpi)
    assert (found["figure"]["numerator"], found["figure"]["denominator"]) == (5, 24)
    assert (found["other"]["numerator"], found["other"]["denominator"]) == (18, 20)
    assert found["difference"] == pytest.approx(5 / 24 - 0.9)
    assert found["ci95"] == pytest.approx(newcombe((18, 20), (5, 24)))
    assert found["verdict"] == "lower"
    assert await ask(kpi, other_from="2026-05-01", other_to="2026-06-01") == found
    empty = await ask(kpi, other_from="2025-05-01", other_to="2025-06-01")
    assert (empty["verdict"], empty["difference"], empty["other"]["reason"]) == ("too_few", None, "no_base")


async def test_two_slices(kpi: Rig) -> None:
    found = await ask(kpi, by="channel", value="event", other="ads")
    assert found["difference"] == pytest.approx(3 / 4 - 2 / 20)
    assert found["verdict"] == "too_few", "four are below the smallest sample"
    whole = await ask(kpi, mode="cohort", by="channel", value="ads", other="(unset)")
    assert (whole["figure"]["denominator"], whole["other"]["denominator"]) == (20, 0)


async def test_recycled_cycles_against_first_ones(make_rig: MakeRig) -> None:
    """Of six that came, one became an opportunity; of the five rejected four came again, and three did."""
    rig = await make_rig(SERVICE)
    for place in range(6):
        lead, deal = told_id("lead", str(place)), told_id("opportunity", str(place))
        told: list[tuple[int, Event]] = [
            (0, marketing.LeadCreated(lead_id=lead, cycle=1)),
            (1, marketing.MqlCreated(lead_id=lead, cycle=1)),
        ]
        if place == 5:
            told.append((2, field_sales.OpportunityOpened(lead_id=lead, cycle=1, opportunity_id=deal)))
        else:
            reason: dict[str, Any] = {"reason": "not_now", "recyclable": True}
            told.append((2, inside_sales.MqlRejected(lead_id=lead, cycle=1, owner="rep-1", **reason)))
        if place < 4:
            told.append(
                (2 + 3 * (place + 1), marketing.LeadRecycled(lead_id=lead, cycle=2, cycle_source="mql_rejected"))
            )
        if place < 3:
            told.append((16, field_sales.OpportunityOpened(lead_id=lead, cycle=2, opportunity_id=deal)))
        await rig.hand_over([rig.record(event, lead, at=JUNE + timedelta(days=days)) for days, event in told])
    path = "/v1/metrics/lead_to_won/difference"
    found = await ask(rig, path, cycles="recycled", other_cycles="first")
    assert (found["figure"]["denominator"], found["other"]["denominator"]) == (4, 6)
    again = await ask(rig, "/v1/metrics/recycled_to_opp")
    assert (again["numerator"], again["denominator"]) == (3, 4)
    slept = await ask(rig, "/v1/metrics/dormant_days")
    assert (slept["value"], slept["denominator"]) == (pytest.approx((6 + 9) / 2), 4)
    assert slept["more"] == {"mean": pytest.approx(7.5), "undated": 0}
    rows = (await ask(rig, "/v1/metrics/dormant_days/records"))["items"]
    assert sorted(row["figures"]["days"] for row in rows) == pytest.approx([3, 6, 9, 12])
    wrong = {**ASKED, "by": "channel", "value": "a", "other": "b", "other_cycles": "first"}
    refused = await rig.client("viewer").get(path, params=wrong)
    assert (refused.status_code, "other_cycles" in refused.text) == (422, True)


async def test_who_came_back_three_times_to_the_same_owner_is_told_of(make_rig: MakeRig) -> None:
    rig = await make_rig(SERVICE)
    for name, owners in {"a": ("rep-1",) * 3, "b": ("rep-1", "rep-2", "rep-1"), "c": ("rep-1",) * 2}.items():
        lead, told = told_id("lead", name), list[Event]()
        for cycle, owner in enumerate(owners, 1):
            begun: dict[str, Any] = {"lead_id": lead, "cycle": cycle}
            first = (
                marketing.LeadCreated(**begun)
                if cycle == 1
                else marketing.LeadRecycled(**begun, cycle_source="sql_returned")
            )
            rejected = inside_sales.MqlRejected(**begun, owner=owner, reason="not_now", recyclable=True)
            told += [first, marketing.MqlCreated(**begun), rejected]
        told.append(marketing.LeadRecycled(lead_id=lead, cycle=len(owners) + 1, cycle_source="mql_rejected"))
        await rig.hand_over([rig.record(one, lead, at=JUNE + timedelta(hours=n)) for n, one in enumerate(told)])
    found = await ask(rig, "/v1/metrics/loops")
    assert (found["value"], found["more"]["cycles"]) == (4, {"1": 3, "2": 3, "3": 3, "4": 2})
    assert found["more"]["same_owner"] == 1


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"by": "channel", "value": "ads"}, "other"),
        ({"value": "ads"}, "by"),
        ({"other_from": "2026-05-01"}, "other_to"),
        ({"other_from": "2026-05-02", "other_to": "2026-05-01"}, "other_to"),
        (
            {"by": "channel", "value": "a", "other": "b", "other_from": "2026-05-01", "other_to": "2026-06-01"},
            "other_from",
        ),
        ({"mode": "closed"}, "mode"),
    ],
)
async def test_what_cannot_be_compared_is_refused(kpi: Rig, more: dict[str, str], field: str) -> None:
    answer = await kpi.client("viewer").get(PATH, params={**ASKED, **more})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


async def test_only_rates_of_counts_are_compared(kpi: Rig) -> None:
    for metric in ("mql", "arr"):
        answer = await kpi.client("viewer").get(f"/v1/metrics/{metric}/difference", params=ASKED)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "metric_id")
    assert (await kpi.client("viewer").get("/v1/metrics/luck/difference")).status_code == 404
