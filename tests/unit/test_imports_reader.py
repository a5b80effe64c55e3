import csv
import io
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.imports.reader import LONGEST_LINE, CsvTable, Encoding, Record
from shared.imports.refusals import FileRefused, Refusal, Rule

CELL = st.text(st.characters(exclude_categories=["Cs", "Co"], exclude_characters="\0\ufeff"), max_size=12)


def is_cp932(cell: str) -> bool:
    try:
        return cell.encode("cp932").decode("cp932") == cell
    except UnicodeEncodeError:
        return False


def tables(cell: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[list[str], list[list[str]]]]:
    name = st.text("abcdefgh氏名電話", min_size=1, max_size=6)
    headers = st.lists(name, min_size=1, max_size=5, unique=True)
    return headers.flatmap(
        lambda header: st.tuples(
            st.just(header), st.lists(st.lists(cell, min_size=len(header), max_size=len(header)), max_size=8)
        )
    )


def read(data: bytes, encoding: Encoding = "utf-8") -> list[Record | Refusal]:
    return list(CsvTable(io.BytesIO(data), encoding))


def records(data: bytes, encoding: Encoding = "utf-8") -> list[Record]:
    return [record for record in read(data, encoding) if isinstance(record, Record)]


def written(
    header: list[str], rows: Iterable[list[str]], *, end: str = "\r\n", quoting: int = csv.QUOTE_MINIMAL
) -> str:
    page = io.StringIO()
    writer = csv.writer(page, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]  # the stub wants a Literal
    writer.writerow(header)
    writer.writerows(rows)
    return page.getvalue()


@settings(deadline=None)
@given(tables(CELL), st.sampled_from(["utf-8", "utf-8-sig"]))
def test_a_table_in_utf8_is_read_back_as_it_was_written(table: tuple[list[str], list[list[str]]], codec: str) -> None:
    header, rows = table
    assert [record.cells for record in records(written(header, rows).encode(codec))] == rows


@settings(deadline=None)
@given(tables(CELL.filter(is_cp932) | st.sampled_from(["①髙橋", "ソ表能", "～―∥", "　全角　"])))
def test_a_table_in_cp932_is_read_back_as_it_was_written(table: tuple[list[str], list[list[str]]]) -> None:
    header, rows = table
    assert [record.cells for record in records(written(header, rows).encode("cp932"), "cp932")] == rows


@settings(deadline=None)
@given(tables(CELL), st.sampled_from(["\n", "\r", "\r\n"]))
def test_every_line_end_is_read_and_counted_as_an_editor_does(
    table: tuple[list[str], list[list[str]]], end: str
) -> None:
    header, rows = table
    text = written(header, rows, end=end, quoting=csv.QUOTE_ALL)
    found = records(text.encode())
    assert [record.cells for record in found] == rows
    line = 2
    for record in found:
        assert record.line == line
        joined = "".join(record.cells)
        line += 1 + joined.count("\n") + joined.count("\r") - sum(cell.count("\r\n") for cell in record.cells)


def test_a_row_begins_where_the_editor_shows_it() -> None:
    found = records(b'a,b\n1,"two\nlines"\n\n3,4\n')
    assert found == [Record(2, ["1", "two\nlines"]), Record(5, ["3", "4"])]


def test_lines_longer_than_a_chunk_are_put_together() -> None:
    long = "あ" * 40_000
    assert records(f"a,b\r\n1,{long}\r\n2,x\r\n".encode()) == [Record(2, ["1", long]), Record(3, ["2", "x"])]


def test_a_row_with_too_many_or_too_few_cells_is_refused_alone() -> None:
    first, second, third = read(b"a,b\n1,2,3\n1\n1,2\n")
    assert isinstance(first, Refusal)
    assert first.problems[0].rule == Rule.CELL_COUNT
    assert (first.line, first.problems[0].value) == (2, "1,2,3")
    assert isinstance(second, Refusal)
    assert second.problems[0].explanation == "1 cells where the header has 2"
    assert third == Record(4, ["1", "2"])


def test_a_nul_character_is_refused_by_line_and_column() -> None:
    refusal, after = read(b"a,b\n1,x\0y\n1,2\n")
    assert isinstance(refusal, Refusal)
    assert (refusal.line, refusal.problems[0].column, refusal.problems[0].value) == (2, "b", "x␀y")
    assert refusal.problems[0].rule == Rule.NUL_CHARACTER
    assert after == Record(3, ["1", "2"])


def test_a_stray_quotation_mark_costs_only_its_row() -> None:
    refusal, after = read(b'a,b\n"x"y,2\n1,2\n')
    assert isinstance(refusal, Refusal)
    assert (refusal.line, refusal.problems[0].rule) == (2, Rule.BROKEN_QUOTES)
    assert after == Record(3, ["1", "2"])


def test_an_over_long_cell_costs_only_its_row() -> None:
    refusal, after = read(b"a,b\n1," + b"x" * (csv.field_size_limit() + 1) + b"\n1,2\n")
    assert isinstance(refusal, Refusal)
    assert (refusal.line, refusal.problems[0].rule) == (2, Rule.TOO_LONG)
    assert after == Record(3, ["1", "2"])


@pytest.mark.parametrize(
    ("data", "line", "rule"),
    [
        (b"", 1, Rule.EMPTY_FILE),
        (b"\xef\xbb\xbf", 1, Rule.EMPTY_FILE),
        (b"\n\n", 1, Rule.EMPTY_FILE),
        (b"a,,c\n", 1, Rule.EMPTY_HEADER),
        (b"a,b,a\n", 1, Rule.DUPLICATE_HEADER),
        (b"a, a \n", 1, Rule.DUPLICATE_HEADER),
        (b"a;b;c\n", 1, Rule.NOT_CSV),
        (b"a\tb\n", 1, Rule.NOT_CSV),
        (b"PK\x03\x04\x14\0", 1, Rule.NOT_CSV),
        ("a,b\n".encode("utf-16"), 1, Rule.NOT_CSV),
        (b'a,b\n1,"open\n2,3\n', 2, Rule.OPEN_QUOTE),
        (b'a,"b\n1,2\n', 1, Rule.OPEN_QUOTE),
        (b'a,b\n1,2\n3,"' + b"x,1\n" * 40_000, 3, Rule.OPEN_QUOTE),
        (b'a,b\n1,"x"y"\n2,3\n', 2, Rule.OPEN_QUOTE),
        (b"a,b\n" + b"x" * (LONGEST_LINE + 200_000), 2, Rule.NOT_CSV),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused_by_line(data: bytes, line: int, rule: Rule) -> None:
    with pytest.raises(FileRefused) as refused:
        read(data)
    assert (refused.value.refusal.line, refused.value.rule) == (line, rule)


def test_cp932_without_a_mapping_is_refused_with_the_mapping_that_helps() -> None:
    data = "name,company\r\nTaro,x\r\n花子,株式会社".encode("cp932")
    with pytest.raises(FileRefused, match=r'line 3.*cp932.*encoding = "cp932"') as refused:
        read(data)
    assert refused.value.rule == Rule.WRONG_ENCODING
    assert refused.value.refusal.problems[0].value == "花子,株式会社"
    assert len(records(data, "cp932")) == 2


def test_bytes_of_no_known_encoding_are_refused_without_a_wrong_hint() -> None:
    with pytest.raises(FileRefused, match="nor is it cp932"):
        read(b"a\nx\x85\n")


def test_utf8_called_cp932_is_told_so() -> None:
    with pytest.raises(FileRefused, match="could be utf-8"):
        read("a\n日\n".encode(), "cp932")


def test_a_byte_order_mark_is_stronger_than_the_mapping() -> None:
    assert records("氏名\n花子\n".encode("utf-8-sig"), "cp932") == [Record(2, ["花子"])]
