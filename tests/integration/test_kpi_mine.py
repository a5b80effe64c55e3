"""One person's numbers: theirs, and of who plans with them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.kpi.app import SERVICE
from shared.contracts import Event, field_sales
from shared.ids import told_id
from shared.money import Money
from tests.support.rig import MakeRig, Rig

AT = datetime(2026, 5, 11, 3, tzinfo=UTC)
MID_MAY = "2026-05-15T15:00:00Z"  # the sixteenth in Tokyo, a Saturday
ASKED = {"period": "2026-05", "as_of": MID_MAY}


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    rig = await make_rig(SERVICE)
    for name, owner, event in (("a", "sato", "won"), ("b", "sato", "lost"), ("c", "mori", "won"), ("d", "sato", "")):
        deal, mrr = told_id("opportunity", name), Money(amount=100_000, currency="JPY")
        told: list[Event] = [
            field_sales.OpportunityOpened(opportunity_id=deal, origin="self_sourced", owner=owner, mrr=mrr)
        ]
        told += [field_sales.DealWon(opportunity_id=deal, owner=owner, mrr=mrr)] if event == "won" else []
        told += [field_sales.DealLost(opportunity_id=deal, owner=owner, reason="price")] if event == "lost" else []
        await rig.hand_over([rig.record(one, deal, at=AT + timedelta(hours=n)) for n, one in enumerate(told)])
    return rig


async def ask(rig: Rig, *roles: str, user: str = "sato", **more: str) -> dict[str, Any]:
    answer = await rig.client(*roles, user=user).get("/v1/my-numbers", params={**ASKED, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def named(found: dict[str, Any], metric: str) -> dict[str, Any]:
    (one,) = [each for each in found["items"] if each["metric"] == metric]
    return dict(one)


async def aim(rig: Rig, metric: str, value: float, name: str = "sato") -> None:
    body = {"level": "person", "name": name, "value": value}
    answer = await rig.client("ops_lead").put(f"/v1/metric-targets/2026-05/{metric}", json=body)
    assert answer.status_code == 200, answer.text


async def test_what_one_owns_against_what_one_is_to_reach(kpi: Rig) -> None:
    for metric, value in (("won", 4), ("win_closed", 0.8), ("won_value", 250_000)):
        await aim(kpi, metric, value)
    await aim(kpi, "won", 9, name="mori")
    found = await ask(kpi, "field_sales")
    assert (found["person"], found["period"], found["from"], found["to"]) == (
        "sato",
        "2026-05",
        "2026-05-01",
        "2026-06-01",
    )
    assert found["working_days_left"] == 10, "Monday the eighteenth to Friday the twenty-ninth"
    won = named(found, "won")
    assert (won["actual"], won["target"], won["missing"], won["per_day"]) == (1, 4, 3, pytest.approx(0.3))
    assert won["pace"] == pytest.approx(4 * 15 / 31)
    assert (won["status"], won["landing"]) == ("behind", pytest.approx(31 / 15))
    assert (won["beside"]["metric"], won["to_do"]) == ("onb", None)
    rate = named(found, "win_closed")
    assert (rate["numerator"], rate["denominator"], rate["missing"]) == (1, 2, None)
    worth = named(found, "won_value")
    assert (worth["actual"], worth["missing"]) == ({"amount": 100_000, "currency": "JPY"}, 150_000)
    assert named(found, "pipeline")["target"] is None, "what the role works for is shown without a target, too"
    rows = (await kpi.client("viewer").get(won["records"])).json()["items"]
    assert [row["opportunity_id"] for row in rows] == [str(told_id("opportunity", "a"))]


async def test_what_to_do_is_said_where_a_rate_is_behind(kpi: Rig) -> None:
    await aim(kpi, "opp_to_won", 0.9)
    behind = named(await ask(kpi, "field_sales"), "opp_to_won")
    assert (behind["status"], behind["actual"]) == ("behind", pytest.approx(1 / 3))
    assert behind["to_do"]["en"].startswith("Review the proposal")
    await aim(kpi, "opp_to_won", 0.2)
    assert named(await ask(kpi, "field_sales"), "opp_to_won")["to_do"] is None


async def test_nobody_elses_but_for_who_plans(kpi: Rig) -> None:
    await aim(kpi, "won", 4)
    client = kpi.client("field_sales", user="mori")
    refused = await client.get("/v1/my-numbers", params={**ASKED, "person": "sato"})
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/forbidden")
    theirs = await ask(kpi, "ops_lead", user="ops", person="sato")
    assert [(one["metric"], one["actual"]) for one in theirs["items"]] == [("won", 1)]
    assert (await ask(kpi, "viewer", user="nobody"))["items"] == []
    other = await ask(kpi, "field_sales", user="mori")
    assert (named(other, "won")["actual"], named(other, "won")["target"]) == (1, None)


async def test_the_running_quarter_unless_another_period_is_named(kpi: Rig) -> None:
    client = kpi.client("field_sales", user="sato")
    running = (await client.get("/v1/my-numbers", params={"as_of": MID_MAY})).json()
    assert (running["period"], running["from"]) == ("2026-Q1", "2026-04-01")
    last_day = (await client.get("/v1/my-numbers", params={"as_of": "2026-06-30T15:00:00Z"})).json()
    assert (last_day["period"], last_day["working_days_left"]) == ("2026-Q1", 0)
    wrong = await client.get("/v1/my-numbers", params={"period": "May"})
    assert (wrong.status_code, "period" in wrong.text) == (422, True)
    page = await client.get("/my-numbers", params={**ASKED, "lang": "ja"})
    assert (page.status_code, "私の数字" in page.text, "残り10営業日" in page.text) == (200, True, True)
    assert (await client.get("/my-numbers", params={"person": "mori"})).status_code == 403
