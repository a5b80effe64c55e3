"""What customers say and do: recommendation, satisfaction, adoption, and whether those who are content stay."""

from datetime import date, timedelta
from runpy import run_path
from typing import Any

import pytest

from services.kpi import migrations
from services.kpi.app import SERVICE
from shared.contracts import Event, customer_success, marketing
from shared.ids import told_id
from tests.support.rig import MakeRig, Rig
from tests.support.telling import metric, tell, yen

WEEKS = "SELECT key, at, until, account_id, week, count, active_days FROM use_week ORDER BY key, at"


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


def contract(name: str, mrr: int = 100, **more: Any) -> Event:
    account = told_id("account", name)
    key = told_id("contract", name)
    told = {"account_id": account, "contract_id": key, "opening_key": name, "mrr": yen(mrr), **more}
    return customer_success.ContractStarted.model_validate({**told, "starts_on": "2026-01-01"})


def gone(name: str) -> Event:
    return customer_success.SubscriptionChanged(account_id=told_id("account", name), delta=yen(-100))


def pulse(name: str, score: int, kind: str = "nps") -> Event:
    account = told_id("account", name)
    return customer_success.PulseRecorded.model_validate({"account_id": account, "kind": kind, "score": score})


def week(name: str, begins: date, count: int, days: int = 3) -> Event:
    account = told_id("account", name)
    return customer_success.UsageSummarised(account_id=account, week=begins, count=count, active_days=days)


async def test_recommendation_in_points_and_whether_promoters_stay(kpi: Rig) -> None:
    await tell(kpi, *((-60.0, contract(name, segment="SMB" if name < "C" else "ENT")) for name in "ABCDE"))
    scores = {"A": 10, "B": 9, "C": 8, "D": 6, "E": 0}
    await tell(kpi, *((1.0, pulse(name, score)) for name, score in scores.items()), (1.5, pulse("A", 3, "csm")))
    await tell(kpi, (20, gone("D")), (20, gone("E")), (2, pulse("unknown", 5)))
    found = await metric(kpi, "nps", by="segment", interval="week")
    assert found["value"] == pytest.approx(100 * (2 - 3) / 6)
    assert found["denominator"] == 6
    low, high = found["ci95"]
    assert -100 <= low < found["value"] < high <= 100
    assert {name: found["more"][name] for name in ("promoters", "passives", "detractors", "accounts")} == {
        "promoters": 2,
        "passives": 1,
        "detractors": 3,
        "accounts": 6,
    }
    stayed = found["more"]["retention"]
    assert (stayed["yes"]["numerator"], stayed["yes"]["denominator"]) == (2, 2)
    assert (stayed["no"]["numerator"], stayed["no"]["denominator"]) == (1, 3)
    assert stayed["difference"] == pytest.approx(2 / 3)
    assert {group["group"]: group["denominator"] for group in found["groups"]} == {"SMB": 2, "ENT": 3, "(unset)": 1}
    assert [period["denominator"] for period in found["periods"]] == [6, None, None, None, None]


async def test_who_answered_too_lately_says_nothing_of_the_window(kpi: Rig) -> None:
    await tell(kpi, (-60, contract("A")), (-60, contract("B")), (1, pulse("A", 10)), (25, pulse("B", 10)))
    await tell(kpi, (15, gone("A")))
    for window, kept in (({"window": "10"}, 1), ({"window": "20"}, 0)):
        side = (await metric(kpi, "nps", **window))["more"]["retention"]["yes"]
        assert (side["numerator"], side["denominator"]) == (kept, 1)
    assert (await metric(kpi, "nps"))["more"]["retention"]["yes"]["denominator"] == 2


async def test_satisfaction_is_asked_or_given_with_a_ticket(kpi: Rig) -> None:
    await tell(kpi, (-60, contract("A")), (1, pulse("A", 4, "csat")), (2, pulse("A", 3, "csat")))
    for number, satisfaction in ((1, 5), (2, None)):
        told = {"account_id": told_id("account", "A"), "ticket_id": told_id("ticket", str(number))}
        closed = customer_success.TicketClosed.model_validate({**told, "satisfaction": satisfaction})
        await tell(kpi, (3, closed))
    found = await metric(kpi, "csat")
    assert (found["numerator"], found["denominator"]) == (2, 3)
    assert (await metric(kpi, "nps"))["reason"] == "no_base"


async def test_joined_companies_are_one_customer(kpi: Rig) -> None:
    await tell(kpi, (-60, contract("A")), (1, pulse("B", 10)))
    merged = marketing.AccountMerged(account_id=told_id("account", "A"), merged_account_id=told_id("account", "B"))
    await tell(kpi, (2, merged))
    side = (await metric(kpi, "nps"))["more"]["retention"]["yes"]
    assert (side["numerator"], side["denominator"]) == (1, 1)


async def test_adoption_is_use_in_three_of_the_last_four_full_weeks(kpi: Rig) -> None:
    await tell(kpi, *((-90.0, contract(name)) for name in "ABCD"), (-90, contract("gone")))
    monday = date(2026, 4, 27)  # the week April ends in: it is not over
    weeks = {"A": (1, 2, 3, 4), "B": (1, 2, 4), "C": (1, 2), "D": (0, 1, 2)}
    for name, told in weeks.items():
        for back in told:
            begins = monday - timedelta(weeks=back)
            days = (begins - date(2026, 4, 3)).days + 7.5
            await tell(kpi, (days - 1, week(name, begins, 0)), (days, week(name, begins, 9)))
    early = date(2026, 3, 23)
    for name in ("A", "gone"):
        for back in (0, 1, 2):
            await tell(kpi, (-4, week(name, early - timedelta(weeks=back), 5)))
    await tell(kpi, (10, gone("gone")))
    found = await metric(kpi, "adoption")
    assert (found["numerator"], found["denominator"], found["more"]["used"]) == (2, 4, 4)
    stayed = found["more"]["retention"]
    assert [(stayed[side]["numerator"], stayed[side]["denominator"]) for side in ("yes", "no")] == [(1, 2), (3, 3)]


async def test_without_any_use_told_adoption_is_not_nothing(kpi: Rig) -> None:
    await tell(kpi, (-60, contract("A")))
    found = await metric(kpi, "adoption")
    assert (found["value"], found["reason"], found["denominator"]) == (None, "not_told", 1)


async def test_of_two_companies_that_are_one_the_week_told_last_holds(kpi: Rig) -> None:
    one, other = told_id("account", "A"), told_id("account", "B")
    await tell(kpi, (-60, contract("A")), *((12, week("A", date(2026, 4, day), 5)) for day in (6, 13, 20)))
    found = await metric(kpi, "adoption")
    assert (found["numerator"], found["denominator"]) == (1, 1)
    await tell(kpi, (13, marketing.AccountMerged(account_id=one, merged_account_id=other)))
    await tell(kpi, (14, week("B", date(2026, 4, 20), 0)))
    found = await metric(kpi, "adoption")
    assert (found["numerator"], found["denominator"], found["more"]["used"]) == (0, 1, 1)


async def test_the_migration_works_weeks_out_of_the_facts_there_are(kpi: Rig) -> None:
    days = (6, 13, 6, 6)
    await tell(kpi, *((10 + day / 10, week(name, date(2026, 4, day), day)) for day in days for name in "AB"))
    await tell(kpi, (25, week("A", date(2026, 4, 6), 0)))
    found = run_path(f"{migrations.__path__[0]}/versions/0013_weeks_of_use.py")
    async with kpi.database.transaction() as tx:
        folded = await tx.fetch(WEEKS)
        assert (len(folded), sum(row["until"] is not None for row in folded)) == (5, 1)
        await tx.fetch("DELETE FROM use_week")
        await tx.fetch("UPDATE fact SET reference = NULL")
        await tx.fetch(found["CALLED"])
        await tx.fetch(found["FILLED"])
        assert await tx.fetch(WEEKS) == folded
