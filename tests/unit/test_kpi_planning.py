"""Goals in every form people say them, what departments can do, and how surely a goal is reached."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kpi.domain.aims import METRICS, STEPS, Aim, Ground, aimed
from services.kpi.domain.capacity import People, Team
from services.kpi.domain.periods import Period, months
from services.kpi.metrics.chain import Factors, lead_to_won
from services.kpi.metrics.lines import Line, added, differing, everyone, uncertain
from services.kpi.metrics.phasing import lag, reached_by, wins
from services.kpi.metrics.survival import OPEN, OTHER, REACHED, incidence
from shared.errors import Invalid

COUNTS = {
    "visitors": (1500, 1),
    "visitor_to_lead": (10, 1500),
    "offline_recycle_uplift": (14, 10),
    "lead_to_mql": (12, 14),
    "mql_to_sql": (9, 12),
    "sql_accept": (8, 9),
    "outside_opportunities": (8, 8),
    "opp_to_won": (5, 8),
}
RATES = {name: over / under for name, (over, under) in COUNTS.items()}
GROUND = Ground(
    rates=RATES,
    counts={"visitors": 1500, "lead_cycles": 14, "mql": 12, "sql": 9, "opportunities": 8, "deals": 5},
    average=150_000,
    new_mrr=750_000,
    retention=0.64,
    arr=12_000_000,
    nrr=0.9,
    ltv=2_000_000,
    productivity=50_000,
    head_months=20,
)
QUARTER = Period(date(2026, 4, 1), date(2026, 7, 1))


def aim(metric: str, change: float, kind: str | None = "relative", direction: str = "up") -> Any:
    return aimed(Aim(metric, kind, change, direction), GROUND)


def test_twice_the_leads_is_a_count_that_everything_follows_from() -> None:
    found = aim("lead_cycles", 1)
    assert (found.step, found.baseline, found.wanted, found.goal) == ("lead_cycles", 14, 28, None)


def test_a_rate_rises_in_times_or_in_points_and_brings_what_it_brings() -> None:
    times, points = aim("sql_rate", 0.2), aim("sql_rate", 0.15, "points")
    assert times.rates["mql_to_sql"] == pytest.approx(0.9) == points.rates["mql_to_sql"]
    assert times.goal == pytest.approx(750_000 * 1.2)
    assert aim("l2m", 0.1, direction="down").goal == pytest.approx(750_000 * 0.9)


def test_thirty_percent_more_of_a_rate_is_refused_until_one_says_of_what() -> None:
    with pytest.raises(Invalid) as refused:
        aim("sql_rate", 0.3, None)
    assert refused.value.rule == "relative_or_points"
    assert refused.value.more["errors"][0]["field"] == "aim.kind"


@pytest.mark.parametrize(
    ("metric", "change", "kind", "direction"),
    [("sql_rate", 0.4, "relative", "up"), ("logo_churn", 0.7, "points", "up"), ("mql", 1, "relative", "down")],
)
def test_what_makes_no_sense_is_refused(metric: str, change: float, kind: str, direction: str) -> None:
    with pytest.raises(Invalid):
        aim(metric, change, kind, direction)


def test_worth_of_customers_by_churn_and_of_deals_by_price() -> None:
    assert aim("ltv", 1).retention == pytest.approx(0.8), "twice as long: half the hazard, the root of what is kept"
    assert aim("logo_churn", 0.5, direction="down").retention == pytest.approx(0.82)
    deals = aim("won_average", 0.1)
    assert (deals.average, deals.goal) == pytest.approx((165_000, 825_000))


def test_goals_in_money() -> None:
    assert aim("new_mrr", 0.5).goal == pytest.approx(1_125_000)
    assert aim("arr", 0.2).goal == pytest.approx((14_400_000 - 10_800_000) / 12)
    assert aim("productivity", 0.15).goal == pytest.approx(50_000 * 1.15 * 20)
    with pytest.raises(Invalid):
        GROUND.end_arr(10_000_000)
    with pytest.raises(Invalid):
        replace(GROUND, nrr=None).end_arr(20_000_000)


@given(metric=st.sampled_from(METRICS), change=st.floats(0.01, 0.1))
def test_every_form_says_what_was_and_what_is_to_be(metric: str, change: float) -> None:
    found = aim(metric, change, direction="up" if metric != "logo_churn" else "down")
    assert found.wanted == pytest.approx(found.baseline * (1 + change if metric != "logo_churn" else 1 - change))
    assert (found.goal is None) == (metric in STEPS)


def test_months_of_a_period() -> None:
    assert months(QUARTER) == 3
    assert months(Period(date(2026, 4, 1), date(2026, 5, 16))) == pytest.approx(45 / (365.25 / 12))


def test_who_joins_counts_more_and_more() -> None:
    assert People(3).months(QUARTER, ramp_months=6) == pytest.approx(9), "who is there has no ramp"
    joined = People(2, date(2026, 5, 1))
    assert joined.months(QUARTER) == pytest.approx(2 * 61 / 91 * 3)
    ramped = joined.months(QUARTER, ramp_months=2)
    assert 0 < ramped < joined.months(QUARTER) / 1.9, "a straight line from nothing, two months long"
    assert People(2, date(2026, 1, 1)).months(QUARTER, ramp_months=1) == pytest.approx(6), "ramped before it began"
    assert People(2, to_date=date(2026, 4, 1)).months(QUARTER) == 0


def test_what_limits_a_team() -> None:
    team = Team("field_sales", [People(2)], productivity=4, hours=(100, 20), budget=(900, 50))
    assert {name: load.utilisation for name, load in team.loads(18, QUARTER).items()} == pytest.approx(
        {"people": 18 / 24, "hours": 360 / 600, "budget": 900 / 900}
    )
    assert all(load.feasible for load in team.loads(18, QUARTER).values())
    assert not team.loads(19, QUARTER)["budget"].feasible
    assert team.limit(QUARTER) == pytest.approx(18)
    assert Team("field_sales", [People(2)]).limit(QUARTER) is None
    nobody = Team("field_sales", [], productivity=4).loads(1, QUARTER)["people"]
    assert (nobody.utilisation, nobody.feasible) == (None, False)


def everyones(**said: float) -> Line:
    return everyone(COUNTS, {**RATES, **said}, 150_000, said)


def test_how_surely_a_goal_is_reached() -> None:
    whole = everyones()
    exact = whole.needs(1_200_000)
    found = uncertain(whole, [whole], 1_200_000, exact["visitors"], 1500)
    assert uncertain(whole, [whole], 1_200_000, exact["visitors"], 1500) == found, "seeded"
    assert all(found.p80[step] >= found.p50[step] for step in exact)
    assert found.p50["deals"] == found.p80["deals"] == pytest.approx(8)
    assert 0.3 < found.p_goal < 0.7
    assert found.p_goal_as_before < found.p_goal
    sure = uncertain(whole, [whole], 1_200_000, 1e9, 0)
    assert (sure.p_goal, sure.p_goal_as_before) == (1, 0)


def test_what_somebody_said_is_certain() -> None:
    said = {name: rate for name, rate in RATES.items() if name != "visitors"}
    whole = everyones(**said)
    found = uncertain(whole, [whole], 750_000, 1500.001, 1499)
    assert found.p80 == pytest.approx(whole.needs(750_000))
    assert (found.p_goal, found.p_goal_as_before) == (1, 0)


def test_draws_agree_with_the_closed_form_where_there_are_many_cases() -> None:
    many = {name: (over * 1000, under * 1000) for name, (over, under) in COUNTS.items()}
    whole = everyone(many, RATES, 150_000, {"visitor_to_lead"})
    found = uncertain(whole, [whole], 750_000, 0, 0)
    low, _ = lead_to_won(Factors(many)) or (0.0, 0.0)
    rate = 5 / 14
    sigma = np.log(rate / low) / 1.96
    assert found.p80["lead_cycles"] == pytest.approx(14 * np.exp(0.8416 * sigma), rel=2e-3)


def test_segments_are_added_up_and_say_where_they_differ() -> None:
    rates: list[Mapping[str, float]] = [{**RATES, "opp_to_won": 0.5}, {**RATES, "opp_to_won": 0.8}]
    lines = [Line(name, each, 150_000, 0.5, {}) for name, each in zip("ab", rates, strict=True)]
    needs = added(lines, 1_200_000)
    assert needs["deals"] == pytest.approx(8)
    assert needs["opportunities"] == pytest.approx(4 / 0.5 + 4 / 0.8)
    assert differing(lines) == {"opp_to_won": {"a": 0.5, "b": 0.8}}
    assert differing([lines[0], replace(lines[1], rates={**RATES, "opp_to_won": 0.65})]) == {}
    assert differing([]) == {}


def test_lags_are_of_those_that_are_won_in_the_end() -> None:
    days = np.array([10.0, 20.0, 30.0, 40.0, 50.0, 5.0, 60.0, 60.0, 60.0, 60.0])
    kinds = np.array([REACHED] * 5 + [OTHER] + [OPEN] * 4)
    curve = incidence(days, kinds)
    found = lag(curve)
    assert found is not None
    assert (found.middle, found.safe) == (30, 40)
    assert lag(incidence(days, np.where(kinds == REACHED, OTHER, kinds))) is None
    assert lag(incidence(np.array([]), np.array([], dtype=int))) is None
    shares = reached_by(curve, np.array([-5.0, 9.0, 10.0, 99.0]))
    assert shares == pytest.approx([0.0, 0.0, 0.1, 0.5], abs=1e-9)


def test_wins_of_a_month_are_those_of_every_day_that_entered() -> None:
    """Half of all are won, on the tenth day: four that entered on 6 April, three that are to come on the 26th."""
    curve, first = incidence(np.array([10.0, 10.0]), np.array([REACHED, OTHER])), date(2026, 4, 1)
    there = np.zeros(30)
    there[5] = 4
    coming = (np.array([25.0]), np.array([3.0]))
    april, may = Period(first, date(2026, 5, 1)), Period(date(2026, 5, 1), date(2026, 6, 1))
    assert [wins(curve, there, coming, month, first, first) for month in (april, may)] == pytest.approx([2, 1.5])
    half_month = Period(first, date(2026, 4, 16))
    assert wins(curve, there, coming, half_month, first, first) == 0, "won on the 16th"
    assert wins(curve, there, coming, april, first, date(2026, 4, 17)) == 0, "that is past: it happened or did not"
