"""What every figure keeps to: nothing after as_of, a warning where a dimension is not told; and some it stands on."""

from datetime import date
from typing import Any

import pytest

from services.kpi.app import SERVICE
from services.kpi.metrics import (
    adoption,
    billing,
    coverage,
    effort,
    losses,
    phases,
    pipeline_moves,
    validity,
    voices,
)
from shared.contracts import Event, customer_success, field_sales, marketing
from shared.ids import told_id
from tests.support import kpi as told
from tests.support.rig import MakeRig, Rig
from tests.support.telling import SPAN, metric, tell, yen


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


def opened(name: str, **more: Any) -> Event:
    fields = {"opportunity_id": told_id("opportunity", name), "origin": "partner", "mrr": yen(100), **more}
    return field_sales.OpportunityOpened.model_validate(fields)


async def test_a_period_that_has_not_begun_stands_as_it_is_at_as_of(kpi: Rig) -> None:
    await tell(kpi, (-1, opened("A", expected_close_date=date(2026, 6, 30))), (20, opened("B")))
    asked = {"to": "2026-07-01", "interval": "month", "as_of": "2026-04-10T00:00:00Z"}
    for name in ("open_deals", "pipeline", "age", "walk", "pushed_often"):
        found = await metric(kpi, name, **asked)
        assert [period["value"] for period in found["periods"]][1:] == [found["periods"][1]["value"]] * 2
    assert [period["value"] for period in (await metric(kpi, "open_deals", **asked))["periods"]] == [1, 1, 1]
    june = (await metric(kpi, "walk", **asked))["periods"][2]["more"]
    assert (june["start"]["amount"], june["end"]["amount"], june["new"]["amount"]) == (100, 100, 0)


ASKED: list[dict[str, str]] = [
    {"by": "owner", "slice": "latest", "interval": "week"},
    {"by": "campaign", "unit": "account", "interval": "quarter"},
    {"by": "region", "unit": "lead", "channel": "ads", "segment": "(unset)"},
    {"cycles": "recycled", "industry": "it", "slice": "latest"},
    {"cycles": "first", "owner": "(unset)", "by": "segment", "window": "30"},
    {"as_of": "2026-05-15T00:00:00Z", "known_at": "2026-05-20T00:00:00Z", "by": "channel", "interval": "month"},
    {"currency": "USD", "basis": "live", "by": "product"},
]


FAMILIES = (adoption, billing, coverage, effort, losses, phases, pipeline_moves, validity, voices)


async def test_a_figure_and_its_records_may_be_asked_every_way(kpi: Rig) -> None:
    events, decisions = told.worked_example()
    await told.take(kpi, told.records(kpi, events))
    await told.decide(kpi, decisions)
    client = kpi.client("viewer")
    for name in [found.id for family in FAMILIES for found in family.METRICS]:
        for asked in ASKED:
            for path in (f"/v1/metrics/{name}", f"/v1/metrics/{name}/records"):
                answer = await client.get(path, params={**told.QUARTER, **asked})
                assert answer.is_success, f"{path} {asked} {answer.text}"


async def test_more_than_a_twentieth_untold_is_said(kpi: Rig) -> None:
    for number in range(21):
        lead = {"lead_id": told_id("lead", str(number)), "cycle": 1, "segment": "SMB" if number else None}
        await tell(kpi, (1, marketing.LeadCreated.model_validate(lead)))
    found = await metric(kpi, "lead_new", by="segment")
    assert (found["unset_share"], found["warnings"]) == (pytest.approx(1 / 21), [])
    missing = await metric(kpi, "l2m", by="industry", interval="week")
    assert (missing["unset_share"], missing["warnings"]) == (1.0, ["unset_share"])
    whole = await metric(kpi, "lead_new")
    assert (whole["unset_share"], whole["warnings"]) == (None, [])
    await tell(kpi, (2, marketing.LeadCreated(lead_id=told_id("lead", "x"), cycle=1)))
    assert (await metric(kpi, "lead_new", by="segment"))["warnings"] == ["unset_share"]


async def test_ways_are_followed_until_the_customer_is_onboarded(kpi: Rig) -> None:
    account = {"account_id": told_id("account", "A")}
    for name in "AB":
        deal = {"opportunity_id": told_id("opportunity", name), **(account if name == "A" else {})}
        await tell(kpi, (0, opened(name)), (2, field_sales.DealWon.model_validate({**deal, "mrr": yen(100)})))
    taken = {**account, "opportunity_id": told_id("opportunity", "A")}
    await tell(kpi, (4, customer_success.CustomerAccepted.model_validate(taken)))
    await tell(kpi, (10, customer_success.OnboardingCompleted.model_validate(account)))
    client = kpi.client("viewer")
    for base, goal, days in (("won", "customer", 2.0), ("won", "onboarded", 8.0), ("opportunity", "onboarded", 10.0)):
        answer = await client.get("/v1/time-to-convert", params={**SPAN, "base": base, "goal": goal})
        (curve,) = answer.json()["curves"]
        assert (curve["figure"]["numerator"], curve["figure"]["denominator"]) == (1, 2)
        assert curve["steps"][0]["days"] == pytest.approx(days)
    refused = await client.get("/v1/time-to-convert", params={**SPAN, "base": "won", "goal": "won"})
    assert refused.status_code == 422


async def test_what_lies_between_booked_and_live(kpi: Rig) -> None:
    def contract(name: str, mrr: int, billed: str) -> Event:
        ids = {"account_id": told_id("account", name), "contract_id": told_id("contract", name), "mrr": yen(mrr)}
        starts = {"starts_on": "2026-04-01", "billing_starts_on": billed, "opening_key": name}
        return customer_success.ContractStarted.model_validate({**ids, **starts, "segment": name})

    def second(name: str, mrr: int, billed: str) -> Event:
        ids = {"opportunity_id": told_id("opportunity", name), "account_id": told_id("account", name)}
        return field_sales.DealWon.model_validate({**ids, "mrr": yen(mrr), "billing_starts_on": billed})

    await tell(kpi, (0, contract("billed", 100, "2026-04-03")), (0, contract("waits", 70, "2026-06-01")))
    await tell(kpi, (0, contract("grows", 50, "2026-04-05")), (5, second("grows", 30, "2026-07-01")))
    found = await metric(kpi, "booked_live", by="segment")
    amounts = {name: value["amount"] for name, value in found["more"].items() if name != "accounts"}
    assert amounts == {
        "booked": 250,
        "live": 150,
        "not_billed_yet": 70,
        "expansion_not_billed_yet": 30,
        "billed_beyond": 0,
    }
    assert found["value"]["amount"] == -100
    assert found["more"]["accounts"] == {"not_billed_yet": 1, "expansion_not_billed_yet": 1, "billed_beyond": 0}
    assert sum(group["value"]["amount"] for group in found["groups"]) == -100
    live = await metric(kpi, "arr", basis="live")
    assert live["value"]["amount"] == 12 * 150
    later = await metric(
        kpi, "booked_live", **{"from": "2026-04-01", "to": "2026-08-01", "as_of": "2026-08-01T00:00:00Z"}
    )
    assert later["value"]["amount"] == 0
