"""Failpoints: what is told is read strictly, and each place is reached in the code."""

import re
from pathlib import Path

import pytest

from shared import failpoints

ROOT = Path(__file__).parents[2]


def test_the_nth_time_only() -> None:
    plan = failpoints.planned("relay.after_ack=fail@3, act.after_commit=fail")
    for _ in range(2):
        plan["relay.after_ack"]()
    with pytest.raises(failpoints.Planted):
        plan["relay.after_ack"]()
    plan["relay.after_ack"]()
    with pytest.raises(failpoints.Planted):
        plan["act.after_commit"]()


@pytest.mark.parametrize(
    ("told", "rule"),
    [
        ("relay.after_lunch=kill", "no such place: relay.after_lunch"),
        ("relay.after_ack", "no such act"),
        ("relay.after_ack=explode", "no such act: explode"),
        ("relay.after_ack=kill@0", "0 is no count"),
        ("relay.after_ack=kill@two", "two is no count"),
    ],
)
def test_what_cannot_be_planned_is_named(told: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        failpoints.planned(told)


def test_nothing_is_armed_unless_asked_for() -> None:
    assert failpoints.planned("") == {}
    for place in failpoints.PLACES:
        failpoints.reach(place)


def test_every_place_is_reached_once_and_no_other() -> None:
    files = [file for top in ("shared", "services") for file in (ROOT / top).rglob("*.py")]
    reached = [place for file in files for place in re.findall(r'failpoints\.reach\("([^"]+)"\)', file.read_text())]
    assert sorted(reached) == sorted(failpoints.PLACES)
