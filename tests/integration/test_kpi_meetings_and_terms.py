"""First meetings, terms that fall due and feedback over HTTP: what is counted where, as of and as known at a moment."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.kpi.app import SERVICE
from shared.contracts import Event, customer_success, field_sales, inside_sales
from shared.ids import told_id
from shared.migrate import drift
from shared.money import Money
from tests.support.rig import MakeRig, Rig

LEAD, DEAL, MEETING, ITEM = (told_id(kind, "1") for kind in ("lead", "opportunity", "appointment", "feedback"))
COMPANY, CONTRACT = told_id("account", "A"), told_id("contract", "C")
APRIL = {"from": "2026-04-01", "to": "2026-05-01"}
MAY = {"from": "2026-05-01", "to": "2026-06-01"}


def on(month: int, number: int, hour: int = 3) -> datetime:
    return datetime(2026, month, number, hour, tzinfo=UTC)


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


async def tell(rig: Rig, *told: tuple[datetime, Event], late: timedelta = timedelta(0)) -> None:
    await rig.hand_over([rig.record(event, "k", at=at, recorded=at + late) for at, event in told])


async def ask(rig: Rig, metric: str, **params: str) -> dict[str, Any]:
    answer = await rig.client("viewer").get(f"/v1/metrics/{metric}", params=params)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def arranged(rig: Rig) -> None:
    """Set for April, moved to May by a word that names only the opportunity, missed there, moved again, and held."""
    opened = inside_sales.AppointmentSet(
        lead_id=LEAD, cycle=1, appointment_id=MEETING, opportunity_id=DEAL, start_at=on(4, 20), segment="SMB"
    )
    moved = field_sales.AppointmentRescheduled(opportunity_id=DEAL, start_at=on(5, 10))
    again = field_sales.AppointmentRescheduled(opportunity_id=DEAL, appointment_id=MEETING, start_at=on(5, 20))
    await tell(rig, (on(5, 20, 4), field_sales.AppointmentHeld(opportunity_id=DEAL)))
    await tell(rig, (on(5, 12), again), (on(5, 10, 4), field_sales.AppointmentMissed(opportunity_id=DEAL)))
    await tell(rig, (on(4, 3), opened), (on(4, 19), moved), late=timedelta(days=2))


async def test_migrations_and_models_agree(kpi: Rig) -> None:
    assert await drift(kpi.database.url, kpi.service.metadata) == []


async def test_a_meeting_counts_where_it_was_last_set_for(kpi: Rig) -> None:
    await arranged(kpi)
    assert (await ask(kpi, "appointments", **APRIL))["value"] == 0
    found = await ask(kpi, "appointments", by="segment", **MAY)
    assert found["more"] == {"arranged": 1, "held": 1, "missed": 0, "cancelled": 0, "moved": 1, "undecided": 0}
    assert [group["value"] for group in found["groups"] if group["group"] == "SMB"] == [1]
    assert (await ask(kpi, "show_rate", **MAY))["value"] == 1
    (record,) = (await kpi.client("viewer").get("/v1/metrics/appointments/records", params=MAY)).json()["items"]
    assert (record["key"], record["lead_id"], record["figures"]["moves"]) == (str(MEETING), str(LEAD), 2)


async def test_as_of_a_moment_a_meeting_is_what_was_known_of_it(kpi: Rig) -> None:
    await arranged(kpi)
    before = {"as_of": "2026-04-18T00:00:00Z"}
    assert (await ask(kpi, "appointments", **APRIL, **before))["more"]["moved"] == 0
    assert (await ask(kpi, "appointments", **MAY, **before))["value"] == 0
    missed = await ask(kpi, "no_show_rate", **MAY, as_of="2026-05-11T00:00:00Z")
    assert (missed["numerator"], missed["denominator"]) == (1, 1)
    assert (await ask(kpi, "no_show_rate", **MAY))["numerator"] == 0
    then = {"as_of": "2026-04-20T00:00:00Z", "known_at": "2026-04-20T12:00:00Z"}
    assert (await ask(kpi, "appointments", **APRIL, **then))["value"] == 1, "that it was moved came two days late"


def started(mrr: int, **more: Any) -> customer_success.ContractStarted:
    return customer_success.ContractStarted(
        account_id=COMPANY,
        contract_id=CONTRACT,
        opening_key=str(CONTRACT),
        mrr=Money(amount=mrr, currency="JPY"),
        **more,
    )


async def test_a_term_is_due_on_its_day_and_judged_by_what_goes_on(kpi: Rig) -> None:
    first = started(1000, starts_on=date(2025, 5, 1), term_months=12, segment="SMB")
    less = customer_success.SubscriptionChanged(account_id=COMPANY, delta=Money(amount=-400, currency="JPY"))
    renewed = customer_success.ContractRenewed(
        account_id=COMPANY, contract_id=CONTRACT, renewal_on=date(2027, 5, 1), term_months=12
    )
    await tell(kpi, (on(5, 2), renewed), (on(5, 3), less), (datetime(2025, 5, 1, tzinfo=UTC), first))
    assert (await ask(kpi, "renew", **APRIL))["denominator"] == 0
    found = await ask(kpi, "renew_value", by="segment", **MAY)
    assert (found["numerator"]["amount"], found["denominator"]["amount"]) == (600, 1000)
    assert [group["value"] for group in found["groups"] if group["group"] == "SMB"] == [0.6]
    assert (await ask(kpi, "renew_value", **MAY, as_of="2026-05-02T12:00:00Z"))["value"] == 1
    assert (await ask(kpi, "renew", **MAY, as_of="2026-04-30T12:00:00Z"))["denominator"] == 0, "it is not due yet"


async def test_a_term_told_otherwise_holds_as_last_told_until_then(kpi: Rig) -> None:
    first = started(1000, starts_on=date(2026, 1, 1), renewal_on=date(2026, 5, 1), term_months=12)
    await tell(kpi, (on(1, 5), first), (on(5, 20), started(1000, **{**_told(first), "term_months": 1})))
    whole = await ask(kpi, "renew", **MAY)
    assert (whole["denominator"], whole["more"]) == (0, {"monthly_not_included": 1})
    assert (await ask(kpi, "renew", **MAY, as_of="2026-05-10T00:00:00Z"))["denominator"] == 1


def _told(event: customer_success.ContractStarted) -> dict[str, Any]:
    return {"starts_on": event.starts_on, "renewal_on": event.renewal_on}


async def test_a_renewal_of_a_contract_nobody_told_the_start_of_is_not_due(kpi: Rig) -> None:
    renewed = customer_success.ContractRenewed(account_id=COMPANY, contract_id=CONTRACT, renewal_on=date(2026, 5, 1))
    await tell(kpi, (on(1, 5), renewed))
    found = await ask(kpi, "renew_value", **MAY)
    assert (found["value"], found["reason"]) == (None, "no_base")


async def test_feedback_counts_in_the_span_it_was_first_given_in(kpi: Rig) -> None:
    given = field_sales.FeedbackGiven(feedback_id=ITEM, sender="field_sales", receiver="inside_sales", kind="gap")
    closed = field_sales.FeedbackUpdated(feedback_id=ITEM, state="closed", by="field_sales", at=on(6, 1))
    await tell(kpi, (on(4, 5), given), (on(5, 5), given), (on(6, 1), closed))
    assert (await ask(kpi, "closure", **MAY))["denominator"] == 0
    found = await ask(kpi, "closure", **APRIL)
    assert (found["numerator"], found["denominator"]) == (1, 1), "what was told of it later counts"
    assert (await ask(kpi, "closure", **APRIL, as_of="2026-05-20T00:00:00Z"))["numerator"] == 0
