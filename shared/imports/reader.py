"""CSV as people really send it, read line by line: what a row says and on which line of an editor it begins.

A row that cannot be read is refused alone where the next one is certain to begin; where it is not (an encoding
that does not fit, a quotation mark never closed) the file is refused, because every later row would be a guess.
"""

import codecs
import csv
from collections.abc import Iterator
from typing import BinaryIO, Literal, NamedTuple

from shared.imports.refusals import CellProblem, FileRefused, Refusal, Rule, shorten

Encoding = Literal["utf-8", "cp932"]

CHUNK = 65_536
LONGEST_LINE = 1_048_576  # bytes; a longer one is no table but a file without line ends
FOREIGN = {
    b"PK\x03\x04": "an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    codecs.BOM_UTF16_LE: "UTF-16 text",
    codecs.BOM_UTF16_BE: "UTF-16 text",
}


class Record(NamedTuple):
    line: int
    cells: list[str]


def _physical_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines with their ends, as an editor counts them: LF, CR LF and a lone CR each end one."""
    tail = b""
    while chunk := stream.read(CHUNK):
        lines = (tail + chunk).splitlines(keepends=True)
        tail = lines.pop()  # may go on in the next chunk; a CR at its end may have its LF there
        yield from lines
        if len(tail) > LONGEST_LINE:
            yield tail
            return
    if tail:
        yield tail


class _Lines:
    """Decoded lines, and what the current record's lines hold: quotation marks and NUL characters."""

    def __init__(self, stream: BinaryIO, encoding: Encoding) -> None:
        self._stream = stream
        self._encoding = encoding
        self.quotes = 0
        self.nul = False

    def start_record(self) -> None:
        self.quotes, self.nul = 0, False

    def __iter__(self) -> Iterator[str]:
        encoding = self._encoding
        for number, raw in enumerate(_physical_lines(self._stream), 1):
            if number == 1:
                raw, encoding = self._begin(raw)
                if not raw:
                    continue
            if len(raw) > LONGEST_LINE:
                raise FileRefused.at(number, Rule.NOT_CSV, f"the line is longer than {LONGEST_LINE:,} bytes")
            text = _decoded(number, raw, encoding)
            self.quotes += text.count('"')
            if "\0" in text:
                self.nul = True
            yield text

    def _begin(self, raw: bytes) -> tuple[bytes, Encoding]:
        """A byte order mark is certain: it is stronger than what the mapping says."""
        for signature, name in FOREIGN.items():
            if raw.startswith(signature):
                raise FileRefused.at(1, Rule.NOT_CSV, f"this is {name}; save it as CSV UTF-8")
        if raw.startswith(codecs.BOM_UTF8):
            return raw[len(codecs.BOM_UTF8) :], "utf-8"
        return raw, self._encoding


def _decoded(line: int, raw: bytes, encoding: Encoding) -> str:
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise _undecodable(line, raw, encoding) from error
    if encoding == "cp932" and not text.isascii() and _is_japanese_utf8(raw):
        raise _undecodable(line, raw, encoding)
    return text


def _is_japanese_utf8(raw: bytes) -> bool:
    """Much of UTF-8 also decodes as CP932, into nonsense such as 譌･; real CP932 text is hardly ever valid UTF-8."""
    try:
        return max(raw.decode("utf-8")) >= "\u3000"
    except UnicodeDecodeError:
        return False


def _undecodable(line: int, raw: bytes, encoding: Encoding) -> FileRefused:
    other: Encoding = "cp932" if encoding == "utf-8" else "utf-8"
    try:
        shown = raw.decode(other)
        hint = f'it could be {other}: say so in the mapping, [file] encoding = "{other}"'
    except UnicodeDecodeError:
        shown = raw.decode(encoding, "replace")
        hint = f"nor is it {other}; save the file as CSV UTF-8"
    return FileRefused.at(line, Rule.WRONG_ENCODING, f"the text is not {encoding}; {hint}", value=shown.rstrip("\r\n"))


class CsvTable:
    """A header and the records under it. Iterating yields what each row says, or why it cannot be read.

    Raises FileRefused, at once for a header that cannot be used, while iterating for what comes to light later.
    """

    def __init__(self, stream: BinaryIO, encoding: Encoding = "utf-8") -> None:
        self._lines = _Lines(stream, encoding)
        # strict: a quotation mark in the wrong place is told, not guessed around
        self._csv = csv.reader(self._lines, strict=True)
        self.header = self._read_header()

    def __iter__(self) -> Iterator[Record | Refusal]:
        width = len(self.header)
        while (record := self._next()) is not None:
            if isinstance(record, Record) and len(record.cells) != width:
                explanation = f"{len(record.cells)} cells where the header has {width}"
                yield Refusal.of(record.line, "", ",".join(record.cells), Rule.CELL_COUNT, explanation)
            else:
                yield record

    def _next(self) -> Record | Refusal | None:
        """The next row that is not an empty line."""
        while True:
            self._lines.start_record()
            line = self._csv.line_num + 1
            try:
                cells = next(self._csv)
            except StopIteration:
                return None
            except csv.Error as error:
                return self._broken(line, str(error))
            if self._lines.nul:
                return self._with_nul(line, cells)
            if cells:
                return Record(line, cells)

    def _broken(self, line: int, reason: str) -> Refusal:
        """The row alone, when all its quotation marks are closed on its lines; else the file."""
        if self._lines.quotes % 2:
            explanation = "a quotation mark opened in this row is never closed where a cell ends"
            raise FileRefused.at(line, Rule.OPEN_QUOTE, explanation)
        if "limit" in reason:
            limit = csv.field_size_limit()
            return Refusal.of(line, "", "", Rule.TOO_LONG, f"a cell is longer than {limit:,} characters")
        explanation = 'a quoted cell goes on after its closing mark; a mark inside a quoted cell is written twice ("")'
        return Refusal.of(line, "", "", Rule.BROKEN_QUOTES, explanation)

    def _with_nul(self, line: int, cells: list[str]) -> Refusal:
        names = dict(enumerate(getattr(self, "header", ())))
        problems = [
            CellProblem(
                names.get(place, f"column {place + 1}"),
                shorten(cell.replace("\0", "␀")),
                Rule.NUL_CHARACTER,
                "the cell holds a NUL character",
            )
            for place, cell in enumerate(cells)
            if "\0" in cell
        ]
        return Refusal(line, tuple(problems))

    def _read_header(self) -> tuple[str, ...]:
        record = self._next()
        if record is None:
            raise FileRefused.at(1, Rule.EMPTY_FILE, "the file is empty: not even a header")
        if isinstance(record, Refusal):
            raise FileRefused(record.line, record.problems)
        header = tuple(cell.strip() for cell in record.cells)
        problems = [*_empty(header), *_repeated(header), *_other_delimiter(header)]
        if problems:
            raise FileRefused(record.line, problems)
        return header


def _empty(header: tuple[str, ...]) -> Iterator[CellProblem]:
    for place, name in enumerate(header, 1):
        if not name:
            yield CellProblem(f"column {place}", "", Rule.EMPTY_HEADER, f"column {place} has no name in the header")


def _repeated(header: tuple[str, ...]) -> Iterator[CellProblem]:
    for place, name in enumerate(header, 1):
        first = header.index(name) + 1
        if name and first != place:
            explanation = f"columns {first} and {place} have the same name"
            yield CellProblem(name, shorten(name), Rule.DUPLICATE_HEADER, explanation)


def _other_delimiter(header: tuple[str, ...]) -> Iterator[CellProblem]:
    for mark, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and mark in header[0]:
            explanation = f"the columns seem to be separated by {word}; commas are expected"
            yield CellProblem("", shorten(header[0]), Rule.NOT_CSV, explanation)
