"""The words people read and the way figures are written, in the two languages of the product."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, dates, numbers

from shared import money
from shared.clock import TOKYO

LANGUAGES = ("ja", "en")
COOKIE = "themodel_language"
MESSAGES = Path(__file__).parent / "messages"
NOTHING = "–"

Message = str | Mapping[str, str]
"""A text, or its plural forms by CLDR category (`one`, `other`), chosen by `n`."""


@lru_cache
def messages(language: str) -> Mapping[str, Message]:
    """Every message by its dotted key."""
    found: dict[str, Message] = {}

    def collect(place: str, table: Mapping[str, Any]) -> None:
        for name, content in table.items():
            key = f"{place}{name}"
            if isinstance(content, dict) and "other" not in content:
                collect(f"{key}.", content)
            else:
                found[key] = content

    collect("", tomllib.loads((MESSAGES / f"{language}.toml").read_text(encoding="utf-8")))
    return found


def preferred(accepted: str) -> str:
    """The language an Accept-Language header asks for; Japanese where it names neither of ours."""
    weighed: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted.split(",")):
        tag, _, weight = part.strip().partition(";q=")
        language = tag.split("-")[0].lower()
        if language in LANGUAGES and re.fullmatch(r"[01](\.\d{1,3})?|", weight):
            weighed.append((-float(weight or 1), place, language))
    return min(weighed)[2] if weighed else LANGUAGES[0]


@dataclass(frozen=True, slots=True)
class Words:
    """One language, and the zone the company's days are in."""

    language: str
    zone: ZoneInfo = TOKYO

    @property
    def locale(self) -> Locale:
        return Locale.parse(self.language)

    def t(self, key: str, **values: Any) -> str:
        """The message `key`; numbers among `values` are written as this language writes them. Raises KeyError."""
        message = messages(self.language)[key]
        if not isinstance(message, str):
            form = self.locale.plural_form(values["n"])
            message = message.get(form, message["other"])
        return message.format(
            **{name: self.number(v) if isinstance(v, int | float) else v for name, v in values.items()}
        )

    def code(self, place: str, code: Any) -> str:
        """The word for a coded value; a code nobody has a word for is shown as it is."""
        if isinstance(code, bool):
            code = "yes" if code else "no"
        for key in (f"{place}.{code}", f"codes.{code}"):
            if isinstance(message := messages(self.language).get(key), str):
                return message
        return str(code)

    def number(self, value: float | Decimal) -> str:
        return str(numbers.format_decimal(value, locale=self.locale))

    def percent(self, value: float | None) -> str:
        return NOTHING if value is None else str(numbers.format_percent(value, "#,##0.0%", locale=self.locale))

    def money(self, value: Mapping[str, Any] | None) -> str:
        """The wire's money: minor units and a currency."""
        if value is None:
            return NOTHING
        major = Decimal(value["amount"]).scaleb(-money.decimals(value["currency"]))
        return str(numbers.format_currency(major, value["currency"], locale=self.locale))

    def amount(self, value: float, currency: str) -> str:
        """Major units, to the whole one."""
        return str(numbers.format_currency(round(value), currency, locale=self.locale))

    def day(self, value: str | date | None) -> str:
        if value is None:
            return NOTHING
        found = date.fromisoformat(value) if isinstance(value, str) else value
        return str(dates.format_date(found, "medium", locale=self.locale))

    def moment(self, value: str | datetime | None) -> str:
        """An instant in the company's zone, to the minute."""
        if value is None:
            return NOTHING
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
        local = found.astimezone(self.zone)
        day, time = (dates.format_date(local, "medium", locale=self.locale), local.strftime("%H:%M"))
        return f"{day} {time}"
