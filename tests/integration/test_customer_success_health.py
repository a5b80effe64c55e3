"""Use, health, churn risk and dormancy: found from facts, told when they move."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.customer_success.app import SERVICE
from services.customer_success.settings import SHIPPED_RULES
from shared import clock
from shared.clock import start_of_day
from tests.support.customer_success import Deal, Desk, days_ago
from tests.support.rig import MakeRig

MONDAY = days_ago(0) - timedelta(days=days_ago(0).weekday() + 14)
"""A Monday whose week is over."""


@pytest.fixture
async def desk(make_rig: MakeRig) -> Desk:
    return Desk(await make_rig(SERVICE))


async def used(desk: Desk, *items: Mapping[str, Any]) -> list[int]:
    """What became of each row: 201 new, 200 changed or known, 202 waiting."""
    found = await desk.post("usage:batch", {"items": [dict(item) for item in items]})
    return [item["status"] for item in found["items"]]


def row(deal: Deal, day: date, **more: Any) -> dict[str, Any]:
    return {"contract_id": str(deal.contract), "date": day.isoformat(), "feature": "reports", "count": 5} | more


async def weeks(desk: Desk) -> list[dict[str, Any]]:
    """What was told of weeks, without dimensions."""
    names = ("week", "count", "seconds", "errors", "features", "active_days")
    return [{name: event.data[name] for name in names} for event in await desk.told("usage_summarised")]


async def test_use_is_told_once_a_week_is_over_and_restated_when_late(desk: Desk) -> None:
    deal = await desk.won()
    this_week = days_ago(0)
    rows = [
        row(deal, MONDAY, seconds=60),
        row(deal, MONDAY + timedelta(days=6), feature="export", errors=1),
        row(deal, this_week),
    ]
    assert await used(desk, *rows) == [201, 201, 201]
    assert await desk.rig.run_rule("usage weeks") == 1
    week = {"week": MONDAY.isoformat(), "count": 10, "seconds": 60, "errors": 1, "features": 2, "active_days": 2}
    assert await weeks(desk) == [week]
    (told,) = await desk.told("usage_summarised")
    assert told.time == start_of_day(MONDAY + timedelta(days=7))
    assert (told.key, told.data["account_id"]) == (str(deal.journey), str(deal.account))
    assert await used(desk, *rows) == [200] * 3
    assert await desk.rig.run_rule("usage weeks") == 0
    assert await used(desk, row(deal, MONDAY, seconds=60, count=8)) == [200]
    assert await desk.rig.run_rule("usage weeks") == 1
    assert (await weeks(desk))[1] == week | {"count": 13}
    next_monday = start_of_day(days_ago(0) + timedelta(days=7 - days_ago(0).weekday()))
    assert await desk.rig.run_rule("usage weeks", next_monday - timedelta(seconds=1)) == 0
    assert await desk.rig.run_rule("usage weeks", next_monday) == 1


async def test_a_row_that_moves_restates_both_weeks(desk: Desk) -> None:
    deal = await desk.won()
    await used(desk, row(deal, MONDAY, external_id="U-1"))
    await desk.rig.run_rule("usage weeks")
    assert await used(desk, row(deal, MONDAY - timedelta(days=3), external_id="U-1")) == [200]
    assert await desk.rig.run_rule("usage weeks") == 2
    found = {week["week"]: week["count"] for week in (await weeks(desk))[1:]}
    assert found == {MONDAY.isoformat(): 0, (MONDAY - timedelta(days=7)).isoformat(): 5}


async def test_rows_are_judged_one_by_one(desk: Desk) -> None:
    deal = await desk.won()
    good = row(deal, MONDAY)
    tomorrow = days_ago(-1).isoformat()
    bad: list[dict[str, Any]] = [
        {"date": MONDAY.isoformat()},
        good | {"date": tomorrow},
        good | {"count": -1},
        good | {"colour": "red"},
        {"contract_id": "S-1", "date": "2026-01-01"},
    ]
    found = await desk.post("usage:batch", {"items": [*bad, good, good | {"count": 6}]})
    assert [item["status"] for item in found["items"]] == [422] * 5 + [201, 200]
    assert found["items"][0]["problem"]["errors"][0]["rule"]
    assert {item["id"] for item in found["items"]} == {None}, "a row of use has no id of ours"
    assert [item["index"] for item in found["items"]] == list(range(7))
    wrong: list[dict[str, Any]] = [{"items": []}, {"items": [good] * 1001}, {}, {"rows": [good]}]
    for body in wrong:
        await desk.post("usage:batch", body, status=422)
    shown = await desk.get(f"customers/{deal.account}/usage?from={MONDAY.isoformat()}")
    assert (shown["weeks"][0]["count"], shown["features"]) == (
        6,
        [{"feature": "reports", "count": 6, "last_on": MONDAY.isoformat()}],
    )


async def test_use_of_an_unknown_contract_waits_visibly_and_joins(desk: Desk) -> None:
    rows: list[dict[str, Any]] = [
        {"contract_external_id": "S-1", "date": MONDAY.isoformat(), "feature": "reports", "count": 3},
        {"account_external_id": "A-1", "date": MONDAY.isoformat(), "feature": "reports", "count": 4},
        {"contract_external_id": "S-2", "date": MONDAY.isoformat(), "external_id": "U-9"},
    ]
    assert await used(desk, *rows) == [202] * 3
    found = {item["waits_for"]: item["rows"] for item in (await desk.get("waiting"))["items"]}
    assert found == {"contract:S-1": 1, "account:A-1": 1, "contract:S-2": 1}
    assert await desk.rig.run_rule("usage weeks") == 0
    await desk.contract("S-1", starts_on=days_ago(100).isoformat())
    assert [item["waits_for"] for item in (await desk.get("waiting"))["items"]] == ["contract:S-2"]
    assert await desk.rig.run_rule("usage weeks") == 1
    assert [week["count"] for week in await weeks(desk)] == [7]
    assert await used(desk, *rows) == [200, 200, 202]
    deal = await desk.won()
    await desk.patch(f"contracts/{deal.contract}", {"external_id": "S-2"})
    assert (await desk.get("waiting"))["items"] == []
    assert (await desk.get(f"customers/{deal.account}/usage"))["last_on"] == MONDAY.isoformat()


async def health_of(desk: Desk, account: UUID) -> Any:
    return await desk.get(f"customers/{account}/health")


async def lively(desk: Desk) -> Deal:
    """A customer of whom enough is known: three months of use, a score, a review, a renewal far away."""
    deal = await desk.won(at=clock.utc_now() - timedelta(days=100), starts_on=days_ago(100))
    days = [days_ago(ago) for ago in range(1, 90, 3)]
    await used(desk, *(row(deal, day, feature=feature) for day in days for feature in ("a", "b", "c")))
    await desk.post(f"customers/{deal.account}/signals", {"kind": "review_held"}, status=201)
    for task in ("kickoff", "setup", "training", "first_value"):
        await desk.post(f"customers/{deal.account}/onboarding/{task}/complete")
    await desk.post(f"customers/{deal.account}/pulse", {"kind": "nps", "score": 9}, status=201)
    return deal


async def test_too_little_known_is_unknown_and_not_told(desk: Desk) -> None:
    deal = await desk.won()
    assert await desk.rig.run_rule("health") == 1
    found = await health_of(desk, deal.account)
    assert (found["score"], found["band"], found["judged_on"]) == (None, "unknown", days_ago(0).isoformat())
    assert found["inputs"]["usage"] is None
    assert await desk.told("health_changed") == await desk.told("churn_risk_raised") == []
    assert await desk.rig.run_rule("health") == 0


async def test_health_is_told_with_its_reasons_when_it_moves(desk: Desk) -> None:
    deal = await lively(desk)
    found = await health_of(desk, deal.account)
    assert (found["band"], found["coverage"]) == ("healthy", 0.8)
    assert found["score"] == pytest.approx(70 + sum(reason["contribution"] for reason in found["reasons"]), abs=1e-3)
    last = (await desk.told("health_changed"))[-1]
    assert (round(last.data["score"]), last.data["band"]) == (round(found["score"]), "healthy")
    reasons = sum(reason["contribution"] for reason in last.data["reasons"])
    assert last.data["score"] == pytest.approx(70 + reasons, abs=1e-3)
    assert (last.data["formula_version"], last.key) == (1, str(deal.journey))
    before = len(await desk.told("health_changed"))
    await desk.post(f"customers/{deal.account}/signals", {"kind": "review_held"}, status=201)
    assert len(await desk.told("health_changed")) == before, "the same score is not told again"
    await desk.post(f"customers/{deal.account}/pulse", {"kind": "nps", "score": 2}, status=201)
    after = await health_of(desk, deal.account)
    assert after["score"] < found["score"]
    assert [item["score"] for item in after["history"]][:2] == [after["score"], last.data["score"]], "what was told"


async def test_bulk_use_is_judged_by_the_worker(desk: Desk) -> None:
    deal = await lively(desk)
    before = await health_of(desk, deal.account)
    await desk.rig.run_rule("health")
    await used(desk, *(row(deal, days_ago(ago), count=500) for ago in range(1, 28)))
    assert (await health_of(desk, deal.account))["score"] == before["score"]
    assert await desk.rig.run_rule("health") == 1
    assert (await health_of(desk, deal.account))["score"] > before["score"]


async def test_facts_grow_old_by_themselves(desk: Desk) -> None:
    deal = await lively(desk)
    await desk.rig.run_rule("health")
    assert await desk.rig.run_rule("health", clock.utc_now() + timedelta(days=1)) == 1
    assert await desk.rig.run_rule("health", clock.utc_now() + timedelta(days=20)) == 1
    found = await health_of(desk, deal.account)
    assert "no_recent_use" in {reason["input"] for reason in found["reasons"]}
    assert found["score"] == 50
    await desk.rig.run_rule("health", clock.utc_now() + timedelta(days=200))
    stale = await health_of(desk, deal.account)
    assert (stale["score"], stale["band"], stale["inputs"]["usage"]) == (None, "unknown", None)


async def test_a_complaint_rings_until_it_is_closed(desk: Desk) -> None:
    deal = await lively(desk)
    assert await desk.told("churn_risk_raised") == []
    ticket = await desk.post("tickets", {"customer_id": str(deal.account), "kind": "complaint"}, status=201)
    found = await health_of(desk, deal.account)
    assert (found["score"], found["risk"]["reasons"]) == (60, ["open_complaint"])
    listed = await desk.get("customers", at_risk=True)
    assert listed["items"][0]["risk"]["reasons"] == ["open_complaint"]
    (raised,) = await desk.told("churn_risk_raised")
    assert raised.data["reasons"] == ["open_complaint"]
    await desk.post(
        f"customers/{deal.account}/signals", {"kind": "payment_overdue", "on": days_ago(40).isoformat()}, status=201
    )
    found = await health_of(desk, deal.account)
    assert set(found["risk"]["reasons"]) == {"low_health", "open_complaint", "payment_overdue"}
    assert len(await desk.told("churn_risk_raised")) == 1, "an alarm that rings is not raised again"
    await desk.post(f"customers/{deal.account}/signals", {"kind": "payment_settled"}, status=201)
    await desk.post(f"tickets/{ticket['id']}/close")
    found = await health_of(desk, deal.account)
    assert (found["risk"], len(found["alarms"])) == (None, 1)
    assert len(await desk.told("churn_risk_cleared")) == 1


async def test_a_notice_rings_and_the_churn_ends_it(desk: Desk) -> None:
    deal = await lively(desk)
    path = f"contracts/{deal.contract}/churn"
    await desk.post(path, {"reason": "price", "churned_on": days_ago(-30).isoformat()})
    (raised,) = await desk.told("churn_risk_raised")
    assert raised.data["reasons"] == ["notice_given"]
    await desk.post(path, {"reason": "price", "churned_on": days_ago(0).isoformat()})
    assert (await desk.names())[-3:] == ["subscription_changed", "customer_churned", "churn_risk_cleared"]
    assert await desk.rig.run_rule("health", clock.utc_now() + timedelta(days=1)) == 0, "who is gone is not judged"


async def test_a_new_formula_judges_everybody_anew(desk: Desk) -> None:
    deal = await lively(desk)
    await desk.rig.run_rule("health")
    override = {"code": "no_recent_use", "condition": {"fact": "idle_days", "at_least": 1}, "cap": 55}
    body = SHIPPED_RULES["health"] | {"overrides": [override]}
    assert (await desk.mori.put("/v1/rules/health", json={"rule": body})).status_code == 200
    assert await desk.rig.run_rule("health") == 1
    found = await health_of(desk, deal.account)
    assert (found["score"], found["formula_version"]) == (55, 2)


async def test_the_rules_are_those_that_ship(desk: Desk) -> None:
    rules = {rule["name"]: rule["rule"] for rule in (await desk.get("rules"))["items"]}
    assert rules == SHIPPED_RULES
    for body in ({}, {"term_months": 0}, {"term_months": "long"}, {"term_months": 1, "colour": "red"}):
        answer = await desk.mori.put("/v1/rules/contract_defaults", json={"rule": body})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"].startswith("rule.")


async def test_a_company_can_have_another_onboarding_plan(desk: Desk) -> None:
    task = {"key": "launch", "ja": "開始", "en": "Launch", "due_days": 1}
    plans = [{"segments": ["enterprise"], "tasks": [task]}, {"tasks": [task | {"key": "hello"}]}]
    body = {"plan_within_days": 400, "plans": plans}
    assert (await desk.mori.put("/v1/rules/onboarding", json={"rule": body})).status_code == 200
    big, small = await desk.won(segment="enterprise"), await desk.won()
    for deal, key in ((big, "launch"), (small, "hello")):
        found = await desk.get(f"customers/{deal.account}/onboarding")
        assert [task["key"] for task in found["tasks"]] == [key]


async def test_who_goes_quiet_is_told_once_until_they_use_it_again(desk: Desk) -> None:
    deal = await desk.won(at=clock.utc_now() - timedelta(days=100))
    await used(desk, row(deal, days_ago(29)))
    assert await desk.rig.run_rule("dormancy") == 0
    later = clock.utc_now() + timedelta(days=1)
    assert await desk.rig.run_rule("dormancy", later) == 1
    (dormant,) = await desk.told("customer_dormant")
    assert (dormant.data["quiet_since"], dormant.data["lead_id"]) == (days_ago(29).isoformat(), str(deal.journey))
    assert (await desk.get(f"customers/{deal.account}"))["status"] == "dormant"
    assert await desk.rig.run_rule("dormancy", later + timedelta(days=5)) == 0
    await used(desk, row(deal, days_ago(1)))
    assert await desk.rig.run_rule("dormancy", later) == 1
    customer = await desk.get(f"customers/{deal.account}")
    assert (customer["status"], customer["dormant_since"]) == ("onboarding", None)
    assert await desk.rig.run_rule("dormancy", later + timedelta(days=40)) == 1
    assert len(await desk.told("customer_dormant")) == 2


async def test_who_never_used_it_or_left_is_not_dormant(desk: Desk) -> None:
    await desk.won(at=clock.utc_now() - timedelta(days=100))
    gone = await desk.won(at=clock.utc_now() - timedelta(days=100))
    await used(desk, row(gone, days_ago(60)))
    await desk.post(f"contracts/{gone.contract}/churn", {"reason": "price"})
    assert await desk.rig.run_rule("dormancy") == 0
