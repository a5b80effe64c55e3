"""What belongs into one cell of an answer: a period, a value of a dimension, a unit, and nothing else."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from services.kpi.app import SERVICE
from shared.contracts import customer_success, field_sales, inside_sales, marketing
from shared.contracts.base import Event
from shared.ids import told_id
from shared.money import Money
from tests.support.rig import MakeRig, Rig

HALF = {"from": "2025-01-01", "to": "2025-07-01", "interval": "quarter"}
LEAD, DEAL, ACCOUNT = (told_id(kind, "X") for kind in ("lead", "opportunity", "account"))


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


async def tell(rig: Rig, event: Event, month: int, day: int = 1) -> None:
    await rig.deliver(event, LEAD, at=datetime(2025, month, day, tzinfo=UTC))


async def ask(rig: Rig, metric: str, **more: str) -> dict[str, Any]:
    answer = await rig.client("viewer").get(f"/v1/metrics/{metric}", params={**HALF, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def change(amount: int, **more: Any) -> Event:
    delta = Money(amount=amount, currency="JPY")
    return customer_success.SubscriptionChanged(account_id=ACCOUNT, delta=delta, **more)


async def test_a_person_who_came_and_came_again_is_new_and_recycled(kpi: Rig) -> None:
    await tell(kpi, marketing.LeadCreated(lead_id=LEAD, cycle=1), 1)
    await tell(kpi, marketing.LeadRecycled(lead_id=LEAD, cycle=2, cycle_source="deal_lost"), 3)
    for unit in ("cycle", "lead", "account"):
        figures = [(await ask(kpi, name, unit=unit))["value"] for name in ("lead_new", "lead_rec", "lead_cycles")]
        assert figures == [1, 1, 2 if unit == "cycle" else 1], unit


async def test_a_period_that_begins_after_as_of_holds_nothing_of_later(kpi: Rig) -> None:
    await tell(kpi, field_sales.OpportunityOpened(opportunity_id=DEAL, lead_id=LEAD, cycle=1), 3)
    await tell(kpi, change(100), 3)
    stocks = ("open_deals", "customers", "occupancy")
    for as_of, held in (("2025-02-01T00:00:00Z", 0), ("2025-03-20T00:00:00Z", 1)):
        for name in stocks:
            found = await ask(kpi, name, as_of=as_of)
            assert [found["value"], *(each["value"] for each in found["periods"])] == [held] * 3, f"{name} {as_of}"


@pytest.mark.parametrize("metric", ["mrr_mv", "arr", "customers", "churn_hazard"])
async def test_an_account_is_filtered_by_the_slice_it_began_in(kpi: Rig, metric: str) -> None:
    await tell(kpi, change(100, segment="SMB"), 1)
    await tell(kpi, change(-100), 2)
    await tell(kpi, change(300, segment="ENT"), 3)
    whole = await ask(kpi, metric)
    groups = {group["group"]: group["value"] for group in (await ask(kpi, metric, by="segment"))["groups"]}
    assert groups["SMB"] == (await ask(kpi, metric, segment="SMB"))["value"] == whole["value"]
    assert (await ask(kpi, metric, segment="ENT"))["value"] in (None, 0, {"amount": 0, "currency": "JPY"})


async def test_who_waits_for_a_decision_stands_beside_what_was_decided(kpi: Rig) -> None:
    for number in range(4):
        lead = told_id("lead", str(number))
        begun: dict[str, Any] = {"lead_id": lead, "cycle": 1}
        rejected = inside_sales.MqlRejected(**begun, reason="not_icp")
        ends = (inside_sales.MqlAccepted(**begun), rejected, inside_sales.LeadDropped(**begun, reason="no_budget"))
        await kpi.deliver(marketing.MqlCreated(**begun), lead, at=datetime(2025, 2, 1, tzinfo=UTC))
        for event in ends[number : number + 1]:
            await kpi.deliver(event, lead, at=datetime(2025, 2, 2, tzinfo=UTC))
    found = await ask(kpi, "mql_acc")
    assert (found["numerator"], found["denominator"], found["more"]) == (1, 2, {"undecided": 1})
    assert [one["more"] for one in found["periods"]] == [{"undecided": 1}, {}]


async def test_what_is_spent_may_come_before_what_comes_of_it(kpi: Rig) -> None:
    """`window` days before, in each period; without it what was spent in the span counts."""
    for month, amount in ((1, 1000), (3, 600), (6, 50)):
        spend = Money(amount=amount, currency="JPY")
        await tell(kpi, marketing.SpendRecorded(date=date(2025, month, 15), channel="ads", spend=spend), month, 15)
    await tell(kpi, marketing.LeadCreated(lead_id=LEAD, cycle=1, channel="ads"), 5, 1)
    now = await ask(kpi, "cpl")
    assert (now["value"]["amount"], [one["value"] and one["value"]["amount"] for one in now["periods"]]) == (
        1650,
        [None, 50],
    )
    lagged = await ask(kpi, "cpl", window="60")
    assert (lagged["value"]["amount"], lagged["numerator"]["amount"]) == (1600, 1600), (
        "from November to the second of May"
    )
    assert [one["value"] and one["value"]["amount"] for one in lagged["periods"]] == [None, 600]
    rows = await ask(kpi, "cpl/records", window="60")
    assert len([row for row in rows["items"] if row["numerator"]]) == 2
    assert (await ask(kpi, "spend", window="60"))["value"]["amount"] == 1650
