"""What an import says no to: a cell, a row or the whole file, always with the place and the rule it breaks."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from shared.errors import Problem

SHOWN = 80  # characters of a refused value that are repeated to the person


class Rule(StrEnum):
    """Stable names of the engine's own rules; a service's importer adds the rules of its stage beside them."""

    # the file
    EMPTY_FILE = "empty_file"
    NOT_CSV = "not_csv"
    WRONG_ENCODING = "wrong_encoding"
    OPEN_QUOTE = "open_quote"
    EMPTY_HEADER = "empty_header"
    DUPLICATE_HEADER = "duplicate_header"
    MISSING_COLUMN = "missing_column"
    # the mapping and its second files
    BAD_MAPPING = "bad_mapping"
    UNKNOWN_FIELD = "unknown_field"
    MISSING_JOIN_FILE = "missing_join_file"
    AMBIGUOUS_JOIN = "ambiguous_join"
    # a row
    CELL_COUNT = "cell_count"
    BROKEN_QUOTES = "broken_quotes"
    REQUIRED = "required"
    DUPLICATE_KEY = "duplicate_key"
    REPEATS_REFUSED = "repeats_refused"
    # a cell
    NUL_CHARACTER = "nul_character"
    CONTROL_CHARACTER = "control_character"
    TOO_LONG = "too_long"
    NOT_LISTED = "not_listed"
    NOT_IN_JOIN = "not_in_join"
    NOT_A_CHOICE = "not_a_choice"
    NOT_A_NUMBER = "not_a_number"
    NOT_WHOLE = "not_whole"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    TOO_MANY_DECIMALS = "too_many_decimals"
    NOT_A_BOOLEAN = "not_a_boolean"
    NOT_A_DATE = "not_a_date"
    AMBIGUOUS_DATE = "ambiguous_date"
    AMBIGUOUS_TIME = "ambiguous_time"
    NO_SUCH_TIME = "no_such_time"
    TOO_EARLY = "too_early"
    IN_THE_FUTURE = "in_the_future"
    NOT_AN_EMAIL = "not_an_email"


def shorten(value: str) -> str:
    return value if len(value) <= SHOWN else value[: SHOWN - 1] + "…"


@dataclass(frozen=True, slots=True)
class CellProblem:
    """One rule broken. `column` is the file's own name of it, or the mapping's key; empty when the row is meant."""

    column: str
    value: str
    rule: str
    explanation: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row left out, with everything that is wrong with it. `line` is where the row begins in an editor."""

    line: int
    problems: tuple[CellProblem, ...]

    @classmethod
    def of(cls, line: int, column: str, value: str, rule: str, explanation: str) -> "Refusal":
        return cls(line, (CellProblem(column, shorten(value), rule, explanation),))


class CellRefused(Exception):
    """A cell breaks `rule`; whoever knows line and column makes a CellProblem of it."""

    def __init__(self, rule: str, explanation: str, *, value: str = "") -> None:
        super().__init__(explanation)
        self.rule = rule
        self.explanation = explanation
        self.value = value  # where the cell meant is not the one that was read


class FileRefused(Problem):
    """Nothing of the file can be trusted, or its mapping does not fit it. Line 0 speaks of the mapping."""

    status, title = 422, "The file cannot be imported"

    def __init__(self, line: int, problems: Iterable[CellProblem]) -> None:
        self.refusal = Refusal(line, tuple(problems))
        first = self.refusal.problems[0]
        where = f"line {line}: " if line else ""
        errors = [{"field": problem.column, "rule": problem.explanation} for problem in self.refusal.problems]
        super().__init__(f"{where}{first.explanation}", rule=first.rule, errors=errors)

    @classmethod
    def at(cls, line: int, rule: str, explanation: str, *, column: str = "", value: str = "") -> "FileRefused":
        return cls(line, [CellProblem(column, shorten(value), rule, explanation)])


def suggestion(name: str, known: Iterable[str]) -> str:
    """The end of a sentence that names what was probably meant, or nothing."""
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
