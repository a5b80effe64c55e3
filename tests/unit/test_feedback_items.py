"""The life of a feedback item: every move, and copies that meet in any order."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.feedback.items import (
    MOVES,
    WHO,
    Act,
    BeforePreviousStep,
    IllegalMove,
    Progress,
    Side,
    State,
    Telling,
    acts_open,
    steps,
)
from shared.feedback.kinds import KINDS, Kind

GIVEN_AT = datetime(2026, 4, 1, tzinfo=UTC)

WAYS: dict[State, tuple[Act, ...]] = {
    State.GIVEN: (),
    State.ACKNOWLEDGED: (Act.ACKNOWLEDGE,),
    State.ACCEPTED: (Act.ACKNOWLEDGE, Act.ACCEPT),
    State.DECLINED: (Act.DECLINE,),
    State.ACTED: (Act.ACCEPT, Act.ACT),
    State.CLOSED: (Act.ACCEPT, Act.ACT, Act.CLOSE),
}
ALLOWED = {
    State.GIVEN: {Act.ACKNOWLEDGE, Act.ACCEPT, Act.DECLINE},
    State.ACKNOWLEDGED: {Act.ACCEPT, Act.DECLINE},
    State.ACCEPTED: {Act.ACT},
    State.DECLINED: {Act.CLOSE},
    State.ACTED: {Act.CLOSE},
    State.CLOSED: set(),
}


def in_state(state: State) -> Progress:
    progress = Progress()
    for day, act in enumerate(WAYS[state], start=1):
        for step in steps(progress, act, Telling(State.GIVEN, GIVEN_AT + timedelta(days=day)), GIVEN_AT):
            progress = progress.told(step)
    return progress


@pytest.mark.parametrize(("state", "act"), list(product(State, Act)))
def test_each_act_is_open_in_exactly_its_states(state: State, act: Act) -> None:
    progress = in_state(state)
    assert progress.state is state
    later = Telling(State.GIVEN, GIVEN_AT + timedelta(days=9))
    if act in ALLOWED[state]:
        assert steps(progress, act, later, GIVEN_AT)[-1].at == later.at
    else:
        with pytest.raises(IllegalMove):
            steps(progress, act, later, GIVEN_AT)


@pytest.mark.parametrize("act", [Act.ACCEPT, Act.DECLINE])
def test_deciding_without_acknowledging_acknowledges_at_the_same_moment(act: Act) -> None:
    at = GIVEN_AT + timedelta(hours=1)
    first, second = steps(Progress(), act, Telling(State.GIVEN, at, reason="because"), GIVEN_AT)
    assert first == Telling(State.ACKNOWLEDGED, at)
    assert second == Telling(State.ACCEPTED if act is Act.ACCEPT else State.DECLINED, at, reason="because")


def test_a_step_cannot_lie_before_the_one_before_it() -> None:
    acknowledged = Progress(acknowledged=Telling(State.ACKNOWLEDGED, GIVEN_AT + timedelta(days=2)))
    with pytest.raises(BeforePreviousStep):
        steps(acknowledged, Act.ACCEPT, Telling(State.GIVEN, GIVEN_AT + timedelta(days=1)), GIVEN_AT)
    with pytest.raises(BeforePreviousStep):
        steps(Progress(), Act.ACKNOWLEDGE, Telling(State.GIVEN, GIVEN_AT - timedelta(seconds=1)), GIVEN_AT)


@pytest.mark.parametrize(
    ("state", "sides", "expected"),
    [
        (State.GIVEN, {Side.RECEIVER}, (Act.ACKNOWLEDGE, Act.ACCEPT, Act.DECLINE)),
        (State.GIVEN, {Side.SENDER}, ()),
        (State.ACTED, {Side.RECEIVER}, ()),
        (State.ACTED, {Side.SENDER}, (Act.CLOSE,)),
        (State.DECLINED, {Side.SENDER, Side.RECEIVER}, (Act.CLOSE,)),
        (State.CLOSED, {Side.SENDER, Side.RECEIVER}, ()),
    ],
)
def test_only_the_acts_of_ones_own_side_are_open(state: State, sides: set[Side], expected: tuple[Act, ...]) -> None:
    assert acts_open(state, frozenset(sides)) == expected


moments = st.integers(0, 5).map(lambda hours: GIVEN_AT + timedelta(hours=hours))
notes = st.sampled_from([None, "a", "b"])
tellings = st.builds(
    Telling, st.sampled_from(State), moments, reason=notes, change=notes, useful=st.sampled_from([None, True, False])
)


@given(st.lists(tellings, max_size=8).flatmap(lambda told: st.tuples(st.just(told), st.permutations(told))))
def test_a_copy_does_not_depend_on_the_order_it_was_told_in(both: tuple[list[Telling], list[Telling]]) -> None:
    def copy(told: list[Telling]) -> Progress:
        progress = Progress()
        for telling in told:
            progress = progress.told(telling)
        return progress

    assert copy(both[0]) == copy(both[1]) == copy([*both[1], *both[0]])


@given(st.data())
def test_two_departments_acting_on_their_own_copies_end_in_the_same_state(data: st.DataObject) -> None:
    """Each side acts on what it knows; what it tells reaches the other in any order, any number of times."""
    copies = {side: Progress() for side in Side}
    on_the_way: dict[Side, list[Telling]] = {side: [] for side in Side}
    for hour in range(1, data.draw(st.integers(1, 12)) + 1):
        side = data.draw(st.sampled_from(Side))
        other = Side.SENDER if side is Side.RECEIVER else Side.RECEIVER
        open_now = acts_open(copies[side].state, frozenset({side}))
        act_now: bool = data.draw(st.booleans())
        if open_now and act_now:
            act = data.draw(st.sampled_from(open_now))
            # the clocks of two departments differ: an act may be dated before what the other side told
            said = Telling(State.GIVEN, max(copies[side].latest(GIVEN_AT), GIVEN_AT + timedelta(hours=hour)))
            for step in steps(copies[side], act, said, GIVEN_AT):
                copies[side] = copies[side].told(step)
                on_the_way[other].append(step)
        elif on_the_way[side]:
            letter = data.draw(st.sampled_from(on_the_way[side]))
            copies[side] = copies[side].told(letter)
    for side, letters in on_the_way.items():
        for letter in data.draw(st.permutations(letters)):
            copies[side] = copies[side].told(letter)
    assert copies[Side.SENDER] == copies[Side.RECEIVER]
    assert copies[Side.SENDER].state is copies[Side.RECEIVER].state


def test_every_move_and_kind_is_spelled_out() -> None:
    assert {act for _, act in MOVES} == set(Act) == set(WHO)
    assert [reason.code for reason in KINDS] == [kind.value for kind in Kind]
    assert all(reason.ja and reason.en for reason in KINDS)
