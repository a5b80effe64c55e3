"""The worked example through the API: every figure of it that kpi answers, whatever the order its events came in."""

from itertools import pairwise
from typing import Any

import pytest

from services.kpi.app import SERVICE
from tests.support.kpi import QUARTER, decide, example, records, shuffled, take, worked_example
from tests.support.rig import MakeRig, Rig

EXPECTED: dict[str, Any] = example("expected.json")
RATES = EXPECTED["rates_in_period"]
MONTHS = ("2026-04", "2026-05", "2026-06")


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    rig = await make_rig(SERVICE)
    told, decisions = worked_example()
    await take(rig, records(rig, told))
    await decide(rig, decisions)
    return rig


async def ask(rig: Rig, path: str, **more: Any) -> dict[str, Any]:
    answer = await rig.client("viewer").get(path, params={**QUARTER, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def same_rate(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert (found["numerator"], found["denominator"]) == (expected["num"], expected["den"])
    assert found["value"] == pytest.approx(expected["value"], abs=1e-6)
    assert found["ci95"] == pytest.approx(expected["ci95"], abs=1e-6)


async def test_counts_and_people(kpi: Rig) -> None:
    names = {
        **{"visitors": "visitors", "lead_new": "leads_new", "lead_rec": "leads_recycled", "lead_cycles": "lead_cycles"},
        **{"mql": "mql", "mql_accepted": "mql_accepted", "mql_rejected": "mql_rejected", "sql": "sql"},
        **{"opportunity": "opportunities", "sql_returned": "sql_rejected", "won": "won", "lost": "lost"},
        **{"open_deals": "open_deals"},
    }
    found = {metric: (await ask(kpi, f"/v1/metrics/{metric}"))["value"] for metric in names}
    assert found == {metric: EXPECTED["counts"][name] for metric, name in names.items()}
    people = {"lead": "lead_cycles", "mql": "mql", "sql": "sql", "opportunity": "opportunity", "customer": "won"}
    unique = {name: (await ask(kpi, f"/v1/metrics/{m}", unit="lead"))["value"] for name, m in people.items()}
    assert unique == EXPECTED["unique_leads"]


async def test_rates(kpi: Rig) -> None:
    names = {
        **{"v2l": "visitor_to_lead_web_only", "l2m": "lead_to_mql", "mql_acc": "mql_acceptance"},
        **{"sql_rate": "mql_to_sql_shodanka", "sql_acc": "sql_acceptance_yukoshodan", "eff_sql": "mql_to_opp"},
        **{"opp_to_won": "opp_to_won_flow", "win_closed": "win_rate_closed", "lead_to_won": "lead_to_won"},
    }
    for metric, name in names.items():
        same_rate(await ask(kpi, f"/v1/metrics/{metric}"), RATES[name])
    value = await ask(kpi, "/v1/metrics/win_value")
    assert value["value"] == pytest.approx(RATES["win_rate_by_value"], abs=1e-6)
    assert value["numerator"] == {"amount": 750_000, "currency": "JPY"}
    stages = (await ask(kpi, "/v1/funnel", chain="lead"))["stages"]
    same_rate(stages[0]["rate"], RATES["visitor_to_lead_all"])


async def test_months_as_flow_and_as_cohorts(kpi: Rig) -> None:
    for metric, base, goal in (("sql_rate", "mql", "sql"), ("opp_to_won", "opps", "won")):
        flow = (await ask(kpi, f"/v1/metrics/{metric}", interval="month"))["periods"]
        cohort = (await ask(kpi, f"/v1/metrics/{metric}", interval="month", mode="cohort"))["periods"]
        for month, flowed, followed in zip(MONTHS, flow, cohort, strict=True):
            expected = EXPECTED["by_month"][month]
            assert (flowed["denominator"], flowed["numerator"]) == (expected[base], expected[goal])
            name = "mql_to_sql" if metric == "sql_rate" else "opp_to_won"
            assert flowed["value"] == pytest.approx(expected[f"in_period_{name}"], abs=1e-6)
            same_rate(followed, expected[f"cohort_{name}"])


async def test_a_frozen_month_and_the_same_month_restated(kpi: Rig) -> None:
    may = {"from": "2026-05-01", "to": "2026-06-01"}
    known = EXPECTED["may_win_rate"]
    same_rate(await ask(kpi, "/v1/metrics/win_closed", **may, known_at="2026-05-31T15:00:00Z"), known["as_known_0601"])
    same_rate(await ask(kpi, "/v1/metrics/win_closed", **may), known["restated_0701"])


async def test_recurring_revenue(kpi: Rig) -> None:
    expected, found = EXPECTED["mrr"], await ask(kpi, "/v1/mrr")
    amounts = {**found["movements"], "start": found["start"], "end": found["end"], "net_new": found["net_new"]}
    assert {name: money["amount"] for name, money in amounts.items()} == {name: expected[name] for name in amounts}
    for name in ("nrr", "grr"):
        assert found[name]["value"] == pytest.approx(expected[name], abs=1e-6)
        assert (await ask(kpi, f"/v1/metrics/{name}"))["value"] == pytest.approx(expected[name], abs=1e-6)
    assert found["customers"] == {"start": 3, "end": expected["customers_end"]}
    assert (await ask(kpi, "/v1/metrics/arr"))["value"]["amount"] == expected["arr_end"]


async def test_deals_and_the_pipeline(kpi: Rig) -> None:
    assert (await ask(kpi, "/v1/metrics/pipeline"))["value"]["amount"] == EXPECTED["pipeline_now"]["open_value"]
    days = await ask(kpi, "/v1/metrics/cycle_days")
    assert days["more"]["mean"] == pytest.approx(EXPECTED["time_to_win"]["cycle_days_won_mean"], abs=1e-6)
    assert days["value"] == pytest.approx(EXPECTED["time_to_win"]["cycle_days_won_median"], abs=1e-6)
    assert (await ask(kpi, "/v1/metrics/won_average"))["value"]["amount"] == 150_000
    assert (await ask(kpi, "/v1/metrics/won_median"))["value"]["amount"] == 100_000


async def test_slices(kpi: Rig) -> None:
    for dimension, expected in (("channel", EXPECTED["by_origin_channel"]), ("segment", EXPECTED["by_segment"])):
        for name in ("mql", "won", "lost", "opportunities"):
            found = await ask(kpi, f"/v1/metrics/{name.replace('opportunities', 'opportunity')}", by=dimension)
            counts = {group["group"]: group["value"] for group in found["groups"]}
            told = {value: row[name] for value, row in expected.items() if name in row}
            assert {value: counts.get(value, 0) for value in told} == told
        money = (await ask(kpi, "/v1/metrics/won_value", by=dimension))["groups"]
        assert {g["group"]: g["value"]["amount"] for g in money} == {v: row["won_mrr"] for v, row in expected.items()}


async def test_every_cycle_is_in_one_place(kpi: Rig) -> None:
    found = await ask(kpi, "/v1/metrics/occupancy")
    assert found["more"]["places"] == EXPECTED["occupancy"]
    assert found["value"] == EXPECTED["counts"]["lead_cycles"]


async def test_the_chain_closes_in_every_slice_and_month(kpi: Rig) -> None:
    for chain in ("mql", "lead"):
        for by in ("channel", "segment", "owner"):
            for unit in ("cycle", "lead", "account"):
                found = await ask(kpi, "/v1/funnel", chain=chain, by=by, unit=unit, interval="month")
                parts = [found, *found["groups"], *found["periods"]]
                parts += [group for period in found["periods"] for group in period["groups"]]
                for part in parts:
                    closes(part["stages"])
                assert [group["value"] for group in found["groups"]][-1] == "(unset)"


def closes(stages: list[dict[str, Any]]) -> None:
    for stage in stages:
        parts = stage["base"]["parts"]
        assert stage["base"]["value"] == parts["from_previous"] + parts["outside"] + parts["opening"]
        assert min(parts.values()) >= 0
    for before, after in pairwise(stages):
        assert after["base"]["parts"]["from_previous"] == before["goal"]["value"]


QUESTIONS: list[tuple[str, dict[str, str]]] = [
    ("/v1/funnel", {"by": "channel", "interval": "month"}),
    ("/v1/funnel", {"mode": "cohort", "by": "segment"}),
    ("/v1/funnel", {"mode": "closed", "unit": "lead"}),
    ("/v1/funnel", {"as_of": "2026-05-31T15:00:00Z", "slice": "latest", "by": "channel"}),
    ("/v1/funnel", {"known_at": "2026-05-31T15:00:00Z", "by": "segment"}),
    ("/v1/mrr", {"by": "segment", "interval": "month"}),
    ("/v1/mrr", {"basis": "live", "known_at": "2026-06-02T15:00:00Z"}),
    ("/v1/metrics/occupancy", {"interval": "month", "by": "segment"}),
    ("/v1/metrics/pipeline", {"interval": "week", "by": "channel"}),
]


@pytest.mark.parametrize("seed", [None, 7, 2026])
async def test_any_order_and_any_repetition_gives_the_same_answers(
    kpi: Rig, make_rig: MakeRig, seed: int | None
) -> None:
    other = await make_rig(SERVICE)
    told, decisions = worked_example()
    await take(other, shuffled(other, told, seed=seed, again=0 if seed is None else 30), batch=11)
    await decide(other, decisions)
    for path, more in QUESTIONS:
        assert await ask(other, path, **more) == await ask(kpi, path, **more)
