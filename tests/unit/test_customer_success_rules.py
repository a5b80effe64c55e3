"""The rules of customer success as tables: contract moves, days, onboarding, alarms, shipped data."""

from datetime import UTC, date, datetime

import pytest
from pydantic import ValidationError

from services.customer_success.commands.rules import RULES
from services.customer_success.domain.calendar import (
    BeforePreviousStep,
    add_months,
    is_over,
    moment,
    next_renewal,
    week_of,
)
from services.customer_success.domain.conditions import Alarm, Condition, ringing
from services.customer_success.domain.contracts import MOVES, Act, IllegalMove, Status, move
from services.customer_success.domain.onboarding import PlanTemplate, TaskTemplate, plan
from services.customer_success.schemas.rules import HealthRule, Onboarding, PlanIn
from services.customer_success.settings import REASONS, SHIPPED_RULES


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("act", Act)
def test_every_move_is_allowed_by_the_table_or_refused_by_the_state(status: Status, act: Act) -> None:
    if (status, act) in MOVES:
        assert move(status, act) is MOVES[status, act]
    else:
        with pytest.raises(IllegalMove) as refused:
            move(status, act)
        assert refused.value.rule == f"contract_{status}"


@pytest.mark.parametrize(
    ("status", "act"),
    [
        (Status.ENDED, Act.CHANGE),
        (Status.ENDED, Act.RENEW),
        (Status.ENDED, Act.CHURN),
        (Status.VOID, Act.CHANGE),
        (Status.VOID, Act.RENEW),
        (Status.VOID, Act.CHURN),
        (Status.VOID, Act.VOID),
        (Status.SCHEDULED, Act.CHANGE),
        (Status.SCHEDULED, Act.RENEW),
        (Status.ACTIVE, Act.WIN),
        (Status.ENDED, Act.WIN),
        (Status.SCHEDULED, Act.WIN),
    ],
)
def test_illegal_moves(status: Status, act: Act) -> None:
    with pytest.raises(IllegalMove):
        move(status, act)


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2026, 12, 15), 1, date(2027, 1, 15)),
        (date(2026, 4, 1), 12, date(2027, 4, 1)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
    ],
)
def test_months_end_with_their_last_day(day: date, months: int, expected: date) -> None:
    assert add_months(day, months) == expected


@pytest.mark.parametrize(
    ("starts_on", "term", "on", "expected"),
    [
        (date(2023, 4, 1), 12, date(2026, 11, 21), date(2027, 4, 1)),
        (date(2026, 4, 1), 12, date(2026, 4, 1), date(2027, 4, 1)),
        (date(2025, 4, 1), 12, date(2026, 4, 1), date(2027, 4, 1)),
        (date(2023, 1, 31), 3, date(2026, 4, 29), date(2026, 4, 30)),
        (date(2027, 1, 1), 12, date(2026, 4, 1), date(2028, 1, 1)),
    ],
)
def test_a_contract_that_renews_itself_falls_due_next(starts_on: date, term: int, on: date, expected: date) -> None:
    assert next_renewal(starts_on, term, on) == expected


def test_a_week_is_over_on_the_monday_after_it() -> None:
    assert week_of(date(2026, 11, 22)) == week_of(date(2026, 11, 16)) == date(2026, 11, 16)
    assert not is_over(date(2026, 11, 16), date(2026, 11, 22))
    assert is_over(date(2026, 11, 16), date(2026, 11, 23))


def test_nothing_is_told_before_the_previous_step() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    eleven, one = noon.replace(hour=11), noon.replace(hour=13)
    assert moment(eleven, one, None) == eleven
    assert moment(noon, one, noon) == noon
    assert (moment(None, one, noon), moment(None, one, None)) == (one, one)
    assert moment(None, noon, one) == one, "another's clock may be ahead"
    with pytest.raises(BeforePreviousStep):
        moment(eleven, one, noon)


def test_the_first_plan_that_fits_is_taken() -> None:
    big = PlanTemplate(frozenset({"enterprise"}), frozenset(), (TaskTemplate("kickoff", "開始", "Start", 3),))
    suite = PlanTemplate(frozenset(), frozenset({"suite"}), (TaskTemplate("setup", "設定", "Set-up", 10),))
    start = date(2026, 4, 1)
    found = plan([big, suite], segment="enterprise", product="suite", starts_on=start)
    assert [(task.key, task.due_on) for task in found] == [("kickoff", date(2026, 4, 4))]
    assert [task.key for task in plan([big, suite], segment=None, product="suite", starts_on=start)] == ["setup"]
    assert plan([big, suite], segment="smb", product=None, starts_on=start) == []


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({}, ()),
        ({"days_to_renewal": 30.0}, ()),
        ({"days_to_renewal": 30.0, "band_level": 1.0}, ("renewal",)),
        ({"days_to_renewal": 91.0, "band_level": 1.0}, ()),
        ({"days_to_renewal": 30.0, "band_level": 2.0, "idle_days": 30.0}, ("quiet",)),
    ],
)
def test_an_alarm_rings_when_all_its_conditions_hold(numbers: dict[str, float], expected: tuple[str, ...]) -> None:
    renewal = Alarm("renewal", (Condition("days_to_renewal", below=91), Condition("band_level", below=2)))
    assert ringing([renewal, Alarm("quiet", (Condition("idle_days", at_least=30),))], numbers) == expected


def test_what_ships_is_sound() -> None:
    assert set(SHIPPED_RULES) == set(RULES.kinds)
    for name, body in SHIPPED_RULES.items():
        RULES.understand(name, body)
    health = HealthRule.model_validate(SHIPPED_RULES["health"])
    weights = {found.name: found.weight for found in health.profiles[0].inputs}
    assert sum(weights.values()) == pytest.approx(1)
    assert set(weights) == set(REASONS.codes("health_input"))
    alarms = {alarm["code"] for alarm in SHIPPED_RULES["churn_risk"]["alarms"]}
    overrides = {override["code"] for override in SHIPPED_RULES["health"]["overrides"]}
    assert alarms | overrides <= set(REASONS.codes("churn_risk"))


def test_a_rule_that_makes_no_sense_is_refused() -> None:
    task = {"key": "kickoff", "ja": "開始", "en": "Start", "due_days": 1}
    with pytest.raises(ValidationError, match="stands once"):
        PlanIn.model_validate({"tasks": [task, task]})
    with pytest.raises(ValidationError):
        Onboarding.model_validate({"plans": [{"tasks": []}], "plan_within_days": 1})
    profile = SHIPPED_RULES["health"]["profiles"][0]
    mistakes: list[dict[str, object]] = [{"watch": 80}, {"inputs": []}, {"baseline": 101}]
    for wrong in mistakes:
        with pytest.raises(ValidationError):
            HealthRule.model_validate(SHIPPED_RULES["health"] | {"profiles": [profile | wrong]})
    measure = {"fact": "horoscope", "valid_days": 30, "curve": [[0, 0], [1, 100]]}
    falling = {"fact": "nps", "valid_days": 30, "curve": [[1, 0], [0, 100]]}
    for found in (measure, falling):
        inputs = [{"name": "usage", "weight": 1, "measures": [found]}]
        with pytest.raises(ValidationError):
            HealthRule.model_validate(SHIPPED_RULES["health"] | {"profiles": [profile | {"inputs": inputs}]})


def test_reasons_have_words_in_both_languages() -> None:
    for purpose in ("change", "churn", "ticket_kind", "ticket_priority", "respondent_role", "signal"):
        for code in REASONS.codes(purpose):
            found = REASONS.find(purpose, code)
            assert found.ja
            assert found.en
    assert REASONS.find("churn", "out_of_business").recyclable is False
