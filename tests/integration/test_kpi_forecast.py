"""Forecasts by slice that add up, kept at fixed moments as they were known then, and people's calls beside them."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.kpi.api import freezing
from services.kpi.api.freezing import freeze_due
from services.kpi.app import SERVICE
from services.kpi.commands.recording import FOLDER
from shared.clock import utc_now
from tests.support import kpi as told
from tests.support.deals import Step, history, month, opened, won, yen
from tests.support.deals import told as tell
from tests.support.rig import MakeRig, Rig

JUNE = {"from": "2026-06-01", "to": "2026-07-01", "as_of": "2026-06-30T15:00:00Z"}
MIDDLE = "2026-06-12T03:00:00Z"


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


async def ask(rig: Rig, path: str, **params: str) -> Any:
    answer = await rig.client("viewer").get(path, params=params)
    assert answer.is_success, answer.text
    return answer.json()


def by_id(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["id"]: item for item in items}


def amount(money: dict[str, Any] | None) -> int:
    assert money is not None
    return int(money["amount"])


@pytest.mark.parametrize("dimension", ["segment", "owner", "channel"])
async def test_the_slices_add_up_to_the_whole(kpi: Rig, dimension: str) -> None:
    await told.take(kpi, tell(kpi, history()))
    found = await ask(kpi, "/v1/forecast", **JUNE, at=MIDDLE, by=dimension)
    methods, summed = by_id(found["methods"]), by_id(found["summed"])
    assert all(methods[name]["value"] for name in methods), methods
    for name in ("closed", "open_pipeline", "actual"):
        assert sum(amount(group[name]) for group in found["groups"]) == amount(found[name]), name
    assert sum(group["deals"] for group in found["groups"]) == found["deal_count"]
    for name in methods:
        parts = [amount(by_id(group["methods"])[name]["value"]) for group in found["groups"]]
        assert sum(parts) == amount(summed[name]["value"]), name
        assert amount(methods[name]["value"]) - sum(parts) == amount(summed[name]["difference"]), name
    for name in ("stage_weighted", "commit", "most_likely", "best_case"):
        assert amount(summed[name]["difference"]) == 0, name
    for name in ("stage_weighted", "age"):
        low, middle, high = (amount(summed[name][point]) for point in ("p10", "p50", "p90"))
        assert low <= middle <= high
    assert {group["value"] for group in found["groups"]} == {
        "segment": {"ENT", "SMB"},
        "owner": {"rep-ENT", "rep-SMB"},
        "channel": {"(unset)"},
    }[dimension]


async def test_a_slice_is_what_the_same_filter_says(kpi: Rig) -> None:
    await told.take(kpi, tell(kpi, history()))
    groups = (await ask(kpi, "/v1/forecast", **JUNE, at=MIDDLE, by="segment"))["groups"]
    for group in groups:
        own = await ask(kpi, "/v1/forecast", **JUNE, at=MIDDLE, segment=group["value"])
        assert own["closed"] == group["closed"]
        for name in ("stage_weighted", "best_case", "age", "historical"):
            mine, part = (amount(by_id(found["methods"])[name]["value"]) for found in (own, group))
            assert abs(mine - part) <= 1, name  # parts are rounded so that they add up


async def test_what_is_overdue_stays_in_and_is_marked(kpi: Rig) -> None:
    await told.take(kpi, tell(kpi, history()))
    found = await ask(kpi, "/v1/forecast", **JUNE, at="2026-06-26T03:00:00Z")
    # slips-13 of May is won on the ninth of June; slips-14 was due on the 25th
    late = [deal["value"]["amount"] for deal in found["deals"] if deal["overdue"]]
    assert late == [150_000]
    assert (found["overdue"]["deals"], amount(found["overdue"]["value"])) == (1, 150_000)
    chance = found["deals"][0]["chance"]
    assert amount(found["overdue"]["weighted"]) == round(150_000 * chance)
    next_month = await ask(
        kpi, "/v1/forecast", **{**JUNE, "from": "2026-07-01", "to": "2026-08-01"}, at="2026-06-26T03:00:00Z"
    )
    assert (next_month["deal_count"], next_month["overdue"]["deals"]) == (0, 0)


async def test_what_was_won_a_year_before_stands_beside(kpi: Rig) -> None:
    await told.take(kpi, tell(kpi, history()))
    naive = by_id((await ask(kpi, "/v1/forecast", **JUNE, at=MIDDLE))["methods"])["seasonal_naive"]
    assert amount(naive["value"]) == 100_000 + 200_000 + 150_000 + 50_000
    before = {"from": "2025-06-01", "to": "2025-07-01", "as_of": "2025-06-12T03:00:00Z"}
    young = by_id((await ask(kpi, "/v1/forecast", **before))["methods"])["seasonal_naive"]
    assert (young["value"], young["reason"]) == (None, "insufficient_history")


async def test_an_empty_company_expects_nothing_and_says_why(kpi: Rig) -> None:
    found = await ask(kpi, "/v1/forecast", by="segment")
    assert (amount(found["closed"]), found["groups"], found["summed"]) == (0, [], [])
    assert {method["reason"] for method in found["methods"]} >= {"insufficient_history"}
    assert await freeze_due(kpi.runtime, utc_now()) == 0


async def kept(rig: Rig, **params: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await ask(rig, "/v1/forecast/snapshots", **params))["items"]
    return found


async def keep_all(rig: Rig, now: datetime) -> int:
    number = 0
    while done := await freeze_due(rig.runtime, now):
        number += done
    return number


async def test_every_moment_is_kept_once_also_those_that_were_missed(kpi: Rig) -> None:
    until = month(14) + timedelta(days=20)
    await told.take(kpi, tell(kpi, history(until)))
    now = month(3)
    assert await keep_all(kpi, now) == len(await kept(kpi)) > 0
    assert await keep_all(kpi, now) == 0
    june = await kept(kpi, period="2025-06")
    assert [one["horizon"] for one in june] == ["d7", "d14", "d30", "start"]
    assert [one["horizon"] for one in await kept(kpi, period="FY2025")] == []  # it began before anything was known
    quarter = await kept(kpi, period="2025-Q1")
    assert {one["horizon"] for one in quarter} == {"d60", "d30", "d14", "d7"}
    assert all(one["caught_up"] and one["kept_by"] == "system" for one in june)
    assert june[0]["at"] == "2025-06-23T15:00:00Z"
    live = month(3) + timedelta(hours=-11, minutes=-59)  # a minute into the first of July in Tokyo
    assert (await kept(kpi, period="2025-07", horizon="start"))[0]["at"] <= live.isoformat()


async def test_while_forecasts_are_kept_others_fold_and_the_other_way_round(kpi: Rig) -> None:
    await told.take(kpi, tell(kpi, history(month(5))))
    connection = await kpi.database.direct()
    try:
        await connection.fetch("SELECT pg_advisory_lock($1)", FOLDER)
        assert await freeze_due(kpi.runtime, month(8)) > 0
    finally:
        connection.terminate()


@pytest.mark.parametrize("on_time", [0.8, 0.2], ids=["most told in time", "most told late"])
async def test_moments_made_up_for_in_one_view_say_the_same_as_each_in_its_own(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch, on_time: float
) -> None:
    end, late = month(6), random.Random(5)
    steps = [
        step if late.random() < on_time else step._replace(recorded=step.at + timedelta(days=late.randint(1, 70)))
        for step in history(end)
    ]
    found, at_once = [], []
    for seconds in (freezing.VIEW_SECONDS, 0.0):
        monkeypatch.setattr(freezing, "VIEW_SECONDS", seconds)
        rig = await make_rig(SERVICE)
        await told.take(rig, tell(rig, steps))
        at_once.append(await freeze_due(rig.runtime, end))
        await keep_all(rig, end)
        found.append(await kept(rig))
    together, alone = found
    assert at_once[1] < 5 < 20 < at_once[0] <= len(together)
    assert together == alone


async def test_of_two_who_keep_the_same_forecast_the_first_counts(kpi: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await told.take(kpi, tell(kpi, history(month(5))))
    now, keep_first = month(3), freezing._keep_first

    async def slowly(*given: Any) -> None:
        monkeypatch.setattr(freezing, "_keep_first", keep_first)
        await told.take(kpi, tell(kpi, [Step(month(1), "late-told", opened("late-told", mrr=yen(7_000_000)))]))
        assert await freeze_due(kpi.runtime, now) > 0
        await keep_first(*given)

    monkeypatch.setattr(freezing, "_keep_first", slowly)
    assert await freeze_due(kpi.runtime, now) > 0
    async with kpi.database.reading() as session:
        assert set(await session.scalars(text("SELECT version FROM decision_version"))) == {1}


async def test_a_kept_forecast_is_what_was_known_then(kpi: Rig) -> None:
    until, moment = (
        month(12),
        datetime(2026, 3, 16, 15, tzinfo=UTC),
    )  # 17 March: fourteen days before its end... in Tokyo
    await told.take(kpi, tell(kpi, history(until)))
    name, late = "late-told", moment + timedelta(days=5)
    values = {"mrr": yen(7_000_000), "phase": "proposal", "forecast_category": "commit"}
    hidden = opened(name, expected_close_date=moment.date(), **values)
    await told.take(kpi, tell(kpi, [Step(moment - timedelta(days=3), name, hidden, late)]))
    await keep_all(kpi, until)
    (frozen,) = await kept(kpi, period="2026-03", horizon="d14")
    march = {"from": "2026-03-01", "to": "2026-04-01"}
    then = await ask(kpi, "/v1/forecast", **march, as_of=frozen["at"], known_at=frozen["at"])
    for method in by_id(then["methods"]).values():
        assert by_id(frozen["methods"])[method["id"]]["value"] == method["value"], method["id"]
    cut = {**march, "as_of": frozen["at"]}
    now, known = [
        amount((await ask(kpi, "/v1/metrics/pipeline", **given))["value"])
        for given in (cut, {**cut, "known_at": frozen["at"]})
    ]
    assert now - known == 7_000_000
    assert (frozen["overdue"], frozen["currency"]) == (then["overdue"]["deals"], "JPY")


async def test_news_on_their_way_are_waited_for_an_hour(kpi: Rig) -> None:
    await told.take(kpi, tell(kpi, history(month(3))))
    begin = month(3) - timedelta(hours=12)
    await keep_all(kpi, begin + timedelta(minutes=59))
    assert await kept(kpi, period="2025-07") == []
    await keep_all(kpi, begin + timedelta(minutes=61))
    assert [one["horizon"] for one in await kept(kpi, period="2025-07")] == ["start"]


async def test_a_forecast_is_kept_by_hand(kpi: Rig) -> None:
    await told.take(kpi, tell(kpi, history()))
    client, period = kpi.client("ops_lead"), f"FY{utc_now().year + 1}"
    answer = await client.post("/v1/forecast/snapshots", json={"period": period})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["horizon"], made["kept_by"], made["caught_up"]) == ("by_hand", "tester", False)
    await kpi.deliver(won("new", mrr=yen(1)), "new")
    assert await kept(kpi, horizon="by_hand") == [made]
    for told_period, status in (("2026-06", 409), ("2026-H1", 422), ("soon", 422)):
        refused = await client.post("/v1/forecast/snapshots", json={"period": told_period})
        assert refused.status_code == status
    assert refused.json()["errors"][0]["field"] == "period"
    assert (await kpi.client("field_sales").post("/v1/forecast/snapshots", json={"period": period})).status_code == 403


async def test_calls_stand_beside_each_other_for_good(kpi: Rig) -> None:
    period = f"{utc_now().year + 1}-05"
    call = {"period": period, "level": "rep", "owner": "sato", "commit": 100, "most_likely": 150, "best_case": 300}
    rep, manager = kpi.client("field_sales", user="sato"), kpi.client("ops_lead", user="mori")
    for client, more in ((rep, {}), (rep, {"commit": 120}), (manager, {"level": "manager", "commit": 90})):
        answer = await client.post("/v1/forecast/submissions", json={**call, **more})
        assert answer.status_code == 201, answer.text
    items = (await ask(kpi, "/v1/forecast/submissions", period=period))["items"]
    told_ = [(one["author"], one["level"], amount(one["commit"]), one["version"], one["newest"]) for one in items]
    assert told_ == [("mori", "manager", 90, 1, True), ("sato", "rep", 120, 2, True), ("sato", "rep", 100, 1, False)]
    assert len((await ask(kpi, "/v1/forecast/submissions", author="sato"))["items"]) == 2
    wrong: list[tuple[dict[str, Any], int]] = [
        ({"commit": 200}, 422),
        ({"owner": None}, 422),
        ({"commit": {"amount": 1, "currency": "USD"}}, 422),
        ({"period": "2026-06"}, 409),
        ({"period": "2026-H2"}, 422),
    ]
    for more, status in wrong:
        assert (await rep.post("/v1/forecast/submissions", json={**call, **more})).status_code == status, more
    assert (await kpi.client("viewer").post("/v1/forecast/submissions", json=call)).status_code == 403
