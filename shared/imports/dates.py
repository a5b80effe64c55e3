"""A date or a time as a wall clock showed it, read from text: exactly one reading, or none is taken."""

import re
from datetime import datetime

from shared.imports.refusals import CellRefused, Rule

DAY = r"(?P<year>[0-9]{4})(?:(?P<mark>[-/])(?P<month>[0-9]{1,2})(?P=mark)(?P<day>[0-9]{1,2})"
KANJI = r"|年(?P<gatsu>[0-9]{1,2})月(?P<nichi>[0-9]{1,2})日)"
TIME = r"(?P<hour>[0-9]{1,2})(?P<rest>:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?)"
OFFSET = r"(?P<offset>Z|[+-][0-9]{2}:?[0-9]{2})"
DEFAULT = re.compile(f"{DAY}{KANJI}(?:[T ]+{TIME} ?{OFFSET}?)?")
UNSEPARATED = re.compile(r"%[dmyYHMSjfI](?=%[dmyYHMSjfI])")


def read_default(text: str) -> datetime:
    """ISO 8601 with `T` or a space, slashes, or 年月日; with an offset the answer is aware. Raises CellRefused."""
    found = DEFAULT.fullmatch(text)
    if found is None:
        raise CellRefused(Rule.NOT_A_DATE, "not a date like 2026-04-01, 2026/4/1 or 2026-04-01 09:30:00")
    month, day = found["month"] or found["gatsu"], found["day"] or found["nichi"]
    wall_clock = f"{found['hour'] or '0':0>2}{found['rest'] or ':00'}{found['offset'] or ''}"
    try:
        return datetime.fromisoformat(f"{found['year']}-{month:0>2}-{day:0>2}T{wall_clock}")
    except ValueError as error:
        raise CellRefused(Rule.NOT_A_DATE, "there is no such date or time") from error


def read_formatted(text: str, formats: tuple[str, ...]) -> datetime:
    """The one reading the formats allow. Two formats that disagree are an error, not a guess. Raises CellRefused."""
    readings = {reading: form for form in formats if (reading := _fit(text, form)) is not None}
    if not readings:
        raise CellRefused(Rule.NOT_A_DATE, f"not a date written as {' or '.join(formats)}")
    if len(readings) > 1:
        explanation = " or ".join(f"{reading:%Y-%m-%d} ({form})" for reading, form in readings.items())
        raise CellRefused(Rule.AMBIGUOUS_DATE, f"it could be {explanation}")
    return next(iter(readings))


def _fit(text: str, form: str) -> datetime | None:
    try:
        reading = datetime.strptime(text, form)  # noqa: DTZ007 a wall clock's reading; its zone is the file's
    except ValueError:
        return None
    # 1112024 under %d%m%Y is 1 November or 11 January: without separators every part must have all its digits
    if UNSEPARATED.search(form) and reading.strftime(form) != text:
        return None
    return reading
