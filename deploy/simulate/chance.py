"""Chance that a seed decides: the same seed draws the same, wherever and whenever it is played."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TypeVar

from shared.clock import TOKYO

T = TypeVar("T")
MOST = 0.97  # nothing is quite certain
OPENS, CLOSES = 9, 18
YEAR_END = ((12, 29), (1, 3))  # nobody works from the one to the other


@dataclass(frozen=True, slots=True)
class Code:
    """A coded answer of a department's list. `passes`: good enough for a hand-over."""

    code: str
    recyclable: bool = False
    passes: bool = True


Codes = Mapping[str, Sequence[Code]]
"""The departments' own lists, by what they are for."""


def works(day: date) -> bool:
    """Whether the offices are open."""
    at = (day.month, day.day)
    return day.weekday() < 5 and YEAR_END[1] < at < YEAR_END[0]


class Chance(random.Random):
    def happens(self, likelihood: float) -> bool:
        return self.random() < min(MOST, likelihood)

    def code(self, codes: Sequence[Code]) -> Code:
        """One of a list; the earlier the likelier."""
        return self.choices(codes, [1 / (place + 1) for place in range(len(codes))])[0]

    def weighted(self, options: Sequence[tuple[T, float]]) -> T:
        return self.choices([option for option, _ in options], [weight for _, weight in options])[0]

    def later(self, at: datetime, least: float, most: float) -> datetime:
        """Some days later, rather soon than late, in office hours."""
        span = min(most, least + self.expovariate(2.2 / max(0.1, most - least)))
        return self.office_hour(at + timedelta(days=span))

    def moment(self, day: date, first: float, last: float) -> datetime:
        """An instant of the day between two hours in Tokyo."""
        return datetime.combine(day, time(), TOKYO) + timedelta(hours=self.uniform(first, last))

    def office_hour(self, at: datetime) -> datetime:
        """The same moment if somebody works then, else the first hour and a half of the next morning somebody does."""
        local = at.astimezone(TOKYO)
        if works(local.date()) and OPENS <= local.hour < CLOSES:
            return local
        day = local.date() + timedelta(days=local.hour >= CLOSES)
        while not works(day):
            day += timedelta(days=1)
        return self.moment(day, OPENS, OPENS + 1.5)
