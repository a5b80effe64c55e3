"""Business time: minutes that run only in the company's hours, on its working days, outside public holidays."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import holidays as public
import numpy as np
from numpy.typing import NDArray

WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HOUR = 60


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

    def minutes(self, starts: Sequence[datetime], ends: Sequence[datetime]) -> NDArray[np.float64]:
        """Business minutes between each pair of instants."""
        if not starts:
            return np.zeros(0)
        origin = min(*starts, *ends).astimezone(self.zone).date()
        last = max(*starts, *ends).astimezone(self.zone).date()
        before = self._before(origin, (last - origin).days + 2)
        return self._passed(ends, origin, before) - self._passed(starts, origin, before)

    def _passed(self, moments: Sequence[datetime], origin: date, before: NDArray[np.float64]) -> NDArray[np.float64]:
        """Business minutes from the beginning of `origin` until each moment."""
        local = [moment.astimezone(self.zone) for moment in moments]
        days = np.array([(moment.date() - origin).days for moment in local])
        clock = np.array([moment.hour * _HOUR + moment.minute + moment.second / 60 for moment in local])
        clock += np.array([moment.microsecond / 60e6 for moment in local])
        opens = before[days + 1] - before[days] > 0
        within = np.clip(clock, self.begin * _HOUR, self.end * _HOUR) - self.begin * _HOUR
        passed: NDArray[np.float64] = before[days] + np.where(opens, within, 0.0)
        return passed

    def _before(self, origin: date, days: int) -> NDArray[np.float64]:
        """Business minutes of all days before each of so many days."""
        every = (origin + timedelta(days=number) for number in range(days))
        length = (self.end - self.begin) * _HOUR
        return np.concatenate(([0.0], np.cumsum([length if self.works(day) else 0 for day in every])))

    def works(self, day: date) -> bool:
        return (
            day.weekday() in self.days
            and day not in self.closed
            and not (self.country and day in _holidays(self.country))
        )


def known_country(code: str) -> bool:
    """Whether its public holidays are known; asking for all of them at once would load every country there is."""
    try:
        _holidays(code)
    except NotImplementedError:
        return False
    return True


def _weekdays(told: str) -> frozenset[int]:
    """`Mon-Fri`, `Mon,Wed,Fri`, `Sat-Mon`."""
    found: set[int] = set()
    for part in told.split(","):
        first, _, last = part.partition("-")
        start, stop = WEEK.index(first), WEEK.index(last or first)
        found.update(day % 7 for day in range(start, start + (stop - start) % 7 + 1))
    return frozenset(found)


@lru_cache(maxsize=8)
def _holidays(country: str) -> "public.HolidayBase":
    """It fills itself year by year as it is asked."""
    return public.country_holidays(country)
