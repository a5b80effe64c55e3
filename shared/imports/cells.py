"""What one cell means. Blank cells never come here: a blank is no value."""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from shared import clock
from shared.imports.dates import read_default, read_formatted
from shared.imports.refusals import CellRefused, Rule
from shared.imports.resource import Column, Kind, Value
from shared.money import LARGEST, Money, decimals

INT32 = 2**31 - 1
FIRST_YEAR = 1900  # earlier is a placeholder (0001-01-01) or a spreadsheet's day zero, not a business's past
INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))
NUMBER = re.compile(r"[+-]?(?=\.?[0-9])(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?:\.[0-9]+)?")
EMAIL = re.compile(r"[^@\s,;<>\"]{1,64}@(?:[^@\s,;<>\".-](?:[^@\s,;<>\".]*[^@\s,;<>\".-])?\.)+[^@\s,;<>\".]{2,63}")
YES = frozenset({"true", "t", "yes", "y", "1", "1.0", "on", "はい", "有", "○", "〇"})
NO = frozenset({"false", "f", "no", "n", "0", "0.0", "off", "いいえ", "無", "×"})


def fold(text: str) -> str:
    """Full-width digits, letters, spaces and signs as their ordinary ones (NFKC)."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text).strip()


@cache
def _choices(choices: tuple[str, ...]) -> dict[str, str]:
    return {fold(choice).casefold(): choice for choice in choices}


class CellReader:
    """Reads cells of a file whose wall clock is that of `zone`.

    Without `formats` a date is ISO 8601, 2026/4/1 or 2026年4月1日.
    """

    def __init__(self, *, zone: ZoneInfo, formats: tuple[str, ...], now: datetime) -> None:
        self._zone = zone
        self._now = now
        self._today = now.astimezone(zone).date()
        formats = tuple(map(fold, formats))  # as the cells are
        # the same days stand in thousands of cells
        self._reading = lru_cache(16_384)(lambda text: read_formatted(text, formats) if formats else read_default(text))
        self._kinds: dict[Kind, Callable[[str, Column, str], Value]] = {
            Kind.TEXT: self._text,
            Kind.KEY: self._key,
            Kind.EMAIL: self._email,
            Kind.CHOICE: self._choice,
            Kind.INTEGER: self._integer,
            Kind.DECIMAL: self._decimal,
            Kind.MONEY: self._money,
            Kind.BOOLEAN: self._boolean,
            Kind.DATE: self._date,
            Kind.INSTANT: self._instant,
        }

    def read(self, text: str, column: Column, currency: str) -> Value:
        """Raises CellRefused. `currency` is the row's, for money."""
        return self._kinds[column.kind](text, column, currency)

    def _text(self, text: str, column: Column, _: str) -> str:
        if len(text) > column.max_length:
            raise CellRefused(Rule.TOO_LONG, f"longer than {column.max_length:,} characters")
        return text

    def _key(self, text: str, column: Column, currency: str) -> str:
        key = fold(text).translate(INVISIBLE)
        if not key.isprintable():
            raise CellRefused(Rule.CONTROL_CHARACTER, "a key holds no line breaks or other control characters")
        return self._text(key, column, currency)

    def _email(self, text: str, _: Column, __: str) -> str:
        address = fold(text).translate(INVISIBLE)
        if len(address) > 254 or not EMAIL.fullmatch(address):
            raise CellRefused(Rule.NOT_AN_EMAIL, "not an e-mail address")
        return address

    def _choice(self, text: str, column: Column, _: str) -> str:
        choice = _choices(column.choices).get(fold(text).casefold())
        if choice is None:
            known = ", ".join(column.choices) if len(column.choices) <= 20 else f"{len(column.choices)} known ones"
            raise CellRefused(Rule.NOT_A_CHOICE, f"none of {known}")
        return choice

    def _decimal(self, text: str, column: Column, _: str) -> Decimal:
        number = _number(text)
        if abs(number) > LARGEST:
            raise CellRefused(Rule.TOO_LARGE, f"larger than {LARGEST:,}")
        return _within(number, column.minimum, column.maximum)

    def _integer(self, text: str, column: Column, _: str) -> int:
        number = _number(text)
        if number != number.to_integral_value():
            raise CellRefused(Rule.NOT_WHOLE, "a whole number is expected")
        minimum = -INT32 if column.minimum is None else column.minimum
        return int(_within(number, minimum, INT32 if column.maximum is None else column.maximum))

    def _money(self, text: str, column: Column, currency: str) -> Money:
        major = _within(_number(text), column.minimum, column.maximum)
        places = decimals(currency)
        minor = major.scaleb(places)
        if abs(minor) > LARGEST:
            raise CellRefused(Rule.TOO_LARGE, "the amount is too large")
        if minor != minor.to_integral_value():
            raise CellRefused(Rule.TOO_MANY_DECIMALS, f"{currency} has {places} decimals")
        return Money(amount=int(minor), currency=currency)

    def _boolean(self, text: str, _: Column, __: str) -> bool:
        word = fold(text).casefold()
        if word in YES or word in NO:
            return word in YES
        raise CellRefused(Rule.NOT_A_BOOLEAN, "neither yes nor no (true/false, yes/no, 1/0, はい/いいえ, 有/無)")

    def _date(self, text: str, column: Column, _: str) -> date:
        reading = self._reading(fold(text))
        local = reading if reading.tzinfo is None or reading.year < FIRST_YEAR else reading.astimezone(self._zone)
        if local.year < FIRST_YEAR:
            raise CellRefused(Rule.TOO_EARLY, f"earlier than {FIRST_YEAR}")
        if column.past and local.date() > self._today:
            raise CellRefused(Rule.IN_THE_FUTURE, "later than the day of the import")
        return local.date()

    def _instant(self, text: str, _: Column, __: str) -> datetime:
        reading = self._reading(fold(text))
        if reading.year < FIRST_YEAR:
            raise CellRefused(Rule.TOO_EARLY, f"earlier than {FIRST_YEAR}")
        # the year first: 9999-12-31 has no successor to convert to
        if reading.year > self._now.year + 1 or (instant := self._at(reading)) > self._now:
            raise CellRefused(Rule.IN_THE_FUTURE, "later than the import")
        return instant

    def _at(self, reading: datetime) -> datetime:
        """The one instant a clock of the file's zone showed `reading`; midnight is the start of that day."""
        if reading.tzinfo is not None:
            return reading.astimezone(UTC)
        if reading.time() == time():
            return clock.start_of_day(reading.date(), self._zone)
        first = reading.replace(tzinfo=self._zone).astimezone(UTC)
        if first == reading.replace(tzinfo=self._zone, fold=1).astimezone(UTC):
            return first
        if first.astimezone(self._zone).replace(tzinfo=None) == reading:
            raise CellRefused(Rule.AMBIGUOUS_TIME, f"the clocks of {self._zone.key} showed this time twice that day")
        raise CellRefused(Rule.NO_SUCH_TIME, f"the clocks of {self._zone.key} skipped this time that day")


def _number(text: str) -> Decimal:
    folded = fold(text).replace("−", "-")  # the mathematical minus, which NFKC keeps
    if not NUMBER.fullmatch(folded):
        raise CellRefused(Rule.NOT_A_NUMBER, "not a number")
    if len(folded) > 40:
        raise CellRefused(Rule.TOO_LARGE, "the number has too many digits")
    return Decimal(folded.replace(",", ""))


def _within(number: Decimal, minimum: int | None, maximum: int | None) -> Decimal:
    if minimum is not None and number < minimum:
        raise CellRefused(Rule.TOO_SMALL, f"less than {minimum:,}")
    if maximum is not None and number > maximum:
        raise CellRefused(Rule.TOO_LARGE, f"more than {maximum:,}")
    return number
