"""What another score for MQLs would do."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.kpi.app import SERVICE
from shared.contracts import Event, inside_sales, marketing
from shared.ids import told_id
from tests.support.rig import MakeRig, Rig

AT = datetime(2026, 1, 10, tzinfo=UTC)
SPAN = {"from": "2026-01-01", "to": "2026-02-01", "as_of": "2026-07-01T00:00:00Z"}
ACCEPTED = {20: 2, 40: 6, 60: 11, 80: 14}  # of sixteen of each score


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


async def asked(kpi: Rig, *thresholds: int) -> Any:
    answer = await kpi.client("viewer").get("/v1/scenarios/threshold", params={**SPAN, "thresholds": thresholds})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def lead(kpi: Rig, name: str, scores: tuple[int | None, ...], *, fate: bool | None = None, **mql: Any) -> None:
    """A lead with the score it came with and those its touches brought; an MQL with the last where its fate is told."""
    key = told_id("lead", name)
    told: list[Event] = [marketing.LeadCreated(lead_id=key, cycle=1, score=scores[0])]
    told += [
        marketing.TouchRecorded(lead_id=key, cycle=1, touch_id=told_id("touch", f"{name}{n}"), kind="web", score=score)
        for n, score in enumerate(scores[1:])
    ]
    if fate is not None:
        told.append(marketing.MqlCreated(lead_id=key, cycle=1, **{"score": scores[-1], **mql}))
        told.append(
            inside_sales.MqlAccepted(lead_id=key, cycle=1)
            if fate
            else inside_sales.MqlRejected(lead_id=key, cycle=1, reason="not_icp", recyclable=True)
        )
    moments = [AT + timedelta(hours=number) for number in range(len(told))]
    await kpi.hand_over([kpi.record(event, key, at=at) for event, at in zip(told, moments, strict=True)])


async def tell(kpi: Rig) -> None:
    for score, accepted in ACCEPTED.items():
        for place in range(16):
            await lead(kpi, f"{score}-{place}", (score,), fate=place < accepted)


async def test_a_lower_threshold_brings_more_mqls_of_whom_fewer_are_accepted(kpi: Rig) -> None:
    await tell(kpi)
    found = await asked(kpi, 80, 0, 50, 101)
    assert (found["leads"], found["cases"], found["reason"]) == (64, 64, None)
    assert found["slope"] > 0
    points = found["points"]
    assert [(one["threshold"], one["mqls"]) for one in points] == [(0, 64), (50, 32), (80, 16), (101, 0)]
    assert [one["lead_to_mql"] for one in points] == [1, 0.5, 0.25, 0]
    shares = [one["acceptance"] for one in points]
    assert shares[:3] == [
        pytest.approx(33 / 64, abs=0.01),
        pytest.approx(25 / 32, abs=0.05),
        pytest.approx(0.9, abs=0.05),
    ]
    assert shares[3] is None, "of nobody there is no share"
    assert points[0]["sqls"] is None, "nobody became an SQL, so nothing is known of that"


async def test_a_lead_is_an_mql_with_the_first_score_that_reaches_it_and_the_declared_at_any(kpi: Rig) -> None:
    await tell(kpi)
    before = (await asked(kpi, 30))["points"][0]
    await lead(kpi, "rising", (10, 35, 20, 90))
    await lead(kpi, "silent", (None,))
    await lead(kpi, "by-hand", (5,), fate=True, declared=True)
    found = await asked(kpi, 30, 91)
    assert (found["leads"], found["without_score"], found["declared"], found["cases"]) == (67, 1, 1, 65)
    at_thirty, above_all = found["points"]
    assert (at_thirty["mqls"], above_all["mqls"]) == (before["mqls"] + 2, 1)
    assert above_all["acceptance"] == 1, "the declared one's own share"
    rising = at_thirty["acceptance"] * at_thirty["mqls"] - before["acceptance"] * before["mqls"] - 1
    at_35 = (await asked(kpi, 35))["points"][0]
    assert at_35["mqls"] == at_thirty["mqls"]
    assert rising < before["acceptance"], "it counts with 35, not with the 90 it rose to"


async def test_of_too_few_nothing_is_said(kpi: Rig) -> None:
    await lead(kpi, "one", (50,), fate=True)
    found = await asked(kpi, 40)
    assert (found["reason"], found["slope"]) == ("insufficient_history", None)
    assert (found["points"][0]["mqls"], found["points"][0]["acceptance"]) == (1, None)
    empty = await kpi.client("viewer").get("/v1/scenarios/threshold", params={"from": "2020-01-01", "to": "2020-02-01"})
    assert [one["mqls"] for one in empty.json()["points"]] == [0] * 11
    wrong = await kpi.client("viewer").get("/v1/scenarios/threshold", params={"thresholds": "high"})
    assert (wrong.status_code, "thresholds" in wrong.text) == (422, True)
