"""Where ARR ends: parts that add up, a range around it, and what moved it since."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.kpi.app import SERVICE
from services.kpi.domain.landing import course, months_left
from shared.clock import TOKYO, start_of_day
from shared.contracts.customer_success import SubscriptionChanged
from shared.ids import told_id
from tests.support import kpi as told
from tests.support.deals import Step, history, month, won, yen
from tests.support.deals import told as tell
from tests.support.rig import MakeRig, Rig

PATH = "/v1/forecast/arr"
RATES = {"expansion": 0.02, "reactivation": 0.0, "contraction": -0.01, "churn": -0.03}


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


async def ask(rig: Rig, at: datetime | None = None, **params: str) -> dict[str, Any]:
    given = {"as_of": at.isoformat()} if at else {}
    answer = await rig.client("viewer").get(PATH, params={**given, **params})
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def amount(money: dict[str, Any] | None) -> int:
    assert money is not None
    return int(money["amount"])


def lines(found: dict[str, Any], column: str) -> dict[str, int]:
    return {line["kind"]: amount(line[column]) for line in found["lines"]}


def adds_up(found: dict[str, Any]) -> None:
    so_far, expected = lines(found, "so_far"), lines(found, "expected")
    assert amount(found["opening"]) + sum(so_far.values()) == amount(found["now"])
    assert amount(found["now"]) + amount(found["signed"]) + sum(expected.values()) == amount(found["landing"])
    assert amount(found["p10"]) <= amount(found["p50"]) <= amount(found["p90"])


def test_what_is_paid_and_every_movement_are_what_is_paid_in_the_end() -> None:
    found = course(1000.0, 300.0, RATES, [0.5, 1.0, 1.0])
    assert 1000 + sum(found.movements.values()) == pytest.approx(found.end)
    assert course(1000.0, 0.0, RATES, [0.5]).end == pytest.approx(990)  # half a month at minus 2 % a month
    assert course(1000.0, 300.0, RATES, []).end == 1000


def test_the_months_that_are_left_are_counted_from_the_moment() -> None:
    end = start_of_day(datetime(2026, 4, 1, tzinfo=TOKYO).date())
    middle = datetime(2026, 2, 15, tzinfo=TOKYO)
    assert months_left(middle, end, TOKYO) == [0.5, 1.0]
    assert months_left(end, end, TOKYO) == []


async def test_the_parts_of_a_year_add_up(kpi: Rig) -> None:
    await told.take(kpi, tell(kpi, history()))
    found = await ask(kpi, month(10) + timedelta(days=11))  # in February 2026
    assert (found["period"], found["period_end"], found["basis"]) == ("FY2025", "2026-04-01", "booked")
    adds_up(found)
    assert (found["method"], found["reason"]) == ("age", None)
    # six months with 500,000 a month, the first with 350,000; early and slips of February too
    assert amount(found["now"]) == 12 * (350_000 + 9 * 500_000 + 250_000)
    assert amount(found["opening"]) == 0
    assert lines(found, "expected")["churn"] == 0
    assert 0 < amount(found["new_from_open_deals"]) < lines(found, "expected")["new"]
    actual = await ask(kpi, month(12), period="FY2025")
    assert amount(actual["landing"]) == amount(actual["now"]) == amount(actual["p10"]) == 12 * (350_000 + 11 * 500_000)
    assert amount(found["p10"]) <= amount(actual["landing"]) <= amount(found["p90"])
    quarter = await ask(kpi, month(10), period="2026-Q1")
    assert quarter["period_end"] == "2026-07-01"
    adds_up(quarter)


async def test_the_tree_of_arr_lands_there_too(kpi: Rig) -> None:
    await told.take(kpi, tell(kpi, history()))
    at = month(10) + timedelta(days=11)
    ends = {}
    for period in ("FY2025", "2026-Q1"):
        asked = {"tree": "arr", "period": period, "as_of": at.isoformat()}
        (tree,) = (await kpi.client("viewer").get("/v1/kgi", params=asked)).json()["trees"]
        ends[period] = tree["landing"]
        shown = amount((await ask(kpi, at, period=period))["landing"])
        assert tree["landing"] == pytest.approx(shown, abs=0.5)
    assert ends["FY2025"] < ends["2026-Q1"]
    far = {"tree": "arr", "period": "FY2035", "as_of": at.isoformat()}
    assert (await kpi.client("viewer").get("/v1/kgi", params=far)).status_code == 200


async def test_what_moved_since_last_week(kpi: Rig) -> None:
    steps = [step for step in history() if step.name != "late-10"]
    big = month(10) + timedelta(days=19)
    steps += [step for step in history() if step.name == "late-10" and step.at < big]
    steps.append(Step(big, "late-10", won("late-10", mrr=yen(5_000_000))))
    await told.take(kpi, tell(kpi, steps))
    found = await ask(kpi, big + timedelta(days=1))
    since, moved = found["since"], {part["part"]: part for part in found["since"]["moved"]}
    assert since["at"] == (big - timedelta(days=6)).isoformat().replace("+00:00", "Z")
    assert sum(amount(part["change"]) for part in since["moved"]) == amount(since["change"])
    assert amount(since["landing"]) + amount(since["change"]) == amount(found["landing"])
    assert amount(moved["new"]["change"]) > 12 * 4_000_000
    assert amount(moved["opening"]["change"]) == 0
    then = await ask(kpi, big - timedelta(days=6))
    assert then["landing"] == since["landing"]
    same = await ask(kpi, big + timedelta(days=1), since=found["as_of"])
    assert amount(same["since"]["change"]) == 0


async def test_customers_that_leave_are_expected_to_go_on_leaving(kpi: Rig) -> None:
    await told.take(kpi, tell(kpi, history(month(10))))
    before = await ask(kpi, month(10))
    for number in range(3, 9):
        account = told_id("opportunity", f"late-{number}")
        gone = SubscriptionChanged(account_id=account, delta=yen(-200_000))
        at = month(number) + timedelta(days=25)
        await kpi.hand_over([kpi.record(gone, account, at=at, recorded=at, source="/load/customer_success")])
    after = await ask(kpi, month(10))
    adds_up(after)
    assert lines(after, "so_far")["churn"] == -12 * 6 * 200_000
    assert lines(before, "expected")["churn"] == 0
    assert lines(after, "expected")["churn"] < 0


async def test_what_is_signed_and_not_billed_yet(kpi: Rig) -> None:
    await told.take(kpi, tell(kpi, history(month(10))))
    at = month(10) - timedelta(days=1)
    begins = (month(11) - timedelta(days=2)).date()
    await told.take(kpi, tell(kpi, [Step(at, "signed", won("signed", mrr=yen(90_000), billing_starts_on=begins))]))
    live, booked = await ask(kpi, month(10), basis="live"), await ask(kpi, month(10))
    adds_up(live)
    adds_up(booked)
    assert (amount(live["signed"]), amount(booked["signed"])) == (12 * 90_000, 0)
    assert amount(booked["now"]) - amount(live["now"]) == 12 * 90_000


async def test_what_grows_beyond_all_bounds_is_no_landing(kpi: Rig) -> None:
    await told.take(kpi, tell(kpi, history(month(5))))
    account = told_id("opportunity", "late-0")
    for number, delta in ((1, 10**9), (2, 10**11), (3, 10**13)):
        grown = SubscriptionChanged(account_id=account, delta=yen(delta))
        at = month(number) + timedelta(days=25)
        await kpi.hand_over([kpi.record(grown, account, at=at, recorded=at, source="/load/customer_success")])
    found = await ask(kpi, month(5))
    assert (found["landing"], found["reason"]) == (None, "insufficient_history")


async def test_slices_and_filters(kpi: Rig) -> None:
    await told.take(kpi, tell(kpi, history()))
    at = month(10) + timedelta(days=11)
    found = await ask(kpi, at, by="segment")
    assert [group["value"] for group in found["groups"]] == ["ENT", "SMB"]
    for group in found["groups"]:
        adds_up(group)
        own = await ask(kpi, at, segment=group["value"])
        assert own["landing"] == group["landing"]
    assert sum(amount(group["now"]) for group in found["groups"]) == amount(found["now"])
    ends = sum(amount(group["landing"]) for group in found["groups"])
    assert amount(found["landing"]) - ends == amount(found["mix"])


async def test_of_a_young_or_an_empty_company_no_landing_is_said(kpi: Rig) -> None:
    empty = await ask(kpi)
    assert (empty["landing"], empty["reason"], empty["mix"]) == (None, "no_base", None)
    assert (amount(empty["now"]), empty["since"]["reason"]) == (0, "no_base")
    await told.take(kpi, tell(kpi, history(month(2))))
    young = await ask(kpi, month(2))
    assert (young["landing"], young["reason"]) == (None, "insufficient_history")
    assert amount(young["now"]) > 0


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"from": "2026-04-01"}, "period"),
        ({"period": "soon"}, "period"),
        ({"period": "FY2199"}, "period"),
        ({"basis": "both"}, "basis"),
    ],
)
async def test_what_cannot_be_asked_is_refused(kpi: Rig, params: dict[str, str], field: str) -> None:
    answer = await kpi.client("viewer").get(PATH, params=params)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
