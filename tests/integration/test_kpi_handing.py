"""How things are handed on, what both sides cannot agree on, and what is still paid of it half a year later."""

from collections.abc import Sequence
from typing import Any

import pytest

from services.kpi.app import SERVICE
from services.kpi.metrics.handing import ITEMS
from shared.contracts import Event, customer_success, field_sales, inside_sales, marketing
from shared.ids import told_id
from shared.money import Money
from tests.support.kpi import ask, day, tell
from tests.support.rig import MakeRig, Rig


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


def an_mql(name: str, channel: str = "web") -> list[tuple[float, Event]]:
    lead = told_id("lead", name)
    return [
        (0, marketing.LeadCreated(lead_id=lead, cycle=1, channel=channel)),
        (1, marketing.MqlCreated(lead_id=lead, cycle=1, channel=channel)),
    ]


def an_sql(name: str, **told: Any) -> tuple[float, Event]:
    deal = told_id("opportunity", name)
    return 2, inside_sales.SqlAccepted(lead_id=told_id("lead", name), cycle=1, opportunity_id=deal, **told)


def returned(name: str, reason: str) -> Event:
    deal = told_id("opportunity", name)
    return field_sales.SqlReturned(lead_id=told_id("lead", name), cycle=1, opportunity_id=deal, reason=reason)


def won(name: str, mrr: int, currency: str = "JPY") -> Sequence[tuple[float, Event]]:
    ids: dict[str, Any] = {"lead_id": told_id("lead", name), "cycle": 1, "opportunity_id": told_id("opportunity", name)}
    ids["account_id"] = told_id("account", name)
    price = Money(amount=mrr, currency=currency)
    return [
        (3, field_sales.OpportunityOpened(**ids, mrr=price)),
        (10, field_sales.DealWon(**ids, mrr=price)),
    ]


def changed(name: str, delta: int) -> Event:
    money = Money(amount=delta, currency="JPY")
    return customer_success.SubscriptionChanged(account_id=told_id("account", name), delta=money)


async def test_what_is_told_with_an_sql(kpi: Rig) -> None:
    everything: dict[str, Any] = dict.fromkeys(ITEMS, "told")
    await tell(kpi, *an_mql("a"), an_sql("a", **everything), *an_mql("b"), an_sql("b", budget="none", need="latent"))
    figure = await ask(kpi, "metrics/handoff_complete")
    assert (figure["numerator"], figure["denominator"]) == (6 + 2, 12)
    assert (figure["more"]["handed"], figure["more"]["complete"]) == (2, 1)
    assert figure["more"]["lacking"] == {"budget": 0, "need": 0, "authority": 1, "timing": 1, "product": 1, "size": 1}


async def test_what_lacked_something_came_back_even_if_it_was_taken_later(kpi: Rig) -> None:
    await tell(kpi, *an_mql("a"), an_sql("a"), (4, returned("a", "insufficient_information")), *won("a", 100))
    await tell(kpi, *an_mql("b"), an_sql("b"), (4, returned("b", "no_budget")))
    rejected = inside_sales.MqlRejected(lead_id=told_id("lead", "c"), cycle=1, reason="invalid_contact")
    await tell(kpi, *an_mql("c", "ads"), (2, rejected))
    figure = await ask(kpi, "metrics/rework", by="channel")
    assert (figure["numerator"], figure["denominator"]) == (2, 5)
    assert figure["more"] == {"mql": 1, "sql": 1}
    assert {group["group"]: group["numerator"] for group in figure["groups"]} == {"web": 1, "ads": 1, "(unset)": 0}
    before = await ask(kpi, "metrics/rework", as_of=day(3).isoformat())
    assert before["more"] == {"mql": 1, "sql": 0}


def item(name: str, **told: Any) -> Event:
    sides: dict[str, Any] = {"sender": "field_sales", "receiver": "inside_sales", "kind": "reject"}
    ids = {"feedback_id": told_id("feedback", name), "lead_id": told_id("lead", name)}
    return field_sales.FeedbackGiven(**ids, **{**sides, **told})


def moved(name: str, state: Any, at: float) -> tuple[float, Event]:
    given = {"feedback_id": told_id("feedback", name), "state": state, "at": day(at), "by": "inside_sales"}
    return at, inside_sales.FeedbackUpdated.model_validate(given)


async def test_a_case_is_disputed_while_neither_side_moves(kpi: Rig) -> None:
    for name in ("stands", "settled", "agreed", "other"):
        await tell(kpi, *an_mql(name), an_sql(name), (4, returned(name, "no_need")))
    await tell(kpi, (4, item("stands")), moved("stands", "declined", 5))
    await tell(kpi, (4, item("settled")), moved("settled", "declined", 5), moved("settled", "closed", 9))
    await tell(kpi, (4, item("agreed")), moved("agreed", "accepted", 5))
    await tell(kpi, (4, item("other", sender="customer_success")), moved("other", "declined", 5))
    figure = await ask(kpi, "metrics/disputes")
    assert (figure["numerator"], figure["denominator"], figure["more"]) == (1, 8, {"mql": 0, "sql": 1})
    assert (await ask(kpi, "metrics/disputes", as_of=day(12).isoformat()))["numerator"] == 0, "seven days are not over"
    assert (await ask(kpi, "metrics/disputes", as_of=day(12.1).isoformat()))["numerator"] == 1
    assert (await ask(kpi, "metrics/disputes", known_at=day(4.5).isoformat()))["numerator"] == 0, "nobody had declined"


async def test_what_is_still_paid_of_what_was_handed_on(kpi: Rig) -> None:
    """Of the 300 won over the web 100 are still paid, and 600 only later; ads brought nothing; c is too young."""
    await tell(kpi, *an_mql("a"), an_sql("a"), *won("a", 300), (60, changed("a", -200)), (400, changed("a", 500)))
    await tell(kpi, *an_mql("b", "ads"), *an_mql("d"))
    young = told_id("lead", "c")
    late: list[tuple[float, Event]] = [(300, marketing.LeadCreated(lead_id=young, cycle=1))]
    await tell(kpi, *late, (301, marketing.MqlCreated(lead_id=young, cycle=1)))
    figure = await ask(kpi, "metrics/mql_quality", by="channel")
    assert figure["numerator"] == {"amount": 100, "currency": "JPY"}
    assert (figure["denominator"], figure["more"]["immature"], figure["more"]["days"]) == (3, 1, 183)
    assert figure["more"]["raw"]["amount"] == figure["value"]["amount"] == 33
    groups = {group["group"]: group for group in figure["groups"]}
    assert groups["web"]["more"]["raw"]["amount"] == 50
    assert groups["web"]["value"]["amount"] == round((100 + 20 * 100 / 3) / (2 + 20))
    assert groups["ads"]["value"]["amount"] == round(20 * 100 / 3 / (1 + 20))
    assert (groups["(unset)"]["value"], groups["(unset)"]["reason"]) == (None, "no_base")
    assert (await ask(kpi, "metrics/sql_quality"))["value"]["amount"] == 100
    assert (await ask(kpi, "metrics/won_quality"))["value"]["amount"] == 100
    assert (await ask(kpi, "metrics/won_quality", window="30"))["value"]["amount"] == 300
    more = (await ask(kpi, "metrics/mql_quality", interval="month"))["periods"]
    assert [part["denominator"] for part in more if part["denominator"]] == [3]


async def test_no_more_is_kept_than_was_won_and_nothing_without_a_plan_rate(kpi: Rig) -> None:
    await tell(kpi, *an_mql("a"), an_sql("a"), *won("a", 300), (60, changed("a", 500)))
    assert (await ask(kpi, "metrics/won_quality"))["value"]["amount"] == 300
    await tell(kpi, *an_mql("b"), an_sql("b"), *won("b", 300, "USD"))
    figure = await ask(kpi, "metrics/mql_quality")
    assert (figure["value"], figure["reason"]) == (None, "no_plan_rate")
