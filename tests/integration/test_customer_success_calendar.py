"""Customer success in a company that is not in Japan: its days and weeks are those of THEMODEL_TIMEZONE."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.customer_success.app import SERVICE
from services.customer_success.settings import SHIPPED_RULES, settings
from shared.clock import day_of, start_of_day, utc_now
from shared.ids import told_id
from tests.support.customer_success import Desk
from tests.support.rig import MakeRig

SAMOA = ZoneInfo("Pacific/Pago_Pago")  # nearly a day behind Tokyo


@pytest.fixture
def in_samoa(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("THEMODEL_TIMEZONE", SAMOA.key)
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
async def desk(in_samoa: None, make_rig: MakeRig) -> Desk:
    return Desk(await make_rig(SERVICE))


def here(days_ago: int = 0) -> date:
    return day_of(utc_now(), SAMOA) - timedelta(days=days_ago)


def midnight(day: date) -> datetime:
    return start_of_day(day, SAMOA)


async def test_a_contract_begins_and_ends_with_the_company_s_days(desk: Desk) -> None:
    begun, gone = here(60), here(20)
    told = await desk.contract("S-1", starts_on=begun.isoformat())
    await desk.post(f"contracts/{told['id']}/churn", {"reason": "price", "churned_on": gone.isoformat()})
    started, *_ = await desk.told("contract_started")
    churned, *_ = await desk.told("customer_churned")
    assert (started.time, churned.time) == (midnight(begun), midnight(gone))


async def test_a_deal_won_starts_on_the_day_it_was_won_here(desk: Desk) -> None:
    won_at = midnight(here(3)) + timedelta(minutes=1)
    deal = await desk.won(at=won_at)
    assert (await desk.get(f"contracts/{deal.contract}"))["starts_on"] == here(3).isoformat()


async def test_a_contract_renews_itself_when_its_day_comes_here(desk: Desk) -> None:
    terms: dict[str, Any] = {"term_months": 12, "auto_renew": True, "renewal_on": here(-1).isoformat()}
    await desk.contract("S-1", starts_on=here(300).isoformat(), **terms)
    due = midnight(here(-1))
    assert await desk.rig.run_rule("contracts due", due - timedelta(seconds=1)) == 0
    assert await desk.rig.run_rule("contracts due", due) == 1
    (renewed,) = await desk.told("contract_renewed")
    assert renewed.time == due
    (item,) = (await desk.get("renewals", within=1000))["items"]
    assert item["days_left"] == (date.fromisoformat(item["renewal_on"]) - here()).days


async def test_use_has_no_tomorrow_and_its_weeks_end_on_our_sundays(desk: Desk) -> None:
    contract = {"contract_id": (await desk.contract("S-1", starts_on=here(90).isoformat()))["id"]}
    monday = here() - timedelta(days=here().weekday())
    days = (here(), here(-1), monday)
    rows = [{**contract, "date": day.isoformat(), "feature": str(number)} for number, day in enumerate(days)]
    items = (await desk.post("usage:batch", {"items": rows}))["items"]
    assert [item["status"] for item in items] == [201, 422, 201]
    assert items[1]["problem"]["errors"] == [{"field": "date", "rule": "lies in the future"}]
    ends = midnight(monday + timedelta(days=7))
    assert await desk.rig.run_rule("usage weeks", ends - timedelta(seconds=1)) == 0
    assert await desk.rig.run_rule("usage weeks", ends) == 1
    assert [event.time for event in await desk.told("usage_summarised")] == [ends]
    assert (await desk.get(f"customers/{told_id('account', 'A-1')}/usage"))["weeks"][-1]["count"] == 2


async def test_silence_is_counted_in_days_here(desk: Desk) -> None:
    contract = {"contract_id": (await desk.contract("S-1", starts_on=here(90).isoformat()))["id"]}
    await desk.post("usage:batch", {"items": [{**contract, "date": here().isoformat()}]})
    falls_asleep = midnight(here(-SHIPPED_RULES["dormancy"]["quiet_days"]))
    assert await desk.rig.run_rule("dormancy", falls_asleep - timedelta(seconds=1)) == 0
    assert await desk.rig.run_rule("dormancy", falls_asleep) == 1
    assert [event.data["quiet_since"] for event in await desk.told("customer_dormant")] == [here().isoformat()]


async def test_everyone_is_judged_again_each_day_here(desk: Desk) -> None:
    told = await desk.contract("S-1", starts_on=here(90).isoformat())
    await desk.rig.run_rule("health")
    tomorrow = midnight(here(-1))
    assert await desk.rig.run_rule("health", tomorrow - timedelta(seconds=1)) == 0
    assert await desk.rig.run_rule("health", tomorrow) == 1
    judged = await desk.get(f"customers/{told['customer_id']}/health")
    assert judged["judged_on"] == here(-1).isoformat()
