"""What a contract's steps say of its MRR, and what of it must still be told."""

from datetime import UTC, datetime
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.customer_success.domain.timeline import (
    Kind,
    Move,
    Opening,
    Span,
    Step,
    timeline,
    untold,
    without_contract,
)

FAR = datetime(2030, 1, 1, tzinfo=UTC)


def at(day: int) -> datetime:
    return datetime(2026, 1, day, tzinfo=UTC)


def opened(day: int, mrr: int | None = 100) -> Step:
    return Step(at(day), Kind.OPENED, mrr)


def changed(day: int, mrr: int) -> Step:
    return Step(at(day), Kind.CHANGED, mrr, "upsell")


def ended(day: int) -> Step:
    return Step(at(day), Kind.ENDED, 0, "price")


@pytest.mark.parametrize(
    ("steps", "moves", "mrr", "spans"),
    [
        ([opened(1)], [], 100, [(1, None)]),
        ([opened(1), changed(5, 150)], [(5, 50)], 150, [(1, None)]),
        ([opened(1), changed(5, 150), changed(9, 120)], [(5, 50), (9, -30)], 120, [(1, None)]),
        ([opened(1), ended(9)], [(9, -100)], 0, [(1, 9)]),
        ([opened(1), ended(9), changed(9, 150)], [(9, 50)], 150, [(1, None)]),
        ([opened(1), ended(5), changed(9, 70)], [(5, -100), (9, 70)], 70, [(1, 5), (9, None)]),
        ([opened(1), ended(1)], [(1, -100)], 0, [(1, 1)]),
        ([opened(5), changed(2, 130)], [(5, 30)], 130, [(5, None)]),
        ([opened(1, 0), ended(9)], [], 0, [(1, 9)]),
        ([opened(1), Step(at(4), Kind.RENEWED), changed(5, 100)], [], 100, [(1, None)]),
    ],
)
def test_steps_in_any_order_give_one_timeline(
    steps: list[Step], moves: list[tuple[int, int]], mrr: int, spans: list[tuple[int, int | None]]
) -> None:
    for order in permutations(steps):
        found = timeline(order, FAR)
        assert found.opening == Opening(steps[0].at, steps[0].mrr or 0)
        assert [(move.at.day, move.delta) for move in found.moves] == moves
        assert found.mrr == mrr
        assert [(span.since.day, span.until.day if span.until else None) for span in found.spans] == spans


def test_an_mrr_nobody_told_opens_when_it_is_told() -> None:
    unknown = timeline([opened(1, None), ended(9)], FAR)
    assert (unknown.opening, unknown.moves, unknown.mrr) == (None, (), None)
    late = timeline([opened(1, None), changed(5, 80), ended(9)], FAR)
    assert (late.opening, late.moves) == (Opening(at(5), 80), (Move(at(9), -80, "price"),))
    assert late.spans == (Span(at(1), at(9), "price"),)


def test_what_lies_ahead_is_due_and_not_told() -> None:
    steps = [opened(3), ended(20)]
    before, meanwhile = timeline(steps, at(1)), timeline(steps, at(10))
    assert (before.opening, before.spans, before.due_at) == (None, (), at(3))
    assert (meanwhile.mrr, meanwhile.active, meanwhile.due_at) == (100, True, at(20))
    assert timeline(steps, at(20)).due_at is None


def test_only_the_difference_to_what_was_told_is_told() -> None:
    found = timeline([opened(1, 120), changed(5, 150)], FAR)
    assert untold(found, Opening(at(1), 120), {at(5): 30}) == (None, [])
    assert untold(found, None, {}) == (Opening(at(1), 120), [Move(at(5), 30, "upsell")])
    restated, moves = untold(found, Opening(at(1), 100), {at(5): 50, at(7): -10})
    assert restated == Opening(at(1), 120)
    assert moves == [Move(at(5), -20, "upsell"), Move(at(7), 10, "correction")]


levels = st.lists(st.tuples(st.integers(2, 28), st.integers(0, 500)), max_size=6)


@given(opening=st.integers(0, 500), before=levels, after=levels)
def test_telling_differences_leads_to_the_same_figure_at_every_instant(
    opening: int, before: list[tuple[int, int]], after: list[tuple[int, int]]
) -> None:
    told: dict[datetime, int] = {}
    known: Opening | None = None
    for story in (before, before + after, after):
        found = timeline([opened(1, opening), *(changed(day, mrr) for day, mrr in story)], FAR)
        restated, moves = untold(found, known, told)
        known = restated or known
        for move in moves:
            told[move.at] = told.get(move.at, 0) + move.delta
        assert known is not None
        for day in range(1, 29):
            levels_then = timeline([opened(1, opening), *(changed(d, mrr) for d, mrr in story)], at(day)).mrr
            assert known.mrr + sum(delta for when, delta in told.items() if when <= at(day)) == levels_then


def span(since: int, until: int | None) -> Span:
    return Span(at(since), at(until) if until else None, "price" if until else None)


@pytest.mark.parametrize(
    ("spans", "gaps"),
    [
        ([], []),
        ([span(1, None)], []),
        ([span(1, 5)], [(5, None)]),
        ([span(1, 5), span(3, 9)], [(9, None)]),
        ([span(1, 9), span(3, 5)], [(9, None)]),
        ([span(1, 5), span(5, None)], []),
        ([span(1, 5), span(8, None)], [(5, 8)]),
        ([span(1, 5), span(8, 9)], [(5, 8), (9, None)]),
        ([span(1, None), span(3, 5)], []),
    ],
)
def test_a_customer_is_without_contract_only_where_none_runs(
    spans: list[Span], gaps: list[tuple[int, int | None]]
) -> None:
    for order in permutations(spans):
        found = without_contract(order)
        assert [(gap.since.day, gap.until.day if gap.until else None) for gap in found] == gaps
        assert all(gap.reason == "price" for gap in found)
