"""The funnel and the metrics over HTTP: parts of a base, targets, filters, what may be asked."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.kpi.app import SERVICE
from services.kpi.metrics.catalogue import CATALOGUE
from shared.contracts import customer_success, field_sales, inside_sales, marketing
from shared.contracts.base import Event
from shared.ids import new_id, told_id
from shared.money import Money
from tests.support.rig import MakeRig, Rig

APRIL = {"from": "2026-04-01", "to": "2026-05-01"}
AT = datetime(2026, 4, 3, tzinfo=UTC)


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


async def tell(rig: Rig, *events: Event, days: float = 0, key: object = "k") -> None:
    at = AT + timedelta(days=days)
    await rig.hand_over([rig.record(event, key, at=at) for event in events])


async def ask(rig: Rig, path: str, **params: Any) -> dict[str, Any]:
    answer = await rig.client("viewer").get(path, params={**APRIL, **params})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def lead(name: str, cycle: int = 1, **more: Any) -> dict[str, Any]:
    return {"lead_id": told_id("lead", name), "cycle": cycle, **more}


def opportunity(name: str) -> UUID:
    return told_id("opportunity", name)


def yen(amount: int) -> Money:
    return Money(amount=amount, currency="JPY")


def stage(funnel: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(stage for stage in funnel["stages"] if stage["stage"] == name)
    return found


async def test_nothing_told_is_no_base_and_not_zero_percent(kpi: Rig) -> None:
    funnel = await ask(kpi, "/v1/funnel", interval="month", by="segment")
    assert [s["rate"] for s in funnel["stages"]] == [
        {"value": None, "numerator": 0, "denominator": 0, "ci95": None, "target": None, "reason": "no_base"}
    ] * 4
    assert [group["value"] for group in funnel["groups"]] == ["(unset)"]
    for metric in CATALOGUE:
        answer = await ask(kpi, f"/v1/metrics/{metric}")
        assert answer["value"] in (None, 0, {"amount": 0, "currency": "JPY"})
        assert (answer["value"] is None) == (answer["reason"] is not None)


async def test_what_comes_from_outside_the_chain_is_shown_apart(kpi: Rig) -> None:
    await tell(kpi, marketing.LeadCreated(**lead("A")), marketing.MqlCreated(**lead("A")))
    await tell(kpi, marketing.LeadRecycled(**lead("B", 2), cycle_source="deal_lost"))
    await tell(kpi, field_sales.OpportunityOpened(opportunity_id=opportunity("D"), **lead("A")))
    for origin in ("self_sourced", "partner", "referral"):
        await tell(kpi, field_sales.OpportunityOpened(opportunity_id=opportunity(origin), origin=origin))
    funnel = await ask(kpi, "/v1/funnel")
    assert stage(funnel, "inside_sales")["goal"]["value"] == 1
    assert stage(funnel, "field_sales")["base"] == {
        "milestone": "opportunity",
        "value": 4,
        "parts": {"from_previous": 1, "outside": 3, "opening": 0},
        "target": None,
    }
    by_leads = await ask(kpi, "/v1/funnel", chain="lead")
    assert stage(by_leads, "inside_sales")["base"]["parts"] == {"from_previous": 1, "outside": 1, "opening": 0}
    skipped = {step["milestone"]: step["skipped"] for step in funnel["steps"]}
    assert skipped == {name: 1 if name in ("mql_accepted", "sql") else 0 for name in skipped}


async def test_customers_at_the_start_are_opening_stock_and_may_be_lost(kpi: Rig) -> None:
    for name, days in (("old", -40), ("gone", -40), ("direct", 1)):
        contract = new_id()
        started = {"account_id": told_id("account", name), "contract_id": contract, "opening_key": str(contract)}
        await tell(kpi, customer_success.ContractStarted(**started, mrr=yen(100), starts_on=AT.date()), days=days)
    gone = customer_success.SubscriptionChanged(account_id=told_id("account", "gone"), delta=yen(-100))
    await tell(kpi, gone, days=5)
    for name, account in (("D", "new"), ("E", "old")):
        won = {"opportunity_id": opportunity(name), "account_id": told_id("account", account)}
        await tell(kpi, field_sales.DealWon(**won, mrr=yen(50)), days=2)
    kept = stage(await ask(kpi, "/v1/funnel"), "customer_success")
    assert kept["base"]["parts"] == {"from_previous": 2, "outside": 1, "opening": 2}
    assert (kept["goal"]["value"], kept["rate"]["denominator"]) == (4, 5)
    companies = stage(await ask(kpi, "/v1/funnel", unit="account"), "customer_success")
    assert companies["base"]["parts"] == {"from_previous": 2, "outside": 1, "opening": 1}
    assert companies["goal"]["value"] == 3
    early = stage(await ask(kpi, "/v1/funnel", as_of="2026-04-06T00:00:00Z"), "customer_success")
    assert early["goal"]["value"] == early["base"]["value"] == 5


async def test_targets_give_gaps_and_segments_have_their_own(kpi: Rig) -> None:
    await tell(kpi, *(marketing.MqlCreated(**lead(name, segment="SMB")) for name in "ABC"))
    client = kpi.client("ops_lead")
    for segment, goal in ((None, 5), ("SMB", 2)):
        body = {"stage": "marketing", "segment": segment, "base": 100, "rate": 0.05, "goal": goal}
        assert (await client.put("/v1/targets/2026-04", json=body)).status_code == 200
    funnel = await ask(kpi, "/v1/funnel", by="segment")
    goal = stage(funnel, "marketing")["goal"]
    assert goal == {"milestone": "mql", "value": 3, "target": 5.0, "gap": -2.0}
    assert stage(funnel, "marketing")["base"]["target"] == 100
    assert stage(funnel, "marketing")["rate"]["target"] == 0.05
    smb = next(group for group in funnel["groups"] if group["value"] == "SMB")
    assert (smb["stages"][0]["goal"]["target"], smb["stages"][0]["goal"]["gap"]) == (2, 1)
    by_channel = await ask(kpi, "/v1/funnel", by="channel")
    assert all(group["stages"][0]["goal"]["target"] is None for group in by_channel["groups"])
    assert stage(await ask(kpi, "/v1/funnel", channel="ads"), "marketing")["goal"]["target"] is None


async def test_the_target_of_what_is_kept_is_the_last_month_s(kpi: Rig) -> None:
    client = kpi.client("ops_lead")
    for month, base, goal in (("2026-04", 110, 105), ("2026-05", 125, 120)):
        targets = [{"stage": "customer_success", "base": base, "goal": goal}, {"stage": "field_sales", "goal": goal}]
        for body in targets:
            assert (await client.put(f"/v1/targets/{month}", json=body)).status_code == 200
    funnel = (await client.get("/v1/funnel", params={"from": "2026-04-01", "to": "2026-06-01"})).json()
    kept, won = stage(funnel, "customer_success"), stage(funnel, "field_sales")
    assert (kept["base"]["target"], kept["goal"]["target"], won["goal"]["target"]) == (130, 120, 225)


async def test_filters_cut_everything_alike(kpi: Rig) -> None:
    await tell(kpi, marketing.LeadCreated(**lead("A", channel="ads", segment="SMB")))
    await tell(kpi, marketing.LeadCreated(**lead("B", channel="event")))
    await tell(kpi, marketing.LeadRecycled(**lead("A", 2), cycle_source="unfollowed"), days=1)
    for params, expected in [
        ({}, 3),
        ({"channel": "ads"}, 2),
        ({"channel": "mail"}, 0),
        ({"segment": "(unset)"}, 1),
        ({"channel": "ads", "segment": "SMB"}, 2),
        ({"cycles": "first"}, 2),
        ({"cycles": "recycled"}, 1),
    ]:
        answer = await ask(kpi, "/v1/metrics/lead_cycles", **params)
        assert (answer["value"], answer["filters"]) == (expected, params)


async def test_a_later_correction_shows_in_the_latest_slice_only(kpi: Rig) -> None:
    await tell(kpi, marketing.LeadCreated(**lead("A", segment="SMB")))
    await tell(kpi, marketing.LeadUpdated(**lead("A", segment="ENT")), days=3)
    for slice_, segment in (("entry", "SMB"), ("latest", "ENT")):
        found = await ask(kpi, "/v1/metrics/lead_new", by="segment", slice=slice_)
        assert {group["group"]: group["value"] for group in found["groups"]} == {segment: 1, "(unset)": 0}


async def test_visitors_have_channels_and_no_segments(kpi: Rig) -> None:
    for channel, visitors in (("ads", 30), ("organic", 70)):
        day = AT.date()
        await tell(kpi, marketing.VisitsRecorded(date=day, channel=channel, visitors=visitors), key=f"{day}/{channel}")
    by_channel = await ask(kpi, "/v1/metrics/visitors", by="channel", interval="week")
    assert {group["group"]: group["value"] for group in by_channel["groups"]} == {
        "ads": 30,
        "organic": 70,
        "(unset)": 0,
    }
    assert [period["value"] for period in by_channel["periods"]] == [100, 0, 0, 0, 0]
    by_segment = await ask(kpi, "/v1/metrics/visitors", by="segment")
    assert {group["group"]: group["value"] for group in by_segment["groups"]} == {"(unset)": 100}
    assert (await ask(kpi, "/v1/metrics/visitors", channel="ads"))["value"] == 30
    assert (await ask(kpi, "/v1/metrics/visitors", segment="SMB"))["value"] == 0


async def test_web_leads_are_those_of_channels_with_visits_or_as_decided(kpi: Rig) -> None:
    await tell(kpi, marketing.VisitsRecorded(date=AT.date(), channel="ads", visitors=10), key="v")
    await tell(kpi, *(marketing.LeadCreated(**lead(name, channel=name)) for name in ("ads", "event")))
    assert (await ask(kpi, "/v1/metrics/v2l"))["numerator"] == 1
    body = {"value": ["ads", "event"], "valid_from": "2026-01-01"}
    assert (await kpi.client("ops_lead").put("/v1/settings/web_channels", json=body)).status_code == 200
    assert (await ask(kpi, "/v1/metrics/v2l"))["numerator"] == 2


async def test_a_day_is_cut_in_the_asked_time_zone(kpi: Rig) -> None:
    await kpi.deliver(marketing.LeadCreated(**lead("A")), "k", at=datetime(2026, 3, 31, 15, 30, tzinfo=UTC))
    assert (await ask(kpi, "/v1/metrics/lead_new"))["value"] == 1
    assert (await ask(kpi, "/v1/metrics/lead_new", timezone="UTC"))["value"] == 0


async def test_a_cohort_is_followed_for_its_window(kpi: Rig) -> None:
    await tell(kpi, *(marketing.MqlCreated(**lead(name)) for name in "AB"))
    await tell(kpi, inside_sales.SqlAccepted(**lead("A")), days=40)
    whole = await ask(kpi, "/v1/metrics/sql_rate", mode="cohort")
    assert (whole["numerator"], whole["denominator"]) == (1, 2)
    short = await ask(kpi, "/v1/metrics/sql_rate", mode="cohort", window=30)
    assert (short["numerator"], short["window"]["days"]) == (0, 30)
    assert (await ask(kpi, "/v1/metrics/sql_rate", mode="cohort", window=41))["numerator"] == 1
    stages = (await ask(kpi, "/v1/funnel", mode="cohort"))["stages"]
    assert (stages[0]["goal"]["value"], stages[0]["rate"]["reason"]) == (None, "not_followable")


async def test_in_mode_closed_only_what_was_decided_counts(kpi: Rig) -> None:
    await tell(kpi, *(marketing.MqlCreated(**lead(name)) for name in "ABCD"))
    await tell(
        kpi, inside_sales.MqlRejected(**lead("A"), reason="x"), inside_sales.LeadDropped(**lead("B"), reason="y")
    )
    await tell(kpi, field_sales.OpportunityOpened(opportunity_id=opportunity("D"), **lead("C")))
    await tell(kpi, field_sales.DealLost(opportunity_id=opportunity("D"), reason="price", **lead("C")))
    stages = (await ask(kpi, "/v1/funnel", mode="closed"))["stages"]
    assert [(s["goal"]["value"], s["rate"]["denominator"], s["rate"]["reason"]) for s in stages[:3]] == [
        (None, None, "mode_not_applicable"),
        (1, 3, None),
        (0, 1, None),
    ]


async def test_periods_that_are_not_over_or_cut_off_are_partial(kpi: Rig) -> None:
    params = {"from": "2026-04-10", "to": "2026-07-01", "interval": "month", "as_of": "2026-06-15T00:00:00Z"}
    funnel = await ask(kpi, "/v1/funnel", **params)
    assert [(p["from"], p["to"], p["is_partial"]) for p in funnel["periods"]] == [
        ("2026-04-10", "2026-05-01", True),
        ("2026-05-01", "2026-06-01", False),
        ("2026-06-01", "2026-07-01", True),
    ]
    assert funnel["is_partial"]
    assert not (await ask(kpi, "/v1/funnel"))["is_partial"]


async def test_the_default_is_this_month_in_tokyo(kpi: Rig) -> None:
    answer = (await kpi.client("viewer").get("/v1/funnel")).json()
    today = datetime.now(UTC).astimezone(kpi.runtime.settings.zone).date()
    assert answer["from"] == str(today.replace(day=1))
    assert answer["timezone"] == "Asia/Tokyo"
    assert answer["is_partial"]


@pytest.mark.parametrize(
    "params",
    [
        {"from": "2026-05-01", "to": "2026-05-01"},
        {"from": "2026-05-02", "to": "2026-05-01"},
        {"from": "yesterday"},
        {"from": "0001-01-01"},
        {"from": "1990-01-01", "to": "2100-01-01"},
        {"from": "2000-01-01", "to": "2026-01-01", "interval": "day"},
        {"timezone": "Mars/Olympus"},
        {"timezone": "../../etc/passwd"},
        {"by": "lead_id"},
        {"by": "segment; DROP TABLE fact"},
        {"mode": "magic"},
        {"unit": "dozen"},
        {"interval": "year"},
        {"as_of": "2026-05-01"},
        {"as_of": "2026-05-01T00:00:00"},
        {"known_at": "soon"},
        {"currency": "YEN"},
        {"segment": ""},
        {"colour": "red"},
        {"window": "0"},
    ],
)
async def test_what_cannot_be_asked_is_refused(kpi: Rig, params: dict[str, str]) -> None:
    for path in ("/v1/funnel", "/v1/metrics/won", "/v1/stream"):
        answer = await kpi.client("viewer").get(path, params=params)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"]


async def test_an_unescaped_plus_in_an_instant_is_understood(kpi: Rig) -> None:
    answer = await kpi.client("viewer").get("/v1/funnel?as_of=2026-05-01T00:00:00+09:00")
    assert answer.json()["as_of"] == "2026-04-30T15:00:00Z"


async def test_the_catalogue_explains_every_metric(kpi: Rig) -> None:
    items = (await kpi.client("viewer").get("/v1/metrics")).json()["items"]
    assert [item["id"] for item in items] == list(CATALOGUE)
    assert all(item["ja"] and item["en"] and item["formula"] and item["modes"] for item in items)
    assert (await kpi.client("viewer").get("/v1/metrics/luck")).status_code == 404
    wrong = await kpi.client("viewer").get("/v1/metrics/won", params={"mode": "cohort"})
    assert wrong.status_code == 422


async def test_money_is_converted_once_at_the_plan_rate_or_not_at_all(kpi: Rig) -> None:
    for name, money in (("D", Money(amount=199, currency="USD")), ("E", yen(1000))):
        await tell(kpi, field_sales.DealWon(opportunity_id=opportunity(name), mrr=money))
    for path in ("/v1/metrics/won_value", "/v1/metrics/won_average", "/v1/metrics/arr", "/v1/metrics/mrr_mv"):
        answer = await ask(kpi, path)
        assert (answer["value"], answer["reason"]) == (None, "no_plan_rate")
    assert (await ask(kpi, "/v1/mrr"))["reason"] == "no_plan_rate"
    body = {"value": {"USD": 150.5}, "valid_from": "2026-04-01"}
    assert (await kpi.client("ops_lead").put("/v1/settings/plan_rates", json=body)).status_code == 200
    assert (await ask(kpi, "/v1/metrics/won_value"))["value"] == {"amount": 1299, "currency": "JPY"}  # 299.495 + 1000
    dollars = await ask(kpi, "/v1/metrics/won_value", currency="USD")
    assert dollars["value"] == {"amount": 863, "currency": "USD"}  # 1.99 + 6.6445
    mrr = await ask(kpi, "/v1/mrr")
    assert (mrr["end"]["amount"], mrr["movements"]["new"]["amount"]) == (1299, 1299)
    assert (await ask(kpi, "/v1/metrics/won_value", **{"from": "2026-03-01"}))["value"]["amount"] == 1299
    assert (await ask(kpi, "/v1/metrics/arr", **{"from": "2026-03-01", "to": "2026-04-01"}))["value"]["amount"] == 0


async def test_booked_and_live_revenue_differ_until_billing(kpi: Rig) -> None:
    billed = {"won_on": "2026-04-03", "billing_starts_on": "2026-05-01"}
    await tell(kpi, field_sales.DealWon(opportunity_id=opportunity("D"), mrr=yen(700), **billed))
    for basis, april, may in (("booked", 700, 700), ("live", 0, 700)):
        found = await ask(kpi, "/v1/mrr", basis=basis, to="2026-06-01", interval="month")
        assert [period["end"]["amount"] for period in found["periods"]] == [april, may]


@pytest.mark.parametrize(
    "path", ["/v1/funnel", "/v1/metrics", "/v1/metrics/won", "/v1/mrr", "/v1/journeys/x", "/v1/stream"]
)
async def test_nobody_reads_unsigned(kpi: Rig, path: str) -> None:
    answer: httpx.Response = await kpi.client().get(path)
    assert answer.status_code == 401
