"""Where recurring revenue ends: what is paid now, what will be won, and what is kept of it until then.

Month by month: what comes new is spread evenly, every other movement is a rate of what is paid when the month begins.
So what is paid now + every movement = what is paid in the end, exactly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import fsum
from zoneinfo import ZoneInfo

from services.kpi.domain.periods import months_after
from shared.clock import day_of, start_of_day

NEW = "new"
RATED = ("expansion", "reactivation", "contraction", "churn")


@dataclass(frozen=True, slots=True)
class Course:
    """What is expected of each movement, those that go down negative, and what is paid in the end."""

    movements: Mapping[str, float]
    end: float


def months_left(now: datetime, end: datetime, zone: ZoneInfo) -> list[float]:
    """The months until `end`, each as the share of it that is left."""
    found: list[float] = []
    while now < end:
        month = months_after(day_of(now, zone), 0)
        begin, after = (start_of_day(day, zone) for day in (month, months_after(month, 1)))
        found.append((min(after, end) - now) / (after - begin))
        now = after
    return found


def course(paid: float, new: float, rates: Mapping[str, float], months: Sequence[float]) -> Course:
    """`paid` a month now; `new` comes until the end; `rates` a month of each of RATED; `months` as `months_left`."""
    left, parts = fsum(months), dict.fromkeys(RATED, 0.0)
    for share in months:
        moved = {name: paid * rates[name] * share for name in RATED}
        for name, value in moved.items():
            parts[name] += value
        paid += new * share / left + fsum(moved.values())
    return Course({NEW: new if left else 0.0, **parts}, paid)
