"""The health score: worked example, missing inputs, bands, overrides, and the facts it is made of."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.customer_success.domain.facts import FACTS, Picture, Task, Ticket, Use, facts
from services.customer_success.domain.health import (
    Band,
    Fact,
    Formula,
    Health,
    Measure,
    Profile,
    band,
    judge,
    moved,
    weigh,
)
from services.customer_success.schemas.rules import HealthRule
from services.customer_success.settings import SHIPPED_RULES
from shared.clock import TOKYO

FORMULA = HealthRule.model_validate(SHIPPED_RULES["health"]).formula(1)
PROFILE = FORMULA.profiles[0]
TODAY = date(2026, 11, 21)
INPUTS: dict[str, float | None] = {
    "usage": 40,
    "onboarding": 30,
    "support": 60,
    "sentiment": None,
    "engagement": 50,
    "billing": 100,
    "outcome": None,
}


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def test_missing_inputs_are_left_out_not_counted_as_zero() -> None:
    found = weigh(FORMULA, PROFILE, INPUTS, {})
    assert (found.score, found.coverage, found.band) == (50.625, 0.8, Band.WATCH)
    assert {reason.input: reason.contribution for reason in found.reasons} == {
        "usage": -11.25,
        "onboarding": -7.5,
        "support": -1.875,
        "engagement": -2.5,
        "billing": 3.75,
    }
    assert found.reasons[0].input == "usage"
    assert sum(reason.contribution for reason in found.reasons) == pytest.approx(50.625 - PROFILE.baseline)


def test_too_little_known_is_unknown() -> None:
    few = {**dict.fromkeys(INPUTS), "usage": 90.0, "support": 90.0, "engagement": 90.0}
    found = weigh(FORMULA, PROFILE, few, {})
    assert (found.score, found.band, found.coverage, found.reasons) == (None, Band.UNKNOWN, 0.55, ())
    nothing = judge(FORMULA, PROFILE, {})
    assert (nothing.score, nothing.coverage) == (None, 0.0)
    assert set(nothing.inputs) == set(INPUTS)


@pytest.mark.parametrize(
    ("score", "before", "expected"),
    [
        (75, Band.UNKNOWN, Band.HEALTHY),
        (74.9, Band.UNKNOWN, Band.WATCH),
        (49.9, Band.UNKNOWN, Band.RISK),
        (73, Band.HEALTHY, Band.HEALTHY),
        (71.9, Band.HEALTHY, Band.WATCH),
        (77, Band.WATCH, Band.WATCH),
        (78, Band.WATCH, Band.HEALTHY),
        (48, Band.WATCH, Band.WATCH),
        (46.9, Band.WATCH, Band.RISK),
        (52, Band.RISK, Band.RISK),
        (53, Band.RISK, Band.WATCH),
        (77, Band.RISK, Band.WATCH),
        (20, Band.HEALTHY, Band.RISK),
        (48, Band.HEALTHY, Band.WATCH),
    ],
)
def test_a_band_is_left_only_beyond_the_hysteresis(score: float, before: Band, expected: Band) -> None:
    assert band(PROFILE, score, before, 3) is expected


def test_an_override_caps_and_says_so() -> None:
    good = dict.fromkeys(INPUTS, 90.0)
    capped = weigh(FORMULA, PROFILE, good, {"overdue_days": Fact(31), "idle_days": Fact(20)})
    assert (capped.score, capped.band) == (40, Band.RISK)
    reasons = {reason.input: reason.contribution for reason in capped.reasons}
    assert reasons["payment_overdue"] == -50
    assert "no_recent_use" not in reasons, "what is below the cap already took nothing away"
    assert sum(reasons.values()) == pytest.approx(40 - PROFILE.baseline)
    assert weigh(FORMULA, PROFILE, good, {"overdue_days": Fact(30)}).score == 90


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (None, None),
        (Fact(-1), 0),
        (Fact(0), 0),
        (Fact(0.25), 30),
        (Fact(0.5), 60),
        (Fact(0.8), 100),
        (Fact(7), 100),
        (Fact(0.5, age_days=30), 60),
        (Fact(0.5, age_days=31), None),
    ],
)
def test_a_measure_is_a_line_between_points_and_grows_old(fact: Fact | None, expected: float | None) -> None:
    measure = Measure("licence_use", ((0, 0), (0.5, 60), (0.8, 100)), 30)
    assert measure.score({"licence_use": fact} if fact else {}) == expected


def test_the_first_profile_that_fits_judges() -> None:
    young = Profile("young", frozenset({"smb"}), 30, 60, 70, 40, PROFILE.inputs)
    formula = Formula(2, 0.6, 3, (young, PROFILE), ())
    assert formula.profile("smb", 29) is young
    assert formula.profile("smb", 30) is PROFILE
    assert formula.profile("enterprise", 1) is PROFILE


@pytest.mark.parametrize(
    ("score", "found", "expected"),
    [
        (None, Health(None, Band.UNKNOWN, 0, (), {}), False),
        (None, Health(70, Band.WATCH, 1, (), {}), True),
        (70.2, Health(69.8, Band.WATCH, 1, (), {}), False),
        (70.2, Health(68.9, Band.WATCH, 1, (), {}), True),
        (70.2, Health(70.2, Band.HEALTHY, 1, (), {}), True),
        (70.2, Health(None, Band.UNKNOWN, 0.5, (), {}), True),
    ],
)
def test_only_another_rounded_score_or_band_is_worth_telling(
    score: float | None, found: Health, expected: bool
) -> None:
    assert moved(score, Band.UNKNOWN if score is None else Band.WATCH, found) is expected


def test_nothing_stored_gives_no_facts() -> None:
    assert facts(Picture(), TODAY, TOKYO) == {}


def test_use_gives_trend_breadth_and_licences() -> None:
    picture = Picture(seats=10, use=Use(ago(100), ago(2), count_28=40, count_84=240, features_28=3, users_28=5))
    found = facts(picture, TODAY, TOKYO)
    assert found["idle_days"] == Fact(2, 2)
    assert found["usage_trend"] == Fact(0.5, 2)
    assert found["licence_use"] == Fact(0.5, 2)
    assert found["feature_breadth"] == Fact(3, 2)
    young = Picture(use=Use(ago(20), ago(0), 40, 40, 1, None))
    assert not facts(young, TODAY, TOKYO).keys() & {"usage_trend", "licence_use"}


def test_use_that_stopped_is_old_but_still_overrides() -> None:
    stopped = Picture(use=Use(ago(200), ago(40), 0, 10, 0, None))
    found = judge(FORMULA, PROFILE, facts(stopped, TODAY, TOKYO))
    assert found.inputs["usage"] is None
    assert facts(stopped, TODAY, TOKYO)["idle_days"].value == 40


@pytest.mark.parametrize(
    ("tasks", "share", "late"),
    [
        ([Task(ago(-5), None)], None, None),
        ([Task(ago(3), None), Task(ago(-5), None)], 0, 3),
        ([Task(ago(3), ago(2)), Task(ago(-5), None)], 1, 0),
        ([Task(ago(3), ago(2)), Task(ago(9), None)], 0.5, 9),
        ([Task(ago(-3), ago(1))], 1, 0),
    ],
)
def test_onboarding_counts_what_is_due_or_done(tasks: list[Task], share: float | None, late: float | None) -> None:
    found = facts(Picture(tasks=tasks), TODAY, TOKYO)
    shown = [found[name].value if name in found else None for name in ("onboarding_done_share", "onboarding_days_late")]
    assert shown == [share, late]


def test_tickets_give_what_is_open_and_how_fast_it_was_solved() -> None:
    tickets = [
        Ticket("complaint", "urgent", ago(3), None, 0, None),
        Ticket("question", "low", ago(50), ago(48), 2.0, 5),
        Ticket("question", None, ago(60), ago(50), 10.0, 3),
        Ticket("question", None, ago(300), ago(200), 100.0, 1),
    ]
    found = facts(Picture(tickets=tickets), TODAY, TOKYO)
    values = {name: found[name].value for name in ("open_tickets", "open_urgent_tickets", "open_complaints")}
    assert values == {"open_tickets": 1, "open_urgent_tickets": 1, "open_complaints": 1}
    assert (found["resolution_days"].value, found["ticket_satisfaction"].value) == (6, 4)
    quiet = facts(Picture(tickets=tickets[1:]), TODAY, TOKYO)
    assert (quiet["open_tickets"].value, quiet["open_tickets"].age_days) == (0, 48)


def test_people_and_payments() -> None:
    def noted(days: int, on: date | None = None) -> tuple[datetime, date | None]:
        return datetime(2026, 11, 21, 3, tzinfo=UTC) - timedelta(days=days), on

    picture = Picture(
        pulses={"nps": (9, ago(10))},
        signals={
            "review_held": noted(40),
            "meeting_held": noted(12),
            "champion_named": noted(90),
            "champion_left": noted(5),
            "payment_overdue": noted(3, ago(33)),
            "payment_settled": noted(20),
            "discount_granted": noted(100, ago(-10)),
        },
        kept=["yes", "partly", "no", "yes"],
        renewal_on=ago(-60),
        notice_given=True,
    )
    found = {name: fact.value for name, fact in facts(picture, TODAY, TOKYO).items()}
    assert found == {
        "nps": 9,
        "review_age_days": 12,
        "champion_present": 0,
        "overdue_days": 33,
        "discount_days_left": 10,
        "days_to_renewal": 60,
        "promises_kept_share": 0.625,
        "notice_given": 1,
    }
    assert found.keys() <= FACTS.keys()
    picture.signals["payment_settled"] = noted(1)
    assert facts(picture, TODAY, TOKYO)["overdue_days"].value == 0


@pytest.mark.parametrize(("zone", "days"), [("Asia/Tokyo", 0), ("America/New_York", 1)])
def test_the_day_of_a_signal_is_the_company_s(zone: str, days: int) -> None:
    noted = datetime(2026, 11, 20, 20, tzinfo=UTC), None
    kinds = {"review_age_days": "meeting_held", "champion_present": "champion_left", "overdue_days": "payment_overdue"}
    found = facts(Picture(signals={kind: noted for kind in kinds.values()}), TODAY, ZoneInfo(zone))
    assert (found["review_age_days"].value, found["overdue_days"].value) == (days, days)
    assert found["champion_present"].age_days == days
