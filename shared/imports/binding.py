"""A mapping bound to one file: where each field of the resource comes from, decided once before the first row."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from shared.imports.mapping import ANY, ImportMapping, Join
from shared.imports.reader import CsvTable, Encoding
from shared.imports.refusals import CellProblem, CellRefused, FileRefused, Refusal, Rule, shorten, suggestion
from shared.imports.resource import Column, Resource

LONGEST_JOIN = 200_000  # rows of a second file: it is held in memory

Cells = Sequence[str]
Lookup = dict[str, str]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a field's text comes from: the first of `places` with one, else `constant`; then lookup and translation.

    `label` is how a refusal names it: as the sender's file does.
    """

    column: Column
    label: str
    places: tuple[int, ...] = ()
    constant: str = ""
    lookup: Lookup | None = None
    words: Mapping[str, str] | None = None

    def cell(self, cells: Cells) -> str:
        """As it stands in the file, spaces included."""
        for place in self.places:
            text = cells[place]
            if text and not text.isspace():
                return text
        return self.constant

    def told(self, cell: str) -> str:
        """What the cell says, trimmed, looked up and translated; blank for no value. Raises CellRefused."""
        text = cell.strip()
        if not text:
            return text
        if self.lookup is not None:
            text = _found(text, self.lookup)
        return self._translated(text) if self.words is not None and text else text

    def _translated(self, text: str) -> str:
        words = self.words or {}
        word = words.get(text, words.get(ANY))
        if word is None:
            explanation = f"not listed in [values.{self.column.name}] of the mapping"
            raise CellRefused(Rule.NOT_LISTED, explanation, value=text)
        return text if word == ANY else word.strip()


def _found(text: str, lookup: Lookup) -> str:
    try:
        return lookup[text]
    except KeyError:
        raise CellRefused(Rule.NOT_IN_JOIN, "does not stand in the second file", value=text) from None


@dataclass(frozen=True, slots=True)
class Skip:
    place: int
    values: frozenset[str]

    def leaves_out(self, cells: Cells) -> bool:
        return cells[self.place].strip() in self.values


@dataclass(frozen=True, slots=True)
class Binding:
    """`unused` are the file's columns nothing was taken from: they are reported, not swallowed."""

    sources: tuple[Source, ...]
    skips: tuple[Skip, ...]
    unused: tuple[str, ...]

    @property
    def taken(self) -> dict[str, str]:
        """Field → what it is taken from, for the report."""
        return {source.column.name: source.label for source in self.sources}


def read_joins(mapping: ImportMapping, files: Mapping[str, BinaryIO]) -> dict[str, Lookup]:
    """Field → the lookup its join asks for. Raises FileRefused."""
    missing = [name for name in mapping.files if name not in files]
    if missing:
        explanation = "the mapping joins with {}, which was not sent"
        raise FileRefused(0, [CellProblem(n, "", Rule.MISSING_JOIN_FILE, explanation.format(n)) for n in missing])
    lookups: dict[str, Lookup] = {}
    for name in mapping.files:
        joins = {field: join for field, join in mapping.join.items() if join.file == name}
        lookups |= _read_join(name, files[name], joins, mapping.file.encoding)
    return lookups


def _read_join(name: str, stream: BinaryIO, joins: Mapping[str, Join], encoding: Encoding) -> dict[str, Lookup]:
    try:
        table = CsvTable(stream, encoding)
        wanted = {column for join in joins.values() for column in (join.on, join.take)}
        if absent := sorted(wanted.difference(table.header)):
            hint = suggestion(absent[0], table.header)
            raise FileRefused.at(1, Rule.MISSING_COLUMN, f"there is no column {absent[0]}{hint}", column=absent[0])
        lookups: dict[str, Lookup] = {field: {} for field in joins}
        for count, record in enumerate(table):
            if isinstance(record, Refusal):
                raise FileRefused(record.line, record.problems)
            if count >= LONGEST_JOIN:
                raise FileRefused.at(record.line, Rule.NOT_CSV, f"a second file has at most {LONGEST_JOIN:,} rows")
            row = {column: cell.strip() for column, cell in zip(table.header, record.cells, strict=True)}
            for field, join in joins.items():
                _remember(lookups[field], row[join.on], row[join.take], record.line, join)
    except FileRefused as refused:
        problems = [
            CellProblem(problem.column, problem.value, problem.rule, f"{name}: {problem.explanation}")
            for problem in refused.refusal.problems
        ]
        raise FileRefused(refused.refusal.line, problems) from refused
    return lookups


def _remember(lookup: Lookup, key: str, value: str, line: int, join: Join) -> None:
    if key and lookup.setdefault(key, value) != value:
        explanation = f"{shorten(key)} has two values of {join.take}"
        raise FileRefused.at(line, Rule.AMBIGUOUS_JOIN, explanation, column=join.on, value=key)


class Binder:
    """Collects everything that does not fit before it refuses, so that a person mends the mapping once."""

    def __init__(self, resource: Resource, mapping: ImportMapping, header: tuple[str, ...]) -> None:
        self._resource = resource
        self._mapping = mapping
        self._header = header
        self._named = {name for names in mapping.columns.values() for name in names}
        self._problems: list[CellProblem] = []

    def bind(self, lookups: Mapping[str, Lookup]) -> Binding:
        """Raises FileRefused."""
        self._problems.extend(self._unknown_fields())
        sources = tuple(
            source for column in self._resource.columns if (source := self._source(column, lookups)) is not None
        )
        skips = tuple(
            Skip(place, frozenset(value.strip() for value in values))
            for name, values in self._mapping.skip.items()
            if (place := self._place(name, f"skip.{name}")) is not None
        )
        self._problems.extend(self._untold({source.column.name for source in sources}))
        if self._problems:
            raise FileRefused(1 if self._problems[0].rule == Rule.MISSING_COLUMN else 0, self._problems)
        return Binding(sources, skips, self._unused(sources))

    def _unknown_fields(self) -> Iterator[CellProblem]:
        parts = ("columns", "constants", "values", "join")
        for key, field in [(f"{part}.{field}", field) for part in parts for field in getattr(self._mapping, part)]:
            if field not in self._resource.names:
                hint = suggestion(field, self._resource.names)
                explanation = f"mapping {key}: {self._resource.name} have no field {field}{hint}"
                yield CellProblem(key, "", Rule.UNKNOWN_FIELD, explanation)

    def _place(self, name: str, key: str) -> int | None:
        if name in self._header:
            return self._header.index(name)
        explanation = f"mapping {key}: the file has no column {name}{suggestion(name, self._header)}"
        self._problems.append(CellProblem(name, "", Rule.MISSING_COLUMN, explanation))
        return None

    def _source(self, column: Column, lookups: Mapping[str, Lookup]) -> Source | None:
        field, words = column.name, self._mapping.values.get(column.name)
        if field in self._mapping.columns:
            return self._from_columns(column, words)
        if field in self._mapping.constants:
            return Source(column, f"constants.{field}", constant=self._mapping.constants[field], words=words)
        if field in self._mapping.join:
            join = self._mapping.join[field]
            place = self._place(join.on, f"join.{field}.on")
            if place is None:
                return None
            return Source(column, f"{join.on} → {join.take}", (place,), lookup=lookups[field], words=words)
        # a column the mapping gives to one field is not silently given to another of its own name
        if field in self._header and field not in self._named:
            return Source(column, field, (self._header.index(field),), words=words)
        return None

    def _from_columns(self, column: Column, words: Mapping[str, str] | None) -> Source | None:
        names = self._mapping.columns[column.name]
        present = [name for name in names if name in self._header]
        if not present:
            self._place(names[0], f"columns.{column.name}")
            return None
        return Source(column, " | ".join(present), tuple(map(self._header.index, present)), words=words)

    def _untold(self, told: set[str]) -> Iterator[CellProblem]:
        """Required fields nothing would ever fill. A field whose column is missing was named already."""
        told = told | set(self._mapping.columns) | set(self._mapping.join)
        groups = [(column.name,) for column in self._resource.columns if column.required]
        for group in (*groups, *self._resource.one_of):
            if not told.intersection(group):
                names = " or ".join(group)
                explanation = f"{self._resource.name} need a column {names}{suggestion(group[0], self._header)}"
                yield CellProblem(names, "", Rule.MISSING_COLUMN, explanation)

    def _unused(self, sources: tuple[Source, ...]) -> tuple[str, ...]:
        used = self._named | set(self._mapping.skip) | {join.on for join in self._mapping.join.values()}
        used |= {source.label for source in sources}
        return tuple(name for name in self._header if name not in used)
