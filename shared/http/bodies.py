"""What a request body may look like: no unknown field, no character that cannot be stored, money in one shape."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from shared import clock
from shared.money import Money, from_major

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
LongText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000)]
Key = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
"""An external id or a code."""


# As in files: what is earlier is a placeholder, and some of it fits into no instant of UTC.
FIRST = datetime(1900, 1, 1, tzinfo=UTC)


def _in_the_past(instant: datetime) -> datetime:
    if instant > clock.utc_now() + clock.FUTURE_TOLERANCE:
        raise ValueError("lies in the future")
    if instant < FIRST:
        raise ValueError("lies before 1900")
    return instant


Past = Annotated[AwareDatetime, AfterValidator(_in_the_past)]
"""When something occurred: at most 60 s ahead of our clock, and not before 1900."""


def storable(value: Any, place: str = "") -> None:
    """Raises for text PostgreSQL cannot hold: NUL characters and lone surrogates, at any depth."""
    if isinstance(value, str):
        if "\x00" in value or any(0xD800 <= ord(c) <= 0xDFFF for c in value):
            raise PydanticCustomError("not_storable", f"{place or 'the text'} has a character that cannot be stored")
    elif isinstance(value, dict):
        for name, content in value.items():
            storable(name, place)
            storable(content, str(name))
    elif isinstance(value, list):
        for content in value:
            storable(content, place)


class Body(BaseModel):
    """A request body. `money` names the fields that may also come as a bare number in major units."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    money: ClassVar[tuple[str, ...]] = ()
    default_currency: ClassVar[str] = "JPY"

    @model_validator(mode="before")
    @classmethod
    def _readable(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        storable(given)
        if not cls.money:
            return given
        found = dict(given)
        currency = found.get("currency")
        code = currency if isinstance(currency, str) else cls.default_currency
        for name in cls.money:
            if isinstance(found.get(name), int | float | str) and not isinstance(found[name], bool):
                try:
                    found[name] = from_major(found[name], code)
                except ValueError as error:
                    raise PydanticCustomError("money", f"{name}: {error}") from error
        return found


class Dated(Body):
    """A write that may tell of the past."""

    occurred_at: Past | None = Field(None, description="when it happened; default now, at most 60 s ahead")

    def when(self, now: datetime) -> datetime:
        return self.occurred_at or now


class Priced(Body):
    """A body with money; `currency` goes with bare numbers, which are in major units."""

    currency: str | None = Field(None, pattern="^[A-Z]{3}$", description="for bare numbers; default the company's")


class Answer(BaseModel):
    """A response body."""

    model_config = ConfigDict(from_attributes=True)


def money_of(amount: int | None, currency: str | None) -> Money | None:
    """The wire's money from the two columns it is stored in."""
    return None if amount is None or currency is None else Money(amount=amount, currency=currency)
