"""The score and the criteria for an MQL."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from services.marketing.commands.rules import RULES as BOOK
from services.marketing.domain.qualification import Criteria, CriteriaRules, unmet
from services.marketing.domain.scoring import (
    FitRule,
    Known,
    Score,
    ScoringRules,
    Touch,
    TouchPoints,
    engagement,
    fit,
)

NOW = datetime(2026, 11, 21, tzinfo=UTC)
RULES = ScoringRules(
    half_life_days=10,
    touches={"webinar": TouchPoints(20), "page_view": TouchPoints(1, at_most=3)},
    other_touch=TouchPoints(2),
)


def ago(days: float, kind: str = "webinar") -> Touch:
    return Touch(kind, NOW - timedelta(days=days))


@pytest.mark.parametrize(
    ("touches", "expected"),
    [
        ([], 0),
        ([ago(0)], 20),
        ([ago(10)], 10),
        ([ago(20)], 5),
        ([ago(0), ago(10)], 30),
        ([ago(0, "unheard_of")], 2),
        ([ago(0, "page_view")] * 9, 3),  # only so many of a kind count
        ([ago(10, "page_view")] * 9 + [ago(0, "page_view")], 2),  # and those are the newest
        ([ago(-1)], 0),  # what comes later does not count yet
        ([ago(0)] * 9, 100),  # capped
    ],
)
def test_interest_halves_with_every_half_life(touches: list[Touch], expected: float) -> None:
    assert engagement(touches, RULES, at=NOW, cycle_began=None) == pytest.approx(expected)


def test_the_order_in_which_touches_are_told_does_not_matter() -> None:
    touches = [ago(3), ago(1, "page_view"), ago(8), ago(0, "other")]
    straight = engagement(touches, RULES, at=NOW, cycle_began=None)
    assert engagement(touches[::-1], RULES, at=NOW, cycle_began=None) == straight


@pytest.mark.parametrize(("carry_over", "expected"), [(0.0, 20.0), (0.5, 25.0), (1.0, 30.0)])
def test_interest_of_an_earlier_cycle_is_worth_what_the_rule_says(carry_over: float, expected: float) -> None:
    rules = ScoringRules(10, touches=RULES.touches, carry_over=carry_over)
    began = NOW - timedelta(days=5)
    assert engagement([ago(10), ago(0)], rules, at=NOW, cycle_began=began) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("rule", "value", "holds"),
    [
        (FitRule("industry", 1, any_of=("IT", "製造")), "ＩＴ", True),
        (FitRule("industry", 1, any_of=("IT",)), "IT services", False),
        (FitRule("job_title", 1, contains=("部長",)), "営業部長", True),
        (FitRule("job_title", 1, contains=("Manager",)), "sales manager", True),
        (FitRule("employees", 1, at_least=50), 50, True),
        (FitRule("employees", 1, at_least=50), 49, False),
        (FitRule("employees", 1, at_least=50, at_most=100), 101, False),
        (FitRule("employees", 1, at_most=100), 0, True),
        (FitRule("employees", 1, at_least=50), None, False),
        (FitRule("employees", 1), 0, True),
        (FitRule("phone", 1), "03-1234-5678", True),
        (FitRule("phone", 1), None, False),
        (FitRule("consent", 1), True, True),
        (FitRule("consent", 1), False, False),
        (FitRule("segment", 1, at_least=1), "5", False),  # a text is no number
    ],
)
def test_fit_rules(rule: FitRule, value: Known, holds: bool) -> None:
    assert rule.holds({rule.field: value}) is holds


def test_fit_is_a_sum_between_zero_and_its_cap() -> None:
    def rules(*points: int) -> ScoringRules:
        return ScoringRules(10, fit=tuple(FitRule("phone", p) for p in points), most_fit=30)

    facts = {"phone": "03"}
    assert [fit(facts, rules(10, 5)), fit(facts, rules(20, 20)), fit(facts, rules(-5))] == [15, 30, 0]


def test_a_score_is_rounded_once() -> None:
    assert [Score(10, 4.5).total, Score(10, 5.5).total, Score(10, 4.49).total] == [14, 16, 14]


@pytest.mark.parametrize(
    ("criteria", "missing"),
    [
        (Criteria(score=50), []),
        (Criteria(score=51), ["score 51 (is 50)"]),
        (Criteria(score=0, fit=31), ["fit 31 (is 30)"]),
        (Criteria(score=0, engagement=21), ["engagement 21 (is 20)"]),
        (Criteria(score=0, required=("industry", "job_title")), ["job_title"]),
        (Criteria(score=0, required=("consent",)), ["consent"]),
        (Criteria(score=99, fit=99, required=("consent",)), ["score 99 (is 50)", "fit 99 (is 30)", "consent"]),
    ],
)
def test_what_is_missing_for_an_mql(criteria: Criteria, missing: list[str]) -> None:
    facts: dict[str, Known] = {"email": "a@x.jp", "industry": "IT", "consent": False}
    assert unmet(criteria, facts, Score(30, 20.0)) == missing


def test_whom_nobody_can_reach_is_no_mql() -> None:
    assert unmet(Criteria(score=0), {}, Score(99, 99)) == ["email or phone"]
    assert unmet(Criteria(score=0, reachable=False), {}, Score(99, 99)) == []


def test_a_segment_has_criteria_of_its_own() -> None:
    rules = CriteriaRules(by_segment={"ENT": Criteria(score=30)})
    assert (rules.of("ENT").score, rules.of("SMB").score, rules.of(None).score) == (30, 50, 50)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("scoring", {"half_life_days": 0}),
        ("scoring", {"half_life_days": 1e-300}),
        ("scoring", {"half_life_days": float("nan")}),
        ("scoring", {"half_life_days": 10, "most_fit": 10**9}),
        ("scoring", {"half_life_days": 10, "touches": {"webinar": {"points": 1e308}}}),
        ("scoring", {"half_life_days": 10, "fit": [{"field": "phone", "points": 10**9}]}),
        ("scoring", {"half_life_days": 10, "half_live": 1}),
        ("scoring", {"half_life_days": 10, "carry_over": 2}),
        ("scoring", {"half_life_days": 10, "fit": [{"field": "shoe_size", "points": 1}]}),
        ("scoring", {"half_life_days": 10, "fit": [{"field": "phone", "points": 1, "is": "x"}]}),
        ("scoring", {"half_life_days": 10, "touches": {"webinar": {"points": 1, "at_most": 0}}}),
        ("mql_criteria", {"everybody": {"required": ["shoe_size"]}}),
        ("mql_criteria", {"everybody": {"points": 5}}),
        ("recycling", {"never": []}),
        ("recycling", {"sources": {"boredom": {}}}),
        ("recycling", {"sources": {"deal_lost": {"wait_days": -1}}}),
        ("company", {"joins": ["friends"]}),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(name: str, rule: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        BOOK.understand(name, rule)
