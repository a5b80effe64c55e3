"""Lead-score lift: whether a high score told who becomes an opportunity."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.kpi.app import SERVICE
from shared.contracts import Event, field_sales, marketing
from shared.ids import told_id
from tests.support.rig import MakeRig, Rig

AT = datetime(2026, 1, 10, tzinfo=UTC)
SPAN = {"from": "2026-01-01", "to": "2026-02-01", "as_of": "2026-07-01T00:00:00Z"}


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


async def mql(kpi: Rig, name: str, score: int | None, *, after: float | None = None, **more: Any) -> None:
    """An MQL, and its opportunity so many days `after`."""
    key = told_id("lead", name)
    told: list[tuple[Event, datetime]] = [
        (marketing.LeadCreated(lead_id=key, cycle=1, **more), AT),
        (marketing.MqlCreated(lead_id=key, cycle=1, score=score), AT),
    ]
    if after is not None:
        deal = told_id("opportunity", name)
        opened = field_sales.OpportunityOpened(lead_id=key, cycle=1, opportunity_id=deal)
        told.append((opened, AT + timedelta(days=after)))
    await kpi.hand_over([kpi.record(event, key, at=at) for event, at in told])


async def lift(kpi: Rig, **asked: str) -> Any:
    answer = await kpi.client("viewer").get("/v1/metrics/score_lift", params={**SPAN, **asked})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def tell_twenty(kpi: Rig) -> None:
    """Scores 5, 10 … 100; the best two and one more of twenty become opportunities."""
    for number in range(1, 21):
        await mql(kpi, str(number), 5 * number, after=10 if number in (8, 19, 20) else None)


async def test_the_top_tenth_by_score_against_all(kpi: Rig) -> None:
    await tell_twenty(kpi)
    found = await lift(kpi)
    assert found["value"] == pytest.approx((2 / 2) / (3 / 20))
    more = found["more"]
    assert (more["top"]["numerator"], more["top"]["denominator"], more["cut"]) == (2, 2, 95)
    assert (more["all"]["numerator"], more["all"]["denominator"]) == (3, 20)
    assert more["auc"] == pytest.approx((17 + 17 + 7) / (3 * 17))
    wrong = [((5 * n / 100) - (n in (8, 19, 20))) ** 2 for n in range(1, 21)]
    assert more["brier"] == pytest.approx(sum(wrong) / 20)
    listed = (await kpi.client("viewer").get("/v1/metrics/score_lift/records", params=SPAN)).json()["items"]
    assert len(listed) == 20
    assert sum(row["numerator"] for row in listed) == 3
    assert sorted(row["figures"]["score"] for row in listed if row["kind"] == "top") == [95, 100]


async def test_only_who_was_scored_and_had_their_days_counts(kpi: Rig) -> None:
    await tell_twenty(kpi)
    await mql(kpi, "unscored", None, after=1)
    await mql(kpi, "slow", 90, after=61)
    found = (await lift(kpi))["more"]
    assert (found["all"]["numerator"], found["all"]["denominator"], found["without_score"]) == (3, 21, 1)
    assert (await lift(kpi, window="62"))["more"]["all"]["numerator"] == 4
    early = await lift(kpi, as_of="2026-02-01T00:00:00Z")
    assert (early["value"], early["reason"], early["more"]["not_yet"]) == (None, "no_base", 22)


async def test_one_score_for_all_lifts_nothing(kpi: Rig) -> None:
    for number in range(10):
        await mql(kpi, str(number), 50, after=1 if number < 2 else None, segment="SMB" if number < 5 else "ENT")
    found = await lift(kpi, by="segment", interval="month")
    assert (found["value"], found["more"]["auc"], found["more"]["top"]["denominator"]) == (1.0, 0.5, 10)
    groups = {group["group"]: group for group in found["groups"]}
    assert groups["SMB"]["more"]["all"]["value"] == pytest.approx(0.4)
    assert (groups["ENT"]["value"], groups["ENT"]["reason"]) == (None, "no_base")
