"""Every act in every status of a prospect: where it leads, or the rule that refuses it."""

from datetime import UTC, datetime, timedelta

import pytest

from services.inside_sales.domain.appointment import place_code
from services.inside_sales.domain.lifecycle import (
    MOVES,
    Act,
    BeforePreviousStep,
    HeldByOther,
    IllegalMove,
    Status,
    held,
    move,
    step_at,
)

TABLE = """
            claim                release              contact              discover             accept               reject               hand_over            book                 drop
nurturing   !not_handed_over     !not_handed_over     !not_handed_over     !not_handed_over     !not_handed_over     !not_handed_over     !not_handed_over     !not_handed_over     !not_handed_over
waiting     claimed              !not_claimed         waiting              waiting              accepted             rejected             !not_accepted        !not_an_sql          dropped
claimed     claimed              waiting              claimed              claimed              accepted             rejected             !not_accepted        !not_an_sql          dropped
accepted    accepted             accepted             accepted             accepted             !already_accepted    !already_accepted    handed_over          !not_an_sql          dropped
handed_over !already_handed_over !already_handed_over handed_over          !already_handed_over !already_handed_over !already_handed_over !already_handed_over handed_over          !already_handed_over
opened      !already_handed_over !already_handed_over opened               !already_handed_over !already_handed_over !already_handed_over !already_handed_over opened               !already_handed_over
won         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended
lost        !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended
returned    !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended
rejected    !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended
dropped     !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended         !cycle_ended
merged      !merged              !merged              !merged              !merged              !merged              !merged              !merged              !merged              !merged
erased      !erased              !erased              !erased              !erased              !erased              !erased              !erased              !erased              !erased
"""  # noqa: E501  a table is read by its columns; ! marks the rule that refuses
ACTS, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
CASES = [(Status(status), Act(act), expected) for status, *row in ROWS for act, expected in zip(ACTS, row, strict=True)]


def test_the_table_knows_every_status_and_act() -> None:
    assert {(status, act) for status, act, _ in CASES} == {(status, act) for status in Status for act in Act}
    assert set(MOVES) == {(status, act) for status, act, expected in CASES if not expected.startswith("!")}


@pytest.mark.parametrize(("status", "act", "expected"), CASES)
def test_a_move_leads_on_or_names_its_rule(status: Status, act: Act, expected: str) -> None:
    if not expected.startswith("!"):
        assert move(status, act) == expected
        return
    with pytest.raises(IllegalMove) as refused:
        move(status, act, owner="sato")
    assert refused.value.rule == expected[1:]
    assert refused.value.more["owner"] == "sato"
    assert refused.value.more["current"] == status


@pytest.mark.parametrize(
    ("status", "act", "missing"),
    [
        (Status.WAITING, Act.HAND_OVER, ["accept"]),
        (Status.ACCEPTED, Act.BOOK, ["hand_over"]),
        (Status.WAITING, Act.RELEASE, ["claim"]),
    ],
)
def test_a_refusal_says_what_would_have_to_come_first(status: Status, act: Act, missing: list[str]) -> None:
    with pytest.raises(IllegalMove) as refused:
        move(status, act)
    assert refused.value.more["missing"] == missing


def test_only_the_holder_works_on_it() -> None:
    held(None, "sato")
    held("sato", "sato")
    with pytest.raises(HeldByOther) as refused:
        held("suzuki", "sato")
    assert refused.value.more["owner"] == "suzuki"


NOON = datetime(2026, 4, 3, 3, tzinfo=UTC)


def test_a_step_is_dated_as_told_and_never_before_the_one_before() -> None:
    earlier, later = NOON - timedelta(hours=1), NOON + timedelta(seconds=30)
    assert step_at(earlier, NOON, None) == earlier
    assert step_at(earlier, NOON, earlier) == earlier
    assert step_at(None, NOON, earlier) == NOON
    assert step_at(None, NOON, later) == later, "the other department's clock was a little ahead"
    with pytest.raises(BeforePreviousStep):
        step_at(earlier, NOON, NOON)


@pytest.mark.parametrize(
    ("place", "code"), [("online", "online"), ("phone", "phone"), ("東京都千代田区1-1", "visit"), (None, None)]
)
def test_an_address_never_becomes_a_code(place: str | None, code: str | None) -> None:
    assert place_code(place) == code
