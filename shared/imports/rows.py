"""From the bytes of a file to rows of typed values: each row is taken, refused with reasons, skipped or a repeat."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import BinaryIO
from zoneinfo import ZoneInfo

import orjson

from shared.clock import TOKYO
from shared.imports.binding import Binder, Binding, Source, read_joins
from shared.imports.cells import CellReader
from shared.imports.mapping import ImportMapping
from shared.imports.reader import CsvTable, Record
from shared.imports.refusals import CellProblem, CellRefused, Refusal, Rule, shorten
from shared.imports.resource import CURRENCY, Repeated, Resource, Row, Skipped, Value
from shared.money import Money

Read = Row | Refusal | Skipped | Repeated
Meaning = Callable[[str, str], Value | None]

REMEMBERED = 8_192  # distinct cells of a column: owners, products, days and states repeat thousands of times


class RowReader(Iterator[Read]):
    """The rows of one file in its order, streamed; lines that are blank in every cell are no rows.

    Every key met is remembered with a fingerprint of its row, some 250 bytes a row, to notice the same thing told
    twice. Raises FileRefused: at once when header and mapping do not fit, while iterating for encoding and quotes.
    """

    def __init__(self, table: CsvTable, binding: Binding, resource: Resource, cells: CellReader, currency: str) -> None:
        self.binding = binding
        self._resource = resource
        self._currency = currency
        # the currency first: money is read in it
        sources = sorted(binding.sources, key=lambda source: source.column.name != CURRENCY.name)
        self._plan = [(source, source.column.name, _meaning(source, cells)) for source in sources]
        required = [(column.name,) for column in resource.columns if column.required]
        self._required = (*required, *resource.one_of)
        self._seen: dict[tuple[Value | str, ...], tuple[int, int]] = {}
        self._reads = self._read_all(table)

    def __next__(self) -> Read:
        return next(self._reads)

    def _read_all(self, table: CsvTable) -> Iterator[Read]:
        skips = self.binding.skips
        for record in table:
            if isinstance(record, Refusal):
                yield record
            elif not any(map(str.strip, record.cells)):
                continue
            elif skips and any(skip.leaves_out(record.cells) for skip in skips):
                yield Skipped(record.line)
            else:
                yield self._row(record)

    def _row(self, record: Record) -> Read:
        line, cells = record
        values: dict[str, Value] = {}
        problems: list[CellProblem] = []
        currency = self._currency
        for source, name, meaning in self._plan:
            cell = source.cell(cells)
            if not cell:
                continue
            try:
                value = meaning(cell, currency)
            except CellRefused as refused:
                shown = shorten(refused.value or cell.strip())
                problems.append(CellProblem(source.label, shown, refused.rule, refused.explanation))
                continue
            if value is not None:
                values[name] = value
                if name == CURRENCY.name and isinstance(value, str):
                    currency = value
        for group in self._required:
            if not any(name in values for name in group):
                problems.extend(self._missing(group, problems))
        return Refusal(line, tuple(problems)) if problems else self._unlike_earlier(Row(line, values))

    def _missing(self, group: tuple[str, ...], problems: list[CellProblem]) -> list[CellProblem]:
        """A required value that was told but refused is not missing."""
        labels = [self.binding.taken.get(name, name) for name in group]
        if any(problem.column in labels for problem in problems):
            return []
        return [CellProblem(" or ".join(labels), "", Rule.REQUIRED, "a value is required")]

    def _unlike_earlier(self, row: Row) -> Read:
        key = next((names for names in self._resource.keys if all(name in row.values for name in names)), None)
        if key is None:
            return row
        identity = (*key, *(row.values[name] for name in key))
        mine = (row.line, _fingerprint(row))
        earlier = self._seen.setdefault(identity, mine)
        if earlier is mine:
            return row
        if earlier[1] == mine[1]:
            return Repeated(row.line, of=earlier[0])
        column = ", ".join(self.binding.taken[name] for name in key)
        value = ", ".join(str(row.values[name]) for name in key)
        explanation = f"line {earlier[0]} tells the same key with other values"
        return Refusal.of(row.line, column, value, Rule.DUPLICATE_KEY, explanation)


def _meaning(source: Source, cells: CellReader) -> Meaning:
    """A cell as it stands → its value, or None for no value; raises CellRefused. Cells met before are remembered."""

    def meaning(cell: str, currency: str) -> Value | None:
        text = source.told(cell)
        return cells.read(text, source.column, currency) if text else None

    return lru_cache(REMEMBERED)(meaning)


def _fingerprint(row: Row) -> int:
    # of the text: Python's hash of the number -1 is that of -2
    return hash(orjson.dumps(row.values, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, Money):
        return [value.amount, value.currency]
    return str(value.normalize()) if isinstance(value, Decimal) else str(value)


def read_rows(
    stream: BinaryIO,
    resource: Resource,
    mapping: ImportMapping | None = None,
    joins: Mapping[str, BinaryIO] | None = None,
    *,
    now: datetime,
    zone: ZoneInfo = TOKYO,
    currency: str = "JPY",
) -> RowReader:
    """`now` is the time of the import; `zone` and `currency` are the company's, where file and mapping tell none."""
    mapping = mapping or ImportMapping()
    lookups = read_joins(mapping, joins or {})
    table = CsvTable(stream, mapping.file.encoding)
    binding = Binder(resource, mapping, table.header).bind(lookups)
    cells = CellReader(zone=mapping.file.timezone or zone, formats=mapping.file.date_formats, now=now)
    return RowReader(table, binding, resource, cells, currency)
