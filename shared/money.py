"""Money: integer minor units and a currency. Never a float, never a bare number without its currency."""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from babel.core import get_global
from babel.numbers import get_currency_precision
from pydantic import BaseModel, ConfigDict, Field, field_validator

LARGEST = 10**15  # minor units; beyond it a figure is a typing error, and sums still fit into bigint
CURRENCIES = frozenset(get_global("all_currencies"))


def decimals(currency: str) -> int:
    return int(get_currency_precision(currency))


def known_currency(currency: str) -> str:
    if currency not in CURRENCIES:
        raise ValueError("a currency is its ISO 4217 code, such as JPY")
    return currency


class Money(BaseModel):
    """`amount` in minor units of `currency` (JPY has none: one yen is 1; USD has cents: one dollar is 100)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount: int = Field(ge=-LARGEST, le=LARGEST, strict=True)
    currency: str = Field(pattern="^[A-Z]{3}$")

    _currency = field_validator("currency")(known_currency)


def from_major(value: Any, currency: str) -> Money:
    """Money from a bare number in major units (2000 USD = two thousand dollars).

    Raises ValueError when it is no number, has more decimals than the currency, or is absurdly large.
    """
    if isinstance(value, bool):
        raise ValueError("an amount is a number")
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError("an amount is a number") from error
    if not number.is_finite():
        raise ValueError("an amount is a finite number")
    places = decimals(known_currency(currency))
    if abs(number) > LARGEST:
        raise ValueError("the amount is too large")
    minor = number.scaleb(places)
    if minor != minor.to_integral_value():
        raise ValueError(f"{currency} has {places} decimals")
    return Money(amount=int(minor), currency=currency)


def convert(amount: int, currency: str, target: str, rate: Decimal) -> int:
    """Minor units of `target` for minor units of `currency`; `rate` is `target` per one major unit of `currency`.

    Half-even, once: round only at the last step of a calculation.
    """
    scale = Decimal(10) ** (decimals(target) - decimals(currency))
    return int((Decimal(amount) * rate * scale).to_integral_value(ROUND_HALF_EVEN))
