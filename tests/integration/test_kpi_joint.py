"""Deals several departments had a part in, and the outcome they share."""

from decimal import Decimal
from runpy import run_path
from typing import Any

import pytest

from services.kpi import migrations
from services.kpi.app import SERVICE
from services.kpi.metrics.joint import credited
from services.kpi.metrics.standing import GIVEN
from services.kpi.projections.contributions import CONTRIBUTIONS
from shared.contracts import EVENTS, Event, customer_success, field_sales, inside_sales, marketing
from shared.ids import told_id
from shared.money import Money
from tests.support import kpi as told
from tests.support.kpi import ask, day, tell
from tests.support.rig import MakeRig, Rig

JOINT = "SELECT event_id, lead_id, opportunity_id, account_id, departments FROM joint_deal ORDER BY 1"
YEN = Money(amount=1001, currency="JPY")


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


def test_every_contribution_is_an_event() -> None:
    assert EVENTS.keys() >= CONTRIBUTIONS
    assert set(GIVEN) <= CONTRIBUTIONS


def ids(name: str) -> dict[str, Any]:
    return {"opportunity_id": told_id("opportunity", name), "account_id": told_id("account", name)}


def sold(name: str, **more: Any) -> list[tuple[float, Event]]:
    """Found and won by field sales, unless a lead stood before it."""
    origin = "sql" if more else "self_sourced"
    return [
        (20, field_sales.OpportunityOpened(**ids(name), **more, origin=origin, mrr=YEN)),
        (30, field_sales.DealWon(**ids(name), **more, mrr=YEN, segment="SMB")),
    ]


async def test_a_deal_is_joint_where_three_departments_had_a_part(kpi: Rig) -> None:
    person, other = told_id("lead", "a"), told_id("lead", "a2")
    lead = {"lead_id": person, "cycle": 1}
    touch = marketing.TouchRecorded(lead_id=other, cycle=1, touch_id=told_id("touch", "1"), kind="webinar")
    await tell(kpi, (0, marketing.LeadCreated(**lead)), (0, marketing.LeadCreated(lead_id=other, cycle=1)), (1, touch))
    await tell(kpi, (2, inside_sales.FirstContactMade(**lead)), *sold("a", **lead))
    await tell(kpi, *sold("alone"))
    assert (await ask(kpi, "metrics/joint_touch"))["numerator"] == 0, "who was touched is somebody else"
    await tell(kpi, (3, marketing.LeadMerged(lead_id=person, merged_lead_id=other)))
    figure = await ask(kpi, "metrics/joint_touch", by="segment")
    assert (figure["numerator"], figure["denominator"]) == (1, 2)
    assert figure["more"]["departments"] == {
        **{"marketing": 1, "inside_sales": 1, "field_sales": 2, "customer_success": 0}
    }
    assert figure["more"]["by_number"] == {"0": 0, "1": 1, "2": 0, "3": 1, "4": 0}
    rows = (await ask(kpi, "metrics/joint_touch/records"))["items"]
    assert sorted(row["figures"]["departments"] for row in rows) == [
        *(["field_sales"], ["field_sales", "inside_sales", "marketing"])
    ]


async def test_of_a_renewal_the_work_of_the_year_before_counts(kpi: Rig) -> None:
    customer = told_id("account", "alone")
    sides: dict[str, Any] = {"sender": "inside_sales", "receiver": "customer_success", "kind": "voice"}
    voice = inside_sales.FeedbackGiven(feedback_id=told_id("feedback", "1"), account_id=customer, **sides)
    ticket = customer_success.TicketClosed(account_id=customer, ticket_id=told_id("ticket", "1"))
    renewed = customer_success.ContractRenewed(account_id=customer, contract_id=told_id("contract", "1"))
    await tell(kpi, *sold("alone"), (40, ticket), (190, voice), (200, renewed))
    figure = await ask(kpi, "metrics/joint_touch")
    assert (figure["numerator"], figure["denominator"], figure["more"]["renewals"]) == (1, 2, 1)
    later = {"from": "2026-04-01", "to": "2027-04-01", "as_of": "2027-04-01T00:00:00+09:00"}
    again = customer_success.ContractRenewed(account_id=customer, contract_id=told_id("contract", "1"))
    await tell(kpi, (580, again))
    figure = await ask(kpi, "metrics/joint_touch", **later)
    assert (figure["numerator"], figure["denominator"]) == (0, 1), "its renewal alone is one department's work"


async def test_what_is_told_late_counts_as_of_when_it_was_done_and_known_when_it_was_told(kpi: Rig) -> None:
    customer = told_id("account", "alone")
    tickets = {name: customer_success.TicketClosed(account_id=customer, ticket_id=told_id("t", name)) for name in "ab"}
    await tell(kpi, *sold("alone"))
    known = {"known_at": (day(31)).isoformat()}
    for at, name, parts in ((31, "b", {"1": 1}), (29, "a", {"2": 1})):
        await kpi.hand_over([kpi.record(tickets[name], name, at=day(at), recorded=day(40))])
        found = (await ask(kpi, "metrics/joint_touch"))["more"]["by_number"]
        assert {number: deals for number, deals in found.items() if deals} == parts, name
    found = (await ask(kpi, "metrics/joint_touch", **known))["more"]["by_number"]
    assert (found["1"], found["2"]) == (1, 0), "it was not known then"


async def test_the_migration_works_it_out_of_the_facts_there_are(kpi: Rig) -> None:
    person, other, customer = told_id("lead", "a"), told_id("lead", "a2"), told_id("account", "alone")
    lead, mine = {"lead_id": person, "cycle": 1}, {"account_id": customer}
    contract = mine | {"contract_id": told_id("contract", "1")}
    await tell(kpi, (0, marketing.LeadCreated(**lead)), (0, marketing.LeadCreated(lead_id=other, cycle=1)))
    await tell(kpi, (3, marketing.LeadMerged(lead_id=person, merged_lead_id=other)))
    await tell(kpi, (4, inside_sales.FirstContactMade(lead_id=other, cycle=1)), *sold("a", **lead), *sold("alone"))
    await tell(kpi, (40, customer_success.TicketClosed(**mine, ticket_id=told_id("ticket", "1"))))
    voice = inside_sales.FeedbackGiven(
        **{"feedback_id": told_id("feedback", "1"), "sender": "inside_sales", "receiver": "customer_success"},
        **mine,
        kind="voice",
    )
    await tell(kpi, (190, voice), *((day, customer_success.ContractRenewed(**contract)) for day in (200, 580)))
    found = run_path(f"{migrations.__path__[0]}/versions/0012_who_had_a_part.py")
    async with kpi.database.transaction() as tx:
        folded = await tx.fetch(JOINT)
        parted = {row["event_id"]: tuple(row["departments"]) for row in folded}
        assert len(parted) == 4
        assert len(set(parted.values())) == 4
        await tx.fetch("DELETE FROM joint_deal")
        await tx.fetch("ALTER TABLE joint_deal ADD COLUMN at timestamptz")  # that a later migration drops
        await tx.fetch(found["_filled"]())
        await tx.fetch("ALTER TABLE joint_deal DROP COLUMN at")
        assert await tx.fetch(JOINT) == folded


def test_the_shares_add_up_to_the_outcome() -> None:
    quarter = dict.fromkeys(("marketing", "inside_sales", "field_sales", "customer_success"), 0.25)
    shares = credited(Decimal(1001), quarter, "JPY")
    assert sorted(share.amount for share in shares.values()) == [250, 250, 250, 251]


async def test_every_department_sees_its_share_of_what_is_paid(kpi: Rig) -> None:
    await tell(kpi, *sold("a"))
    figure = await ask(kpi, "metrics/shared_credit", by="segment", interval="quarter")
    assert figure["value"]["amount"] == 1001
    assert sum(share["amount"] for share in figure["more"]["departments"].values()) == 1001
    assert [part["value"]["amount"] for part in figure["periods"]] == [1001] * 4
    weights = {"marketing": 0.1, "inside_sales": 0.2, "field_sales": 0.3, "customer_success": 0.4}
    await told.decide(kpi, {"credit_weights": weights})
    shares = (await ask(kpi, "metrics/shared_credit"))["more"]["departments"]
    assert [share["amount"] for share in shares.values()] == [100, 200, 300, 401]
    for refused in ({"marketing": 0.5}, {"marketing": 0.5, "sales": 0.5}):
        answer = await kpi.client("ops_lead").put("/v1/settings/credit_weights", json={"value": refused})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"].startswith("value")
