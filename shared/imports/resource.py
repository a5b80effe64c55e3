"""What a resource's CSV may say: its columns by name and kind, and which of them identify a row."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from shared.money import CURRENCIES, Money

Value = str | int | Decimal | bool | date | datetime | Money
T = TypeVar("T", bound=Value)


class Kind(StrEnum):
    """How a cell is understood. The value's type stands behind each."""

    TEXT = "text"  # str, as written
    KEY = "key"  # str, full-width folded: what links to something else
    EMAIL = "email"  # str, full-width folded
    CHOICE = "choice"  # str, one of the column's choices
    INTEGER = "integer"  # int
    DECIMAL = "decimal"  # Decimal
    MONEY = "money"  # Money; the cell is in major units of the row's `currency`
    BOOLEAN = "boolean"  # bool
    DATE = "date"  # date
    INSTANT = "instant"  # datetime in UTC; a date alone is the start of that day


@dataclass(frozen=True, slots=True)
class Column:
    """`minimum` and `maximum` bound a number (an integer is otherwise one of 32 bits); `past` refuses a date after
    the day of the import (an instant after the import always is)."""

    name: str
    kind: Kind = Kind.TEXT
    required: bool = False
    choices: tuple[str, ...] = ()
    max_length: int = 1_000
    minimum: int | None = None
    maximum: int | None = None
    past: bool = False

    def __post_init__(self) -> None:
        if (self.kind is Kind.CHOICE) != bool(self.choices):
            raise ValueError(f"{self.name}: choices belong to a choice, and a choice has them")


CURRENCY = Column("currency", Kind.CHOICE, choices=tuple(sorted(CURRENCIES)))
"""The sibling of every money column: without a value the company's currency is meant."""


@dataclass(frozen=True, slots=True)
class Resource:
    """`keys`: the first of them whose columns all have a value identifies the row, so that the same thing told twice
    in one file is noticed. `one_of`: of each group at least one column must have a value."""

    name: str
    columns: tuple[Column, ...]
    keys: tuple[tuple[str, ...], ...] = ()
    one_of: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        names = self.names
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: a column is declared twice")
        for name in (name for group in (*self.keys, *self.one_of) for name in group):
            if name not in names:
                raise ValueError(f"{self.name}: {name} is not a column")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be loaded. `values` holds only what was told: a blank cell is not there."""

    line: int
    values: dict[str, Value]

    def get(self, name: str, kind: type[T]) -> T | None:
        """The told value of the column, or None; TypeError when the column was declared of another kind."""
        value = self.values.get(name)
        if value is None or isinstance(value, kind):
            return value
        raise TypeError(f"{name} is a {type(value).__name__}, not a {kind.__name__}")

    def need(self, name: str, kind: type[T]) -> T:
        """The value of a required column."""
        value = self.get(name, kind)
        if value is None:
            raise KeyError(name)
        return value


@dataclass(frozen=True, slots=True)
class Skipped:
    """Left out because [skip] of the mapping says so."""

    line: int


@dataclass(frozen=True, slots=True)
class Repeated:
    """Says in every column what line `of` of the same file has said."""

    line: int
    of: int
