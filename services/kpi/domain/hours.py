"""Business time: minutes that run only in the company's hours, on its working days, outside public holidays."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from holidays import HolidayBase

WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HOUR, _DAY = 60, 86_400
_EPOCH = date(1970, 1, 1)
Floats = NDArray[np.float64]


def on_the_wall(moments: Sequence[datetime], zone: ZoneInfo) -> Floats:
    """What a clock on the wall shows then, as seconds since 1970 there."""
    shown = (moment.astimezone(zone).replace(tzinfo=UTC) for moment in moments)
    return np.array([moment.timestamp() for moment in shown])


@dataclass(frozen=True)
class Calendar:
    """`days` are 0 (Monday) to 6; `closed` further days of the company's own."""

    zone: ZoneInfo
    begin: int  # hour of the day
    end: int
    days: frozenset[int]
    country: str | None = None
    closed: frozenset[date] = frozenset()

    @classmethod
    def of(cls, setting: dict[str, Any], zone: ZoneInfo) -> "Calendar":
        """From the setting `business_hours`."""
        return cls(
            zone,
            setting["from"],
            setting["to"],
            _weekdays(setting["days"]),
            setting.get("country"),
            frozenset(date.fromisoformat(day) for day in setting.get("holidays", ())),
        )

    def minutes(self, starts: Floats, ends: Floats) -> Floats:
        """Business minutes between each pair of moments, told as `on_the_wall` tells them."""
        if not len(starts):
            return np.zeros(0)
        days = [np.floor(moments / _DAY).astype(int) for moments in (starts, ends)]
        origin = min(int(each.min()) for each in days)
        before = self._before(origin, max(int(each.max()) for each in days) - origin + 2)
        passed = [
            self._passed(moments, each - origin, before) for moments, each in zip((starts, ends), days, strict=True)
        ]
        return passed[1] - passed[0]

    def _passed(self, moments: Floats, days: NDArray[np.int_], before: Floats) -> Floats:
        """Business minutes from the beginning of the first day until each moment."""
        clock = np.mod(moments, _DAY) / 60
        opens = before[days + 1] - before[days] > 0
        within = np.clip(clock, self.begin * _HOUR, self.end * _HOUR) - self.begin * _HOUR
        passed: Floats = before[days] + np.where(opens, within, 0.0)
        return passed

    def _before(self, origin: int, days: int) -> Floats:
        """Business minutes of all days before each of so many days, counted from `origin`."""
        every = (_EPOCH + timedelta(days=origin + number) for number in range(days))
        length = (self.end - self.begin) * _HOUR
        return np.concatenate(([0.0], np.cumsum([length if self.works(day) else 0 for day in every])))

    def works(self, day: date) -> bool:
        return (
            day.weekday() in self.days
            and day not in self.closed
            and not (self.country and day in _holidays(self.country))
        )


def known_country(code: str) -> bool:
    """Whether the public holidays of a country of two letters are known."""
    import holidays as public

    return len(code) == 2 and hasattr(public, code)


def _weekdays(told: str) -> frozenset[int]:
    """`Mon-Fri`, `Mon,Wed,Fri`, `Sat-Mon`."""
    found: set[int] = set()
    for part in told.split(","):
        first, _, last = part.partition("-")
        start, stop = WEEK.index(first), WEEK.index(last or first)
        found.update(day % 7 for day in range(start, start + (stop - start) % 7 + 1))
    return frozenset(found)


@lru_cache(maxsize=8)
def _holidays(country: str) -> "HolidayBase":
    """It fills itself year by year as it is asked."""
    import holidays as public  # a quarter of a second, and only who names a country needs it

    return public.country_holidays(country)
