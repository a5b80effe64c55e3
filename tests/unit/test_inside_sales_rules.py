"""The SLA clock, the transition criteria and the valve, as pure functions of their rules."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.inside_sales.domain.criteria import CriteriaNotMet, CriteriaRule
from services.inside_sales.domain.priority import QueueRule
from services.inside_sales.domain.sla import Clock, SlaRule, reading
from services.inside_sales.domain.valve import Load, ValveRule, Why, position, valve_of
from services.inside_sales.domain.week import week_of

TOKYO = ZoneInfo("Asia/Tokyo")
SLA = SlaRule(60, 24, 20, "Asia/Tokyo", time(9), time(18), (1, 2, 3, 4, 5))


def tokyo(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=TOKYO)


@pytest.mark.parametrize(
    ("start", "due"),
    [
        ("2026-04-03 10:00", "2026-04-03 11:00"),
        ("2026-04-03 17:00", "2026-04-03 18:00"),
        ("2026-04-02 17:30", "2026-04-03 09:30"),
        ("2026-04-03 17:30", "2026-04-06 09:30"),  # a Friday
        ("2026-04-03 18:00", "2026-04-06 10:00"),
        ("2026-04-03 23:59", "2026-04-06 10:00"),
        ("2026-04-04 12:00", "2026-04-06 10:00"),
        ("2026-04-06 08:59:59", "2026-04-06 10:00"),
    ],
)
def test_the_sla_runs_in_business_hours(start: str, due: str) -> None:
    assert SLA.due(tokyo(start)) == tokyo(due)


def test_unfollowed_is_sla_times_its_factor() -> None:
    # 24 business hours = 2 days of 9 hours and 6 more
    assert SLA.unfollowed(tokyo("2026-04-06 09:00")) == tokyo("2026-04-08 15:00")


def test_holidays_do_not_count() -> None:
    assert replace(SLA, holidays=(date(2026, 4, 6),)).due(tokyo("2026-04-03 17:30")) == tokyo("2026-04-07 09:30")


def test_business_hours_follow_summer_time() -> None:
    rule = replace(SLA, timezone="Europe/Berlin", minutes=120)
    friday = datetime(2026, 3, 27, 17, tzinfo=ZoneInfo("Europe/Berlin"))  # the clocks change on the Sunday after
    assert rule.due(friday) == datetime(2026, 3, 30, 8, tzinfo=UTC)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)), st.integers(1, 5_000))  # noqa: DTZ001 made aware below
def test_a_due_instant_lies_in_business_hours_and_grows_with_the_minutes(start: datetime, minutes: int) -> None:
    begun = start.replace(tzinfo=UTC)
    due = replace(SLA, minutes=minutes).due(begun)
    local = due.astimezone(TOKYO)
    assert local.isoweekday() in SLA.days
    assert time(9) < local.time().replace(tzinfo=None) <= time(18)
    assert due >= begun + timedelta(minutes=minutes)
    assert due < replace(SLA, minutes=minutes + 1).due(begun)


NOON, DUE = tokyo("2026-04-06 12:00"), tokyo("2026-04-06 13:00")


@pytest.mark.parametrize(
    ("due", "contacted", "now", "runs", "expected"),
    [
        (None, None, NOON, True, None),
        (DUE, None, NOON, True, Clock.RUNNING),
        (DUE, None, DUE, True, Clock.RUNNING),
        (DUE, None, DUE + timedelta(seconds=1), True, Clock.OVERDUE),
        (DUE, DUE, DUE + timedelta(days=1), True, Clock.MET),
        (DUE, DUE + timedelta(seconds=1), DUE + timedelta(days=1), True, Clock.LATE),
        (DUE, None, NOON, False, Clock.STOPPED),
    ],
)
def test_what_the_clock_shows(
    due: datetime | None, contacted: datetime | None, now: datetime, runs: bool, expected: Clock | None
) -> None:
    assert reading(due, contacted, now, runs=runs) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"minutes": 0},
        {"unfollowed_factor": 0},
        {"settle_seconds": -1},
        {"opens": time(18)},
        {"days": ()},
        {"days": (0,)},
        {"timezone": "Asia/Atlantis"},
    ],
)
def test_an_sla_that_could_never_be_kept_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        replace(SLA, **changes)


CRITERIA = CriteriaRule(("budget", "need", "appointment"), {"budget": ("secured", "planned"), "timing": ("soon",)})


@pytest.mark.parametrize(
    ("known", "missing"),
    [
        ({"budget": "secured", "need": "any", "appointment": object()}, []),
        ({"budget": "secured", "need": "any", "appointment": object(), "timing": "soon"}, []),
        ({"budget": "none", "need": "any", "appointment": object()}, ["budget"]),
        ({"budget": "secured", "need": "any", "appointment": object(), "timing": "never"}, ["timing"]),
        ({"budget": "secured"}, ["need", "appointment"]),
        ({}, ["budget", "need", "appointment"]),
    ],
)
def test_criteria_list_all_that_is_missing(known: dict[str, object], missing: list[str]) -> None:
    if not missing:
        CRITERIA.judge(known, 3)
        return
    with pytest.raises(CriteriaNotMet) as refused:
        CRITERIA.judge(known, 3)
    assert refused.value.more["missing"] == missing
    assert refused.value.more["criteria_version"] == 3


def test_a_criterion_says_what_would_pass() -> None:
    with pytest.raises(CriteriaNotMet) as refused:
        CRITERIA.judge({"budget": "none", "need": "x", "appointment": 1}, 1)
    assert refused.value.more["unmet"] == {"budget": {"given": "none", "passes": ["secured", "planned"]}}


@pytest.mark.parametrize(("required", "passes"), [(("mood",), {}), ((), {"mood": ("good",)}), ((), {"budget": ()})])
def test_criteria_nobody_could_meet_are_refused(required: tuple[str, ...], passes: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(ValueError, match=r"mood|budget"):
        CriteriaRule(required, passes)


VALVE = ValveRule(0.8, 1.2, 0.4, base=40, step=20, minimum=0, maximum=80, origins=("sql",))


@pytest.mark.parametrize(
    ("load", "threshold", "why"),
    [
        (Load(5, 5, None), 0, Why.NO_CAPACITY),
        (Load(0, 0, 0), 80, Why.NO_SLOTS),
        (Load(0, 0, 10), 0, Why.IDLE),
        (Load(4, 3, 10), 20, Why.IDLE),
        (Load(4, 4, 10), 40, Why.BALANCED),
        (Load(6, 6, 10), 40, Why.BALANCED),
        (Load(6, 7, 10), 60, Why.BUSY),
        (Load(20, 0, 10), 80, Why.BUSY),
        (Load(500, 0, 10), 80, Why.BUSY),
    ],
)
def test_the_valve_lowers_below_its_band_and_raises_above(load: Load, threshold: int, why: Why) -> None:
    found = position(VALVE, load)
    assert (found.threshold, found.why) == (threshold, why)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 50))
def test_more_load_never_lowers_the_valve(offered: int, opened: int, slots: int) -> None:
    less, more = position(VALVE, Load(offered, opened, slots)), position(VALVE, Load(offered + 1, opened, slots))
    assert VALVE.minimum <= less.threshold <= more.threshold <= VALVE.maximum


@pytest.mark.parametrize("changes", [{"low": 1.3}, {"width": 0}, {"minimum": 50}, {"maximum": 30}, {"step": 0}])
def test_a_valve_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        replace(VALVE, **changes)


def test_a_queue_without_an_age_is_refused() -> None:
    rule = QueueRule(50, 0.05, 480, 3, 30, 3, 2, 0.1)
    for changes in ({"age_minutes": 0}, {"score_floor": 0}, {"held": -1}):
        with pytest.raises(ValueError, match=r"0"):
            replace(rule, **changes)


def test_weeks_begin_on_monday_in_tokyo() -> None:
    sunday_in_london = datetime(2026, 4, 5, 15, 30, tzinfo=UTC)  # Monday 00:30 in Tokyo
    assert week_of(sunday_in_london, TOKYO) == (tokyo("2026-04-06 00:00"), tokyo("2026-04-13 00:00"))


def test_regions_have_names_of_their_own() -> None:
    assert valve_of("company") != "company"
