"""The response SLA: minutes that only run in the company's business hours."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from services.inside_sales.domain.rules import Rule

LONGEST_CLOSURE = 366  # days without a business hour, after which the rule must be wrong


class Clock(StrEnum):
    """What the SLA clock of a prospect shows."""

    RUNNING = "running"
    MET = "met"
    LATE = "late"  # contacted, after the due instant
    OVERDUE = "overdue"  # not contacted, past the due instant
    STOPPED = "stopped"  # the cycle ended or went on without a contact


@dataclass(frozen=True, slots=True)
class SlaRule(Rule):
    """`days` are ISO weekdays (1 = Monday). A prospect without human contact for `minutes` × `unfollowed_factor`
    is dropped as unfollowed, though never within `settle_seconds` after it became known here: what happened
    meanwhile may still be on its way."""

    minutes: int
    unfollowed_factor: int
    settle_seconds: int
    timezone: str
    opens: time
    closes: time
    days: tuple[int, ...]
    holidays: tuple[date, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.minutes <= 100_000 or not 0 < self.unfollowed_factor <= 1_000:
            raise ValueError("minutes are 1 to 100000 and the factor is 1 to 1000")
        if not 0 <= self.settle_seconds <= 86_400:
            raise ValueError("settle_seconds are 0 to 86400")
        if self.opens.tzinfo or self.closes.tzinfo or self.opens >= self.closes:
            raise ValueError("business hours open before they close, in local time")
        if not self.days or not set(self.days) <= set(range(1, 8)):
            raise ValueError("days are ISO weekdays, at least one of 1 to 7")
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{self.timezone} is no time zone") from error

    def due(self, start: datetime) -> datetime:
        """When the first human contact is due."""
        return self._after(start, timedelta(minutes=self.minutes))

    def unfollowed(self, start: datetime) -> datetime:
        """When a prospect without any human contact counts as unfollowed."""
        return self._after(start, timedelta(minutes=self.minutes * self.unfollowed_factor))

    def _after(self, start: datetime, work: timedelta) -> datetime:
        """The instant at which `work` business time has passed since `start`."""
        for opens, closes in self._hours(start):
            begin = max(opens, start)
            if begin >= closes:
                continue
            if begin + work <= closes:
                return begin + work
            work -= closes - begin
        raise ValueError("there are no business hours")

    def _hours(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        zone = ZoneInfo(self.timezone)
        day, closed = start.astimezone(zone).date(), 0
        while closed < LONGEST_CLOSURE:
            if day.isoweekday() in self.days and day not in self.holidays:
                closed = 0
                yield (
                    datetime.combine(day, self.opens, zone).astimezone(UTC),
                    datetime.combine(day, self.closes, zone).astimezone(UTC),
                )
            else:
                closed += 1
            day += timedelta(days=1)


def reading(due: datetime | None, contacted: datetime | None, now: datetime, *, runs: bool) -> Clock | None:
    """What the clock shows at `now`; None where it never began (no MQL was told). `runs`: the work is still open."""
    if due is None:
        return None
    if contacted is not None:
        return Clock.MET if contacted <= due else Clock.LATE
    if not runs:
        return Clock.STOPPED
    return Clock.RUNNING if now <= due else Clock.OVERDUE
