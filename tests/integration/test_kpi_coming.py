"""What customer success will have to take over, before it is won."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.kpi.app import SERVICE
from shared.contracts import Event, customer_success, field_sales
from shared.ids import told_id
from shared.money import Money
from tests.support.kpi import decide
from tests.support.rig import MakeRig, Rig

NOW = datetime(2026, 6, 1, 3, tzinfo=UTC)
YEN = Money(amount=100_000, currency="JPY")


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


async def ask(rig: Rig, **more: str) -> dict[str, Any]:
    answer = await rig.client("viewer").get("/v1/onboarding-load", params={"as_of": NOW.isoformat(), **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def opened(rig: Rig, name: str, due: int, *, category: str = "commit", phase: str = "proposal") -> None:
    event = field_sales.OpportunityOpened(
        opportunity_id=told_id("opportunity", name),
        origin="self_sourced",
        mrr=YEN,
        phase=phase,
        forecast_category=category,
        expected_close_date=date(2026, 6, 1) + timedelta(days=due),
    )
    await rig.deliver(event, event.opportunity_id, at=NOW - timedelta(days=5))


async def taken_over(rig: Rig, number: int, at: datetime) -> None:
    for place in range(number):
        ids: dict[str, Any] = {"opportunity_id": told_id("opportunity", f"{at}{place}")}
        ids |= {"account_id": told_id("account", f"{at}{place}")}
        told: list[Event] = [
            field_sales.OpportunityOpened(**ids, origin="self_sourced", mrr=YEN),
            field_sales.DealWon(**ids, mrr=YEN),
            customer_success.CustomerAccepted(**ids),
        ]
        for event in told:
            await rig.deliver(event, ids["opportunity_id"], at=at)


async def page(rig: Rig) -> list[str]:
    """What "my numbers" says of it."""
    shown = await rig.client("customer_success").get("/my-numbers", params={"as_of": NOW.isoformat(), "lang": "ja"})
    return re.findall(r"<li>([^<]*日以内[^<]*[^<\s])", shown.text)


async def test_of_nothing_nothing_is_coming(kpi: Rig) -> None:
    found = await ask(kpi)
    assert (found["waiting"], found["capacity"]) == (0, None)
    assert [(one["days"], one["commit"], one["p50"], one["utilisation"]) for one in found["ahead"]] == [
        *((30, 0, None, None), (60, 0, None, None))
    ]
    assert await page(kpi) == [f"{days}日以内: コミット0社、見込みは算出前、対応枠は未設定。" for days in (30, 60)]


async def test_what_is_promised_and_what_is_likely_against_the_room_there_is(kpi: Rig) -> None:
    await decide(kpi, {"onboarding_capacity": 2, "phase_probabilities": {"proposal": 1.0, "discovery": 0.0}})
    for place in range(3):
        await opened(kpi, f"soon-{place}", 10)
    await opened(kpi, "early", 10, phase="discovery", category="pipeline")
    for place in range(2):
        await opened(kpi, f"later-{place}", 45, category="best_case")
    await opened(kpi, "far", 90)
    month, two = (await ask(kpi))["ahead"]
    assert (month["commit"], month["p10"], month["p50"], month["p90"], month["method"]) == (
        3,
        3,
        3,
        3,
        "stage_weighted",
    )
    assert month["room"] == pytest.approx(2 * 30 / (365.25 / 12))
    assert (month["utilisation"], month["overloaded"]) == (pytest.approx(3 / month["room"]), True)
    assert (two["commit"], two["p50"]) == (3, 5)
    assert (await page(kpi))[0] == "30日以内: コミット3社、見込み3社、対応枠2社。"
    before = await ask(kpi, known_at=(NOW - timedelta(days=1)).isoformat())
    assert [one["commit"] for one in before["ahead"]] == [0, 0], "nothing of it was recorded then"


async def test_too_many_to_be_onboarded_hold_the_chain_back(kpi: Rig) -> None:
    span = {"from": "2026-05-01", "to": "2026-06-01", "as_of": "2026-05-31T15:00:00Z"}

    async def queue() -> dict[str, Any]:
        found = (await kpi.client("viewer").get("/v1/bottleneck", params=span)).json()
        return dict(next(one for one in found["queues"] if one["queue"] == "onboarding"))

    await taken_over(kpi, 6, datetime(2026, 5, 10, tzinfo=UTC))
    assert ((await queue())["utilisation"], (await queue())["speaks"]) == (None, [])
    assert (await ask(kpi))["waiting"] == 6
    await decide(kpi, {"onboarding_capacity": 4})
    full = await queue()
    assert (full["utilisation"], full["utilisation_source"]) == (pytest.approx(6 / (4 * 28 / (365.25 / 12))), "setting")
    assert full["speaks"] == ["overloaded"]
    await decide(kpi, {"onboarding_capacity": 40})
    assert (await queue())["speaks"] == []
