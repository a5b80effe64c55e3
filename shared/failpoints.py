"""Named places where a test ends this process, stops it or makes it fail, exactly where a signal from outside hits by
chance.

Nothing is there in production: without THEMODEL_FAILPOINTS every place is one look at an empty dict. Told by
`place=act`, or `place=act@n` for the nth time it is reached, joined by commas: `relay.after_ack=kill@3`.
"""

import os
import signal
import time
from collections.abc import Callable

VARIABLE = "THEMODEL_FAILPOINTS"
PLACES = frozenset(
    {
        "act.before_commit",  # an act that tells something: it is stored, its events too
        "act.after_commit",  # and nobody knows yet
        "relay.after_read",
        "relay.after_ack",  # in Kafka, and still in the outbox
        "relay.after_settle",
        "consumer.after_read",  # a batch is in our hands
        "consumer.before_commit",  # its effects are stored
        "consumer.after_apply",  # and committed, and Kafka was told nothing
        "redrive.after_stream",
        "rebuild.after_read",  # every fact is beside the tables in use, and none is folded
        "rebuild.before_switch",
    }
)

Act = Callable[[], None]


class Planted(Exception):
    """The failure a test asked for."""


def _fail() -> None:
    raise Planted


def _signal(number: signal.Signals) -> Act:
    return lambda: os.kill(os.getpid(), number)


ACTS: dict[str, Act] = {
    "kill": _signal(signal.SIGKILL),
    "stop": _signal(signal.SIGSTOP),  # goes on when somebody sends SIGCONT
    "block": lambda: time.sleep(
        5
    ),  # longer than a session lasts: the whole process stands still, as with a call that should have been awaited
    "fail": _fail,
}


def _nth(act: Act, number: int) -> Act:
    left = number

    def counted() -> None:
        nonlocal left
        left -= 1
        if not left:
            act()

    return counted


def planned(told: str) -> dict[str, Act]:
    """What is to happen where. Raises ValueError naming what is no place, act or number."""
    plan: dict[str, Act] = {}
    for each in filter(None, (part.strip() for part in told.split(","))):
        place, _, act = each.partition("=")
        act, _, number = act.partition("@")
        if place not in PLACES:
            raise ValueError(f"{VARIABLE}: no such place: {place}. There are {', '.join(sorted(PLACES))}.")
        if act not in ACTS:
            raise ValueError(f"{VARIABLE}: no such act: {act}. There are {', '.join(ACTS)}.")
        if number and not (number.isascii() and number.isdigit() and int(number)):
            raise ValueError(f"{VARIABLE}: {number} is no count from 1")
        plan[place] = _nth(ACTS[act], int(number)) if number else ACTS[act]
    return plan


_plan = planned(os.environ.get(VARIABLE, ""))


def reach(place: str) -> None:
    """This place is reached now."""
    if _plan and (act := _plan.get(place)):
        act()
