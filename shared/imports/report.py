"""What an import did, in numbers, and the refused rows as a file to mend and send again."""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields

from shared.imports.refusals import Refusal

NUMBER = re.compile(r"[+-]?[0-9.,]+")


@dataclass(slots=True)
class Counts:
    """Every row read is exactly one of the six after `read`; `events` were announced because of them."""

    read: int = 0
    new: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    waiting: int = 0
    refused: int = 0
    events: int = 0

    def __iadd__(self, other: "Counts") -> "Counts":
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))
        return self

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def _harmless(cell: str) -> str:
    """A cell that a spreadsheet would run as a formula gets the apostrophe that makes it text."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) and not NUMBER.fullmatch(cell) else cell


def _line(cells: Iterable[object]) -> str:
    page = io.StringIO()
    csv.writer(page).writerow(cells)
    return page.getvalue()


ERRORS_HEAD = "\ufeff" + _line(("line", "column", "value", "rule", "explanation"))
"""The byte order mark first: without it Excel takes the file for CP932."""


def errors_csv(refusal: Refusal) -> str:
    """Lines of CSV, one for each rule the row breaks."""
    return "".join(
        _line((refusal.line, *map(_harmless, (problem.column, problem.value, problem.rule, problem.explanation))))
        for problem in refusal.problems
    )
