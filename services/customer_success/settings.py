"""What a company decides of its customer success: the reasons it tells apart, the rules as they are shipped; and its
calendar."""

import tomllib
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from shared.clock import day_of, start_of_day
from shared.http.reasons import Reason, Reasons
from shared.settings import Settings

_FOLDER = Path(__file__).parent


def _page(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / name).read_text("utf-8"))


REASONS = Reasons(
    {
        purpose: [Reason(code=code, **words) for code, words in codes.items()]
        for purpose, codes in _page("reasons.toml").items()
    }
)
SHIPPED_RULES: dict[str, Any] = _page("rules.toml")
"""Version 1 of every rule, by name."""


@cache
def settings() -> Settings:
    return Settings(service="customer_success")


def company_day(instant: datetime) -> date:
    """The calendar day in the company's time zone."""
    return day_of(instant, settings().zone)


def day_begins(day: date) -> datetime:
    return start_of_day(day, settings().zone)
