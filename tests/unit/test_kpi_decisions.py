"""kpi's own rules: the chain, the calendar, what holds on a day."""

from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest

from services.kpi.domain.decisions import Decisions, Target, Version
from services.kpi.domain.periods import Period, cut, fiscal_year, full, named
from services.kpi.domain.stages import READY_MADE, STAGES, ChainBroken, Cut, closed


def chain(*milestones: str) -> list[Cut]:
    pairs = pairwise(milestones)
    return [Cut(stage, base, goal) for stage, (base, goal) in zip(STAGES, pairs, strict=True)]


@pytest.mark.parametrize("name", READY_MADE)
def test_the_ready_made_chains_close(name: str) -> None:
    assert closed(READY_MADE[name]) == READY_MADE[name]


@pytest.mark.parametrize(
    "milestones",
    [
        ("visitor", "lead", "sql", "won", "retained"),
        ("lead", "mql", "mql_accepted", "opportunity", "onboarded"),
        ("visitor", "mql", "opportunity", "customer", "onboarded"),
    ],
)
def test_a_company_may_cut_its_chain_elsewhere(milestones: tuple[str, ...]) -> None:
    assert [cut.goal for cut in closed(chain(*milestones))] == list(milestones[1:])


WHOLE = chain("visitor", "mql", "opportunity", "won", "retained")


@pytest.mark.parametrize(
    ("cuts", "stage"),
    [
        ([], "marketing"),
        (WHOLE[:3], "customer_success"),
        (WHOLE[1:], "marketing"),
        ([WHOLE[1], WHOLE[0], *WHOLE[2:]], "marketing"),
        ([*WHOLE, WHOLE[3]], "customer_success"),
        ([*WHOLE, Cut("product", "won", "retained")], "product"),
        ([Cut("marketing", "visitor", "lead"), *WHOLE[1:]], "inside_sales"),
        ([*WHOLE[:2], Cut("field_sales", "sql", "won"), WHOLE[3]], "field_sales"),
        ([*WHOLE[:3], Cut("customer_success", "customer", "retained")], "customer_success"),
        ([*WHOLE[:3], Cut("customer_success", "won", "happy")], "customer_success"),
        ([*WHOLE[:3], Cut("customer_success", "won", "lead")], "customer_success"),
        ([Cut("marketing", "mql", "mql"), *WHOLE[1:]], "marketing"),
        ([Cut("marketing", "retained", "mql"), *WHOLE[1:]], "marketing"),
    ],
)
def test_a_chain_that_does_not_close_is_refused_by_its_stage(cuts: list[Cut], stage: str) -> None:
    with pytest.raises(ChainBroken) as refusal:
        closed(cuts)
    assert (refusal.value.status, refusal.value.rule) == (422, "chain_broken")
    assert refusal.value.more["stage"] == stage


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("2026-04", "2026-04-01", "2026-05-01"),
        ("2026-12", "2026-12-01", "2027-01-01"),
        ("2026-Q1", "2026-04-01", "2026-07-01"),
        ("2026-Q4", "2027-01-01", "2027-04-01"),
        ("2026-H1", "2026-04-01", "2026-10-01"),
        ("2026-H2", "2026-10-01", "2027-04-01"),
        ("FY2026", "2026-04-01", "2027-04-01"),
    ],
)
def test_periods_are_those_of_the_fiscal_calendar(name: str, start: str, end: str) -> None:
    assert named(name, 4) == Period(date.fromisoformat(start), date.fromisoformat(end))


@pytest.mark.parametrize(
    "name", ["2026", "2026-13", "2026-00", "2026-Q5", "2026-H3", "FY26", "2026-4", "", "2026-04-01", "9999-01"]
)
def test_no_other_name_is_a_period(name: str) -> None:
    with pytest.raises(ValueError, match=r"period is|no such"):
        named(name, 4)


def test_a_calendar_year_company_has_its_own_quarters() -> None:
    assert named("2026-Q2", 1) == Period(date(2026, 4, 1), date(2026, 7, 1))
    assert fiscal_year(date(2026, 3, 31), 4) == Period(date(2025, 4, 1), date(2026, 4, 1))
    assert fiscal_year(date(2026, 4, 1), 4).start == date(2026, 4, 1)


@pytest.mark.parametrize(
    ("interval", "starts"),
    [
        ("day", 45),
        ("week", ["2026-03-30", "2026-04-06", "2026-04-13", "2026-04-20", "2026-04-27", "2026-05-04", "2026-05-11"]),
        ("month", ["2026-03-30", "2026-04-01", "2026-05-01"]),
        ("quarter", ["2026-03-30", "2026-04-01"]),
    ],
)
def test_a_span_is_cut_without_gap_or_overlap(interval: str, starts: int | list[str]) -> None:
    whole = Period(date(2026, 3, 30), date(2026, 5, 14))
    parts = list(cut(whole, interval, 4))
    assert (parts[0].start, parts[-1].end) == (whole.start, whole.end)
    assert all(before.end == after.start for before, after in pairwise(parts))
    if isinstance(starts, int):
        assert len(parts) == starts
    else:
        assert [str(part.start) for part in parts] == starts
        assert [full(part, interval, 4) for part in parts] == [_whole(part, interval) for part in parts]


def _whole(part: Period, interval: str) -> bool:
    days = (part.end - part.start).days
    return days == 7 if interval == "week" else part.start.day == 1 and days >= (28 if interval == "month" else 90)


def decided(**settings: list[Version]) -> Decisions:
    return Decisions(READY_MADE["mql"], 1, settings)


RATES = [Version(date(2025, 4, 1), {"USD": 140}), Version(date(2026, 6, 1), {"USD": "150.5", "EUR": 170})]


@pytest.mark.parametrize(
    ("currency", "target", "day", "rate"),
    [
        ("USD", "JPY", date(2026, 3, 31), Decimal(140)),
        ("USD", "JPY", date(2026, 12, 1), Decimal(140)),  # what held on the first of April holds all year
        ("USD", "JPY", date(2027, 4, 1), Decimal("150.5")),
        ("USD", "JPY", date(2025, 3, 31), None),
        ("EUR", "JPY", date(2026, 12, 1), None),
        ("JPY", "USD", date(2027, 4, 1), Decimal(1) / Decimal("150.5")),
        ("EUR", "USD", date(2027, 4, 1), Decimal(170) / Decimal("150.5")),
        ("GBP", "GBP", date(2020, 1, 1), Decimal(1)),
    ],
)
def test_plan_rates_are_fixed_for_a_fiscal_year(currency: str, target: str, day: date, rate: Decimal | None) -> None:
    assert decided(plan_rates=RATES).plan_rate(currency, target, "JPY", day) == rate


def test_rates_first_decided_within_a_year_hold_for_it() -> None:
    only = decided(plan_rates=[Version(date(2026, 11, 21), {"USD": 150})])
    assert only.plan_rate("USD", "JPY", "JPY", date(2026, 6, 30)) == 150
    assert only.plan_rate("USD", "JPY", "JPY", date(2026, 3, 31)) is None


def test_a_setting_holds_until_the_next_one_begins() -> None:
    found = decided(gross_margin=[Version(date(2026, 1, 1), 0.7), Version(date(2026, 7, 1), 0.8)])
    assert [found.setting("gross_margin", date(2026, month, 1)) for month in (6, 7, 12)] == [0.7, 0.8, 0.8]
    assert found.setting("gross_margin", date(2025, 1, 1)) == 0.7
    assert found.setting("web_channels", date(2026, 1, 1)) is None


def target(name: str, base: float | None = None, rate: float | None = None, goal: float | None = None) -> Target:
    return Target(named(name, 4), "marketing", "", base, rate, goal)


def wanted(targets: list[Target], name: str) -> float | None:
    found = Decisions(READY_MADE["mql"], 1, {}, targets).target("marketing", "", named(name, 4))
    return found.wanted if found else None


def test_targets_of_months_add_up_to_the_quarter_unless_it_has_its_own() -> None:
    months = [target("2026-04", goal=10), target("2026-05", base=100, rate=0.2), target("2026-06", goal=30)]
    assert wanted(months, "2026-Q1") == 60
    assert wanted([*months, target("2026-Q1", goal=50)], "2026-Q1") == 50
    assert wanted(months[:2], "2026-Q1") is None
    assert wanted([*months, target("2026-Q2", goal=40)], "2026-H1") == 100
    assert wanted([target("FY2026", goal=500)], "2026-04") is None
    assert Decisions(READY_MADE["mql"], 1, {}, months).target("field_sales", "", named("2026-04", 4)) is None
    assert Decisions(READY_MADE["mql"], 1, {}, months).target("marketing", "SMB", named("2026-04", 4)) is None


def test_of_what_is_kept_the_last_month_says_what_it_is_to_be_in_the_end() -> None:
    """100 customers at first; 10, 20 and 5 are won, and 5 leave each month."""
    months = [target("2026-04", 110, goal=105), target("2026-05", 125, goal=120), target("2026-06", 125, goal=120)]

    def kept(targets: list[Target]) -> tuple[float | None, float | None, float | None] | None:
        decisions = Decisions(READY_MADE["mql"], 1, {}, targets)
        found = decisions.target("marketing", "", named("2026-Q1", 4), kept=True)
        return (found.base, found.rate, found.wanted) if found else None

    assert kept(months) == (135, 120 / 135, 120)
    assert kept([months[0], target("2026-05", goal=120), months[2]]) == (None, None, 120)
    assert kept([*months, target("2026-Q1", goal=130)]) == (None, None, 130)
    assert kept([target("2026-04", 100, 0.9), target("2026-05", 95, 0.8), target("2026-06", 80, 0.5)]) == (
        109,
        40 / 109,
        40,
    )
    assert kept(months[:2]) is None
