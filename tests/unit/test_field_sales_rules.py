"""The rules of field sales as tables, without a database."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.field_sales.domain import appointments, lifecycle
from services.field_sales.domain.appointments import AppointmentAct, AppointmentOver, AppointmentStatus
from services.field_sales.domain.first_visit import Comparison, compare
from services.field_sales.domain.history import Step, spans
from services.field_sales.domain.lifecycle import Act, BeforePreviousStep, IllegalMove, Status, in_order
from services.field_sales.domain.phases import ExitCriteriaNotMet, Phase, Phases
from services.field_sales.domain.slots import BusinessHours, free_slots
from services.field_sales.schemas.reasons import REASONS, recyclable
from shared.errors import Invalid

MOVES = {
    (Status.OFFERED, Act.ACCEPT): Status.OPEN,
    (Status.OFFERED, Act.RETURN): Status.RETURNED,
    (Status.OFFERED, Act.UPDATE): Status.OFFERED,
    (Status.OPEN, Act.UPDATE): Status.OPEN,
    (Status.OPEN, Act.MOVE_PHASE): Status.OPEN,
    (Status.OPEN, Act.REVIEW_FIRST_VISIT): Status.OPEN,
    (Status.OPEN, Act.WIN): Status.WON,
    (Status.OPEN, Act.LOSE): Status.LOST,
    (Status.WON, Act.REOPEN): Status.OPEN,
    (Status.LOST, Act.REOPEN): Status.OPEN,
}
RULES = {
    Act.ACCEPT: "not_offered",
    Act.RETURN: "not_offered",
    Act.UPDATE: "already_ended",
    Act.MOVE_PHASE: "not_open",
    Act.REVIEW_FIRST_VISIT: "not_open",
    Act.WIN: "not_open",
    Act.LOSE: "not_open",
    Act.REOPEN: "not_closed",
}


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize("status", Status)
def test_every_move_leads_on_or_is_refused_by_name(status: Status, act: Act) -> None:
    if (status, act) in MOVES:
        assert lifecycle.move(status, act) is MOVES[status, act]
        return
    with pytest.raises(IllegalMove) as refused:
        lifecycle.move(status, act)
    assert (refused.value.rule, refused.value.status, refused.value.more["current"]) == (RULES[act], 409, status)


APPOINTMENT_MOVES = {
    (AppointmentStatus.SET, AppointmentAct.HOLD): AppointmentStatus.HELD,
    (AppointmentStatus.SET, AppointmentAct.RESCHEDULE): AppointmentStatus.SET,
    (AppointmentStatus.SET, AppointmentAct.MISS): AppointmentStatus.MISSED,
    (AppointmentStatus.SET, AppointmentAct.CANCEL): AppointmentStatus.CANCELLED,
    (AppointmentStatus.MISSED, AppointmentAct.RESCHEDULE): AppointmentStatus.SET,
    (AppointmentStatus.MISSED, AppointmentAct.CANCEL): AppointmentStatus.CANCELLED,
}


@pytest.mark.parametrize("act", AppointmentAct)
@pytest.mark.parametrize("status", AppointmentStatus)
def test_every_end_of_an_appointment_is_possible_or_refused(status: AppointmentStatus, act: AppointmentAct) -> None:
    if (status, act) in APPOINTMENT_MOVES:
        assert appointments.move(status, act) is APPOINTMENT_MOVES[status, act]
        return
    with pytest.raises(AppointmentOver) as refused:
        appointments.move(status, act)
    assert refused.value.rule == "appointment_over"


def test_steps_come_in_order() -> None:
    noon = datetime(2026, 4, 1, 12, tzinfo=UTC)
    later = noon + timedelta(seconds=1)
    assert in_order(noon, later) == in_order(noon, later, None, noon) == noon
    with pytest.raises(BeforePreviousStep) as refused:
        in_order(noon, later, noon - timedelta(days=1), later)
    assert refused.value.rule == "before_previous_step"
    assert in_order(noon, noon, None, later) == later, "told by somebody whose clock is ahead"


PHASES = Phases(
    (
        Phase("discovery", ("mrr|amount", "expected_close_date"), 0.2),
        Phase("proposal", ("next_step_on", "expected_close_date"), 0.5),
        Phase("negotiation", (), 0.8),
    ),
    to_win=("first_visit",),
)


@pytest.mark.parametrize(
    ("current", "target", "known", "missing"),
    [
        ("discovery", "proposal", {"mrr", "expected_close_date"}, []),
        ("discovery", "proposal", {"amount", "expected_close_date"}, []),
        ("discovery", "proposal", {"expected_close_date"}, ["mrr|amount"]),
        ("discovery", "negotiation", {"mrr"}, ["expected_close_date", "next_step_on"]),
        ("proposal", "negotiation", {"expected_close_date"}, ["next_step_on"]),
        (None, "discovery", set(), []),
        (None, "proposal", set(), ["mrr|amount", "expected_close_date"]),
        ("a_phase_of_an_older_version", "proposal", set(), ["mrr|amount", "expected_close_date"]),
    ],
)
def test_forward_needs_the_exit_criteria_of_every_phase_left(
    current: str | None, target: str, known: set[str], missing: list[str]
) -> None:
    if not missing:
        assert PHASES.advance(current, target, known) is False
        return
    with pytest.raises(ExitCriteriaNotMet) as refused:
        PHASES.advance(current, target, known)
    assert (refused.value.rule, refused.value.more["missing"]) == ("exit_criteria", missing)


def test_back_is_always_allowed_and_a_regression() -> None:
    assert PHASES.advance("negotiation", "discovery", set()) is True
    assert PHASES.advance("proposal", "proposal", set()) is False


def test_a_phase_must_exist() -> None:
    with pytest.raises(Invalid, match="discovery, proposal, negotiation"):
        PHASES.advance("discovery", "closing", set())


def test_winning_may_have_criteria_of_its_own() -> None:
    PHASES.may_win({"first_visit"})
    with pytest.raises(ExitCriteriaNotMet) as refused:
        PHASES.may_win({"mrr"})
    assert refused.value.more["missing"] == ["first_visit"]


SCALES = {"budget": ["none", "planned", "secured"], "need": ["none", "explicit"]}


@pytest.mark.parametrize(
    ("note", "found", "expected"),
    [
        ({}, {"budget": "planned"}, Comparison((), (), (), ())),
        ({"budget": "planned"}, {"budget": "planned"}, Comparison(("budget",), (), (), ())),
        ({"budget": "secured"}, {"budget": "none"}, Comparison(("budget",), ("budget",), ("budget",), ())),
        ({"budget": "none"}, {"budget": "secured"}, Comparison(("budget",), ("budget",), (), ("budget",))),
        ({"product": "a"}, {"product": "b"}, Comparison(("product",), ("product",), (), ())),
        ({"need": "explicit", "size": "10"}, {"need": "none"}, Comparison(("need",), ("need",), ("need",), ())),
        ({"budget": "an_old_code"}, {"budget": "none"}, Comparison(("budget",), ("budget",), (), ())),
    ],
)
def test_note_and_first_visit_are_compared_field_by_field(
    note: dict[str, str], found: dict[str, str], expected: Comparison
) -> None:
    assert compare(note, found, SCALES) == expected


def at(day: int) -> datetime:
    return datetime(2026, 4, day, tzinfo=UTC)


def test_stays_in_phases_end_where_the_next_begins_and_pause_while_closed() -> None:
    steps = [
        Step(at(1), None),
        Step(at(3), "discovery"),
        Step(at(4), "discovery"),
        Step(at(8), "proposal"),
        Step(at(10), None),
        Step(at(20), "proposal"),
    ]
    found = spans(steps, at(25))
    assert [(span.phase, span.since, span.until, span.lasted.days) for span in found] == [
        ("discovery", at(3), at(8), 5),
        ("proposal", at(8), at(10), 2),
        ("proposal", at(20), None, 5),
    ]


def test_without_an_open_phase_there_are_no_stays() -> None:
    assert spans([Step(at(1), None)], at(9)) == []


TOKYO = ZoneInfo("Asia/Tokyo")
HOURS = BusinessHours(
    TOKYO,
    frozenset({1, 2, 3, 4, 5}),
    ((time(9), time(12)), (time(13), time(15))),
    frozenset({date(2026, 4, 29)}),
    timedelta(hours=1),
)


def local(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 4, day, hour, minute, tzinfo=TOKYO)


def starts(since: int, until: int, busy: list[tuple[datetime, datetime]], now: datetime) -> list[tuple[int, int]]:
    found = free_slots(HOURS, date(2026, 4, since), date(2026, 4, until), busy, now)
    return [(start.astimezone(TOKYO).day, start.astimezone(TOKYO).hour) for start, _ in found]


def test_free_slots_are_business_hours_without_appointments_and_without_the_past() -> None:
    early = local(1, 0)
    assert starts(1, 2, [], early) == [(1, 9), (1, 10), (1, 11), (1, 13), (1, 14)]
    assert starts(1, 2, [(local(1, 9, 30), local(1, 10, 30))], early) == [(1, 11), (1, 13), (1, 14)]
    assert starts(1, 2, [(local(1, 10), local(1, 11))], early) == [(1, 9), (1, 11), (1, 13), (1, 14)]
    assert starts(1, 2, [], local(1, 10, 1)) == [(1, 11), (1, 13), (1, 14)]


def test_there_are_no_slots_on_weekends_and_holidays() -> None:
    assert starts(4, 6, [], local(1, 0)) == []  # a Saturday and a Sunday
    assert {day for day, _ in starts(27, 30, [], local(1, 0))} == {27, 28}


@pytest.mark.parametrize(
    ("purpose", "code", "given", "expected"),
    [
        ("return", "no_budget", None, True),
        ("return", "duplicate", None, False),
        ("return", "duplicate", True, True),
        ("lose", "timing", None, True),
        ("lose", "timing", False, False),
        ("lose", "not_icp", True, False),
        ("return", "not_icp", True, False),
    ],
)
def test_a_cycle_may_begin_anew_by_its_reason(purpose: str, code: str, given: bool | None, expected: bool) -> None:
    assert recyclable(REASONS.find(purpose, code), given) is expected
