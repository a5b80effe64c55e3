"""A rep's free slots: business hours minus appointments."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class BusinessHours:
    """`hours` are the stretches of a working day as clocks of `zone` show them; `weekdays` are ISO, 1 = Monday."""

    zone: ZoneInfo
    weekdays: frozenset[int]
    hours: tuple[tuple[time, time], ...]
    holidays: frozenset[date]
    slot: timedelta

    def slots(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """All slots of a day, in UTC; none on a day off."""
        if day.isoweekday() not in self.weekdays or day in self.holidays:
            return
        for opens, closes in self.hours:
            start = datetime.combine(day, opens, self.zone).astimezone(UTC)
            end = datetime.combine(day, closes, self.zone).astimezone(UTC)
            while start + self.slot <= end:
                yield start, start + self.slot
                start += self.slot


def free_slots(
    hours: BusinessHours, since: date, until: date, busy: Sequence[tuple[datetime, datetime]], now: datetime
) -> list[tuple[datetime, datetime]]:
    """The slots from `since` up to but not including `until` that no appointment overlaps and that are not past."""
    days = (since + timedelta(days=n) for n in range((until - since).days))
    return [
        (start, end)
        for day in days
        for start, end in hours.slots(day)
        if start >= now and not any(start < other_end and other_start < end for other_start, other_end in busy)
    ]
