"""How good kept forecasts turned out to be, and where each error comes from."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.kpi.api.freezing import freeze_due
from services.kpi.app import SERVICE
from services.kpi.metrics.judging import PARTS
from tests.support import kpi as told
from tests.support.deals import Step, history, month, opened, reopened, updated, won, yen
from tests.support.deals import told as tell
from tests.support.rig import MakeRig, Rig

HALF = {"phase_probabilities": {"proposal": 0.5}}
PATH = "/v1/forecast/accuracy"
YEAR = {"from": "2025-07-01", "to": "2026-07-01", "as_of": "2026-06-30T15:00:00Z"}


async def company(make_rig: MakeRig, until: datetime | None = None) -> Rig:
    """With every forecast kept that there is a moment for."""
    rig = await make_rig(SERVICE)
    await told.take(rig, tell(rig, history(until)))
    await told.decide(rig, HALF)
    return rig


async def keep(rig: Rig, now: datetime) -> None:
    while await freeze_due(rig.runtime, now):
        pass


async def ask(rig: Rig, **params: str) -> dict[str, Any]:
    answer = await rig.client("viewer").get(PATH, params=params)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def one(items: Sequence[dict[str, Any]], **wanted: str | None) -> dict[str, Any]:
    (found,) = [item for item in items if all(item[name] == value for name, value in wanted.items())]
    return found


def parts(item: dict[str, Any]) -> dict[str, int]:
    return {name: money["amount"] for name, money in item["error_from"].items() if money["amount"]}


async def test_twelve_months_of_the_same(make_rig: MakeRig) -> None:
    rig = await company(make_rig)
    await keep(rig, month(16))
    found = await ask(rig, **YEAR)
    assert [period["period"] for period in found["periods"]][::11] == ["2025-07", "2026-06"]
    assert {period["actual"]["amount"] for period in found["periods"]} == {500_000}
    for item in found["items"]:
        if item["error_from"]:
            assert set(item["error_from"]) == set(PARTS)
            assert sum(parts(item).values()) == item["error"]["amount"], (item["method"], item["horizon"])
    items = [item for item in found["items"] if item["horizon"] == "d14"]
    commit = one(items, method="commit")
    assert (commit["periods"], commit["wape"], commit["bias"]) == (12, pytest.approx(0.1), pytest.approx(-0.1))
    assert (commit["mape"], commit["mape_excluded"], parts(commit)) == (
        pytest.approx(0.1),
        0,
        {"created_and_closed": -600_000},
    )
    assert parts(one(items, method="most_likely")) == {"slipped": 1_800_000, "created_and_closed": -600_000}
    weighted = one(items, method="stage_weighted")
    assert parts(weighted) == {
        "won": -1_200_000,
        "slipped": 900_000,
        "lost": 760_000,  # fourteen days before the end of February, one more is not lost yet
        "created_and_closed": -600_000,
    }
    assert (weighted["brier"], weighted["brier_skill"]) == (
        pytest.approx(0.25),
        pytest.approx(1 - 0.25 / (12 / 37 * 25 / 37)),
    )
    assert (weighted["coverage"]["denominator"], weighted["coverage"]["numerator"]) == (12, 12)
    reliable = {
        row["category"]: (row["won"]["numerator"], row["won"]["denominator"], row["expected"], row["brier"])
        for row in found["reliability"]
        if row["horizon"] == "d14"
    }
    assert reliable == {
        "commit": (12, 12, 0.5, 0.25),
        "most_likely": (0, 12, 0.5, 0.25),
        "best_case": (0, 1, 0.5, 0.25),
        "pipeline": (0, 12, 0.5, 0.25),
    }


async def test_each_way_an_error_comes_about(make_rig: MakeRig) -> None:
    rig = await company(make_rig, until=month(15))
    first = month(14)
    hidden, late = opened("hidden", mrr=yen(40_000), phase="proposal"), first + timedelta(days=21)
    after = opened("next", mrr=yen(70_000), expected_close_date=(first + timedelta(days=40)).date(), phase="proposal")
    steps = [
        Step(first + timedelta(days=19), "lost-14", reopened("lost-14")),
        Step(first + timedelta(days=20), "lost-14", won("lost-14")),
        Step(first + timedelta(days=19), "early-14", reopened("early-14")),
        Step(first + timedelta(days=17), "late-14", updated("late-14", mrr=yen(210_000))),
        Step(first + timedelta(days=2), "hidden", hidden, late),
        Step(first + timedelta(days=11), "hidden", won("hidden"), late),
        Step(first, "next", after),
        Step(first + timedelta(days=24), "next", won("next")),
    ]
    await told.take(rig, tell(rig, steps))
    await keep(rig, month(15))
    asked = {"from": "2026-03-01", "to": "2026-07-01", "as_of": "2026-06-30T15:00:00Z", "horizon": "d14"}
    found = await ask(rig, **asked)
    assert {item["horizon"] for item in found["items"]} == {"d14"}
    june = one(found["periods"], period="2026-06")
    assert june["actual"]["amount"] == 600_000
    assert one(june["kept"][0]["methods"], method="stage_weighted")["error"]["amount"] == -115_000
    weighted = one(found["items"], method="stage_weighted")
    assert parts(weighted) == {
        "won": -400_000,
        "pulled_in": -70_000,
        "lost": 240_000,
        "slipped": 300_000,
        "amount_changed": -10_000,
        "reversed": 100_000,
        "reopened": -80_000,
        "told_late": -40_000,
        "created_and_closed": -200_000,
    }
    assert weighted["error"]["amount"] == -160_000
    age = one(found["items"], method="age")
    assert sum(parts(age).values()) == age["error"]["amount"]
    assert age["brier"] is not None


async def test_a_method_is_held_against_the_year_before(make_rig: MakeRig) -> None:
    rig = await company(make_rig)
    await keep(rig, month(16))
    items = (await ask(rig, **{**YEAR, "from": "2026-04-01", "to": "2026-08-01", "as_of": "2026-07-31T15:00:00Z"}))[
        "items"
    ]
    naive = one(items, method="seasonal_naive", horizon="d14")
    assert (naive["periods"], naive["wape"], naive["error_from"]) == (4, pytest.approx(0.075), {})
    assert one(items, method="commit", horizon="d14")["benchmark"] == {
        "periods": 4,
        "wape": pytest.approx(0.075),
        "value_added": pytest.approx(-0.025),
        "mase": pytest.approx(0.1 / 0.075),
    }
    fewer = one((await ask(rig, **YEAR))["items"], method="commit", horizon="d14")
    assert (fewer["benchmark"]["periods"], fewer["benchmark"]["wape"]) == (3, None)


async def test_of_too_few_periods_nothing_is_said(make_rig: MakeRig) -> None:
    rig = await company(make_rig, until=month(15))
    await keep(rig, month(15))
    found = await ask(rig, **{**YEAR, "from": "2026-04-01"})
    assert found["floor"] == 4
    for item in found["items"]:
        assert (item["periods"] <= 3, item["reason"]) == (True, "too_few_periods")
        said = ("wape", "bias", "mape", "error", "brier", "brier_skill")
        assert [item[name] for name in said] == [None] * len(said)
        assert (item["coverage"]["value"], item["error_from"]) == (None, {})
    assert found["reliability"] == []
    assert [period["period"] for period in found["periods"]] == ["2026-04", "2026-05", "2026-06"]
    quarters = await ask(rig, **{**YEAR, "length": "quarter"})
    assert [period["period"] for period in quarters["periods"]] == ["2025-Q2", "2025-Q3", "2025-Q4", "2026-Q1"]
    assert {kept["horizon"] for kept in quarters["periods"][0]["kept"]} == {"start", "d60", "d30", "d14", "d7"}


async def test_the_calls_of_people_are_judged_like_a_method(make_rig: MakeRig) -> None:
    rig = await company(make_rig, until=month(15))
    await keep(rig, month(15))
    await call(rig, "manager", None, 450_000)
    items = (await ask(rig, **YEAR))["items"]
    assert one(items, method="submitted_commit", horizon="d14")["bias"] == pytest.approx(-0.1)
    assert one(items, method="submitted_commit", horizon="d7")["periods"] == 12
    assert not [item for item in items if item["method"] == "submitted_commit" and item["horizon"] == "start"]


async def call(rig: Rig, level: str, owner: str | None, amount: int) -> None:
    """The same of every month, made fourteen days before its end."""
    insert = """
        INSERT INTO decision_version (kind, decision_id, version, body, set_by, set_at)
        SELECT 'forecast_submission',
               concat_ws('/', body ->> 'from_date', body ->> 'to_date', 'mori',
                         CAST(:level AS text), CAST(:owner AS text)),
               1, jsonb_build_object('level', CAST(:level AS text), 'owner', CAST(:owner AS text),
                                     'commit', m, 'most_likely', m, 'best_case', m),
               'mori', (body ->> 'at')::timestamptz
        FROM decision_version, (SELECT jsonb_build_object('amount', CAST(:amount AS int), 'currency', 'JPY') AS m) AS c
        WHERE kind = 'forecast_snapshot' AND body ->> 'horizon' = 'd14' AND body ->> 'length' = 'month'
    """
    async with rig.database.transaction() as tx:
        await tx.session.execute(text(insert), {"level": level, "owner": owner, "amount": amount})


async def test_reps_are_told_which_way_they_lean_once_there_are_periods_enough(make_rig: MakeRig) -> None:
    rig = await company(make_rig, until=month(15))
    for number, owner in enumerate(("ito", "sato")):
        deals = [(month(at) + timedelta(days=1 + number), f"{owner}-{at}") for at in range(3, 15)]
        steps = [Step(at, name, opened(name, mrr=yen(100_000), owner=owner)) for at, name in deals]
        steps += [Step(at + timedelta(days=9), name, won(name)) for at, name in deals]
        await told.take(rig, tell(rig, steps))
    await keep(rig, month(15))
    await call(rig, "rep", "ito", 100_000)
    await call(rig, "rep", "sato", 150_000)
    owners = [row for row in (await ask(rig, **YEAR))["owners"] if row["horizon"] == "d14"]
    own = {"horizon": "d14", "periods": 12}
    assert owners == [
        {**own, "owner": "ito", "bias": pytest.approx(0), "drawn": pytest.approx(0.0625), "leans": None},
        {**own, "owner": "sato", "bias": pytest.approx(0.5), "drawn": pytest.approx(0.4375), "leans": "happy_ears"},
    ]
    few = [row for row in (await ask(rig, **{**YEAR, "from": "2026-04-01"}))["owners"] if row["horizon"] == "d14"]
    assert [(row["periods"], row["bias"], row["leans"]) for row in few] == [(3, None, None)] * 2


async def test_an_empty_company_has_nothing_to_judge(make_rig: MakeRig) -> None:
    rig = await make_rig(SERVICE)
    found = await ask(rig)
    assert (found["items"], found["reliability"], found["periods"]) == ([], [], [])


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"from": "2026-07-01", "to": "2026-06-01"}, "to"),
        ({"from": "2090-07-01"}, "to"),
        ({"from": "1990-07-01"}, "from"),
        ({"length": "week"}, "length"),
        ({"horizon": "by_hand"}, "horizon"),
        ({"segment": "SMB"}, "segment"),
    ],
)
async def test_what_cannot_be_asked_is_refused(make_rig: MakeRig, params: dict[str, str], field: str) -> None:
    rig = await make_rig(SERVICE)
    answer = await rig.client("viewer").get(PATH, params=params)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
