import csv
import io
from collections.abc import Mapping
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.imports.mapping import parse_mapping
from shared.imports.refusals import FileRefused, Refusal, Rule
from shared.imports.report import ERRORS_HEAD, Counts, errors_csv
from shared.imports.resource import Column, Kind, Repeated, Resource, Row, Skipped
from shared.imports.rows import Read, RowReader, read_rows
from shared.money import Money
from tests.support.import_resources import CONTRACTS, OPPORTUNITIES, USAGE

NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
NOTES = Resource("notes", (Column("external_id", Kind.KEY), Column("text")), keys=(("external_id",),))


def reader(
    text: str, resource: Resource, toml: str = "", joins: Mapping[str, str] | None = None, currency: str = "JPY"
) -> RowReader:
    files = {name: io.BytesIO(content.encode()) for name, content in (joins or {}).items()}
    return read_rows(
        io.BytesIO(text.encode()), resource, parse_mapping(toml.encode()), files, now=NOW, currency=currency
    )


def rows(text: str, resource: Resource, toml: str = "", joins: Mapping[str, str] | None = None) -> list[Read]:
    return list(reader(text, resource, toml, joins))


def only(read: list[Read]) -> Row:
    (row,) = read
    assert isinstance(row, Row), row
    return row


def refusal(read: Read) -> Refusal:
    assert isinstance(read, Refusal), read
    return read


def test_a_row_holds_what_was_told_and_nothing_else() -> None:
    text = "external_id,account_external_id,start_date,mrr,currency,seats,trial\n S-1 ,A-1,2024-04-01,20.5,USD,,no\n"
    row = only(rows(text, CONTRACTS))
    assert row.line == 2
    assert row.values == {
        "external_id": "S-1",
        "account_external_id": "A-1",
        "start_date": date(2024, 4, 1),
        "mrr": Money(amount=2050, currency="USD"),
        "currency": "USD",
        "trial": False,
    }
    assert row.get("seats", int) is None
    assert row.need("mrr", Money).amount == 2050
    with pytest.raises(TypeError):
        row.get("mrr", str)


def test_money_without_a_currency_is_the_company_s() -> None:
    text = "external_id,account_external_id,start_date,mrr,currency\n1,A,2024-04-01,5,\n2,A,2024-04-01,5,USD\n"
    amounts = [row.need("mrr", Money) for row in reader(text, CONTRACTS, currency="EUR") if isinstance(row, Row)]
    assert amounts == [Money(amount=500, currency="EUR"), Money(amount=500, currency="USD")]


def test_everything_wrong_with_a_row_is_told_at_once() -> None:
    text = "external_id,status,amount,opened_at\n,thinking,much,someday\n"
    problems = {problem.column: problem.rule for problem in refusal(rows(text, OPPORTUNITIES)[0]).problems}
    assert problems == {
        "external_id": Rule.REQUIRED,
        "status": Rule.NOT_A_CHOICE,
        "amount": Rule.NOT_A_NUMBER,
        "opened_at": Rule.NOT_A_DATE,
    }


def test_one_of_several_columns_must_have_a_value() -> None:
    text = "contract_external_id,account_external_id,date\nS,,2024-01-01\n,A,2024-01-01\n,,2024-01-01\n"
    first, second, third = rows(text, USAGE)
    assert isinstance(first, Row)
    assert isinstance(second, Row)
    (problem,) = refusal(third).problems
    assert (problem.column, problem.rule) == ("contract_external_id or account_external_id", Rule.REQUIRED)


def test_blank_rows_are_no_rows() -> None:
    assert [row.line for row in rows("external_id,text\n,\n\n1,a\n　, \n", NOTES)] == [4]


def test_a_list_of_columns_is_tried_in_order_row_by_row() -> None:
    toml = "[columns]\ntext = ['memo', 'note']"
    read = rows("external_id,note,memo\n1,a,b\n2,c, \n3,,\n", NOTES, toml)
    assert [row.values.get("text") for row in read if isinstance(row, Row)] == ["b", "c", None]


def test_translation_refuses_what_is_not_listed() -> None:
    toml = "[values.text]\n'GTXPro' = 'GTX Pro'\n'n/a' = ''\n"
    text = "external_id,text\n1,GTXPro\n2,MG\n3,n/a\n4,\n"
    first, second, third, fourth = rows(text, NOTES, toml)
    assert isinstance(first, Row)
    assert first.values["text"] == "GTX Pro"
    (problem,) = refusal(second).problems
    assert (problem.column, problem.value, problem.rule) == ("text", "MG", Rule.NOT_LISTED)
    assert isinstance(third, Row)
    assert isinstance(fourth, Row)
    assert "text" not in third.values
    assert "text" not in fourth.values


@pytest.mark.parametrize(("star", "other"), [("*", "MG"), ("other", "other")])
def test_a_star_stands_for_every_other_value(star: str, other: str) -> None:
    toml = f"[values.text]\n'GTXPro' = 'GTX Pro'\n'*' = '{star}'\n"
    first, second = rows("external_id,text\n1,GTXPro\n2,MG\n", NOTES, toml)
    assert isinstance(first, Row)
    assert isinstance(second, Row)
    assert (first.values["text"], second.values["text"]) == ("GTX Pro", other)


def test_rows_are_left_out_by_the_file_s_own_columns() -> None:
    toml = "[skip]\nis_trial = ['True']\nstate = ['']"
    text = "external_id,is_trial,state\n1,False,a\n2,True,a\n3,False,\n4,True,\n"
    assert rows(text, NOTES, toml) == [Row(2, {"external_id": "1"}), Skipped(3), Skipped(4), Skipped(5)]


def test_a_join_looks_up_in_the_second_file() -> None:
    toml = "[join]\ntext = { file = 'teams.csv', on = 'agent', take = 'office' }"
    joins = {"teams.csv": "office,agent\nEast,Ann\n,Bob\nEast,Ann\n"}
    first, second, third, fourth = rows("external_id,agent\n1,Ann\n2,Bob\n3,\n4,Cid\n", NOTES, toml, joins)
    assert isinstance(first, Row)
    assert first.values["text"] == "East"
    assert isinstance(second, Row)
    assert isinstance(third, Row)
    assert "text" not in second.values
    assert "text" not in third.values
    (problem,) = refusal(fourth).problems
    assert (problem.column, problem.value, problem.rule) == ("agent → office", "Cid", Rule.NOT_IN_JOIN)


@pytest.mark.parametrize(
    ("joins", "rule", "line"),
    [
        ({}, Rule.MISSING_JOIN_FILE, 0),
        ({"teams.csv": "agent,place\n"}, Rule.MISSING_COLUMN, 1),
        ({"teams.csv": "agent,office\nAnn,East\nAnn,West\n"}, Rule.AMBIGUOUS_JOIN, 3),
        ({"teams.csv": "agent,office\nAnn\n"}, Rule.CELL_COUNT, 2),
        ({"teams.csv": ""}, Rule.EMPTY_FILE, 1),
    ],
)
def test_a_second_file_that_cannot_answer_is_refused(joins: dict[str, str], rule: Rule, line: int) -> None:
    toml = "[join]\ntext = { file = 'teams.csv', on = 'agent', take = 'office' }"
    with pytest.raises(FileRefused, match=r"teams\.csv") as refused:
        rows("external_id,agent\n1,Ann\n", NOTES, toml, joins)
    assert (refused.value.rule, refused.value.refusal.line) == (rule, line)


def test_the_same_key_told_twice() -> None:
    first, second, third, fourth = rows("external_id,text\n1,a\n１,a\n1,b\n,a\n", NOTES)
    assert first == Row(2, {"external_id": "1", "text": "a"})
    assert second == Repeated(3, of=2)
    (problem,) = refusal(third).problems
    assert problem.rule == Rule.DUPLICATE_KEY
    assert problem.column == "external_id"
    assert problem.value == "1"
    assert "line 2" in problem.explanation
    assert isinstance(fourth, Row)


def test_values_that_hash_alike_are_still_different() -> None:
    resource = Resource("deltas", (Column("external_id", Kind.KEY), Column("n", Kind.INTEGER)), (("external_id",),))
    assert isinstance(rows("external_id,n\n1,-1\n1,-2\n", resource)[1], Refusal)


def test_a_refused_row_does_not_claim_its_key() -> None:
    read = rows("external_id,status\nA,??\nA,won\n", OPPORTUNITIES)
    assert [type(row) for row in read] == [Refusal, Row]


def test_unused_columns_are_reported() -> None:
    read = reader("external_id,text,colour,size\n", NOTES)
    assert read.binding.unused == ("colour", "size")
    assert list(read) == []


def test_a_problem_further_down_ends_the_file_after_the_rows_before_it() -> None:
    read = reader('external_id,text\n1,a\n2,"b\n3,c\n', NOTES)
    assert isinstance(next(read), Row)
    with pytest.raises(FileRefused, match="line 3"):
        next(read)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.text("abcé髙", min_size=1), st.text(st.characters(exclude_categories=["C", "Z"]))), max_size=20
    )
)
def test_every_row_is_told_exactly_once(told: list[tuple[str, str]]) -> None:
    page = io.StringIO()
    csv.writer(page).writerows([("external_id", "text"), *told])
    read = rows(page.getvalue(), NOTES)
    assert [row.line for row in read] == list(range(2, len(told) + 2))
    keys = [row.values["external_id"] for row in read if isinstance(row, Row)]
    assert len(keys) == len(set(keys))


def test_the_refused_rows_are_a_file_a_spreadsheet_can_open_safely() -> None:
    refusals = [
        Refusal.of(2, "name", '=HYPERLINK("http://x")', "rule", "why, then"),
        Refusal.of(3, "amount", "-5", Rule.TOO_SMALL, "less than 0"),
        Refusal.of(4, "氏名", "x" * 200, Rule.TOO_LONG, "longer than 100 characters"),
    ]
    text = ERRORS_HEAD + "".join(map(errors_csv, refusals))
    assert text.startswith("\ufeffline,column,value,rule,explanation\r\n")
    table = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert table[0]["value"] == '\'=HYPERLINK("http://x")'
    assert table[0]["explanation"] == "why, then"
    assert table[1]["value"] == "-5"
    assert table[2]["value"] == "x" * 79 + "…"
    assert [line["line"] for line in table] == ["2", "3", "4"]


def test_counts_add_up() -> None:
    counts = Counts(read=3, new=2, refused=1)
    counts += Counts(read=2, waiting=1, skipped=1, events=4)
    assert counts == Counts(read=5, new=2, refused=1, waiting=1, skipped=1, events=4)
