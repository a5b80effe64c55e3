"""Time: instants are UTC and aware; a company's days are cut in its own time zone."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

TOKYO = ZoneInfo("Asia/Tokyo")
FUTURE_TOLERANCE = timedelta(seconds=60)


def utc_now() -> datetime:
    return datetime.now(UTC)


def start_of_day(day: date, zone: ZoneInfo = TOKYO) -> datetime:
    """The instant a calendar day begins in `zone`, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def day_of(instant: datetime, zone: ZoneInfo = TOKYO) -> date:
    return instant.astimezone(zone).date()


def wire_time(instant: datetime) -> str:
    """RFC 3339 in UTC ending in Z, to the microsecond where there is one."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
