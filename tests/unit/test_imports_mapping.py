from pathlib import Path

import pytest

from shared.imports.binding import Binder
from shared.imports.mapping import LARGEST, ImportMapping, parse_mapping
from shared.imports.refusals import FileRefused, Rule
from tests.support.import_resources import OPPORTUNITIES

EXAMPLES = sorted((Path(__file__).parents[2] / "docs" / "examples").glob("*.toml"))
WHOLE = """
[file]
encoding = "shift_jis"
timezone = "Asia/Tokyo"
date_formats = ["%Y-%m-%d", "%Y-%m-%d %H:%M:%S"]
[columns]
external_id = "opportunity_id"
owner = ["sales_agent", "agent"]
[constants]
currency = "USD"
amount = 2.5
[values.status]
"Won" = "won"
[skip]
is_trial = ["True"]
flag = true
[join]
region = { file = "sales_teams.csv", on = "sales_agent", take = "regional_office" }
"""


def problems(toml: str) -> dict[str, str]:
    with pytest.raises(FileRefused) as refused:
        parse_mapping(toml.encode())
    return {problem.column: problem.explanation for problem in refused.value.refusal.problems}


def test_every_part_is_understood() -> None:
    mapping = parse_mapping(WHOLE.encode("utf-8-sig"))
    assert mapping.file.encoding == "cp932"
    assert str(mapping.file.timezone) == "Asia/Tokyo"
    assert mapping.columns == {"external_id": ("opportunity_id",), "owner": ("sales_agent", "agent")}
    assert mapping.constants == {"currency": "USD", "amount": "2.5"}
    assert mapping.values == {"status": {"Won": "won"}}
    assert mapping.skip == {"is_trial": ("True",), "flag": ("True",)}
    assert mapping.files == ("sales_teams.csv",)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_mappings(example: Path) -> None:
    assert parse_mapping(example.read_bytes()) != ImportMapping()


@pytest.mark.parametrize(
    ("toml", "key"),
    [
        ("[colums]\na = 'b'", "colums"),
        ("[file]\nencodng = 'cp932'", "file.encodng"),
        ("[file]\nencoding = 'latin-1'", "file.encoding"),
        ("[file]\ntimezone = 'Tokyo'", "file.timezone"),
        ("[file]\ntimezone = '../etc/passwd'", "file.timezone"),
        ("[file]\ndate_formats = ['%H:%M']", "file.date_formats.0"),
        ("[file]\ndate_formats = ['%Q']", "file.date_formats.0"),
        ("[columns]\nowner = []", "columns.owner"),
        ("[columns]\nowner = ['']", "columns.owner.0"),
        ("[values]\nstatus = 'won'", "values.status"),
        ("[values.status]\n'' = 'won'", "values.status"),
        ("[join]\nregion = { file = 'a.csv', on = 'b', take = 'c', why = 1 }", "join.region.why"),
        ("[join]\nregion = { file = 'a.csv', on = 'b' }", "join.region.take"),
        ("[columns]\nowner = 'a'\n[constants]\nowner = 'b'", "constants.owner"),
    ],
)
def test_a_wrong_key_is_refused_by_its_name(toml: str, key: str) -> None:
    assert key in problems(toml)


def test_all_wrong_keys_are_named_at_once() -> None:
    assert set(problems("[colums]\n[file]\nzone = 1")) == {"colums", "file.zone"}


@pytest.mark.parametrize("toml", [b"a = ", b"\xff", b"x" * (LARGEST + 1), b"a=" + b"[" * 100_000])
def test_what_is_no_toml_is_refused(toml: bytes) -> None:
    with pytest.raises(FileRefused) as refused:
        parse_mapping(toml)
    assert refused.value.rule == Rule.BAD_MAPPING


def test_a_japanese_name_without_quotes_is_told_what_to_do() -> None:
    with pytest.raises(FileRefused, match="in quotes"):
        parse_mapping('[skip]\n状態 = "済"'.encode())
    assert parse_mapping('[skip]\n"状態" = "済"'.encode()).skip == {"状態": ("済",)}


def bound(toml: str, *header: str) -> tuple[dict[str, str], tuple[str, ...]]:
    binding = Binder(OPPORTUNITIES, parse_mapping(toml.encode()), header).bind({"region": {}})
    return binding.taken, binding.unused


def test_without_a_mapping_columns_have_the_names_of_the_fields() -> None:
    taken, unused = bound("", "external_id", "status", "colour")
    assert taken == {"external_id": "external_id", "status": "status"}
    assert unused == ("colour",)


def test_a_column_given_to_one_field_is_not_taken_by_another() -> None:
    taken, unused = bound("[columns]\nowner = 'team'\nstatus = 'stage'", "external_id", "team", "stage", "status")
    assert taken == {"external_id": "external_id", "owner": "team", "status": "stage"}
    assert unused == ("status",)


def test_of_a_list_of_columns_one_must_be_there() -> None:
    taken, _ = bound("[columns]\nowner = ['agent', 'rep']", "external_id", "status", "rep")
    assert taken["owner"] == "rep"
    with pytest.raises(FileRefused, match=r"columns\.owner: the file has no column agent"):
        bound("[columns]\nowner = ['agent', 'rep']", "external_id", "status", "reps")


def test_what_does_not_fit_the_file_is_named_with_a_suggestion() -> None:
    toml = "[columns]\nexternal_id = 'oportunity_id'\nownr = 'agent'\n[values.color]\na = 'b'\n[skip]\nx = '1'"
    with pytest.raises(FileRefused) as refused:
        bound(toml, "opportunity_id", "agent", "status")
    explanations = {problem.column: problem.explanation for problem in refused.value.refusal.problems}
    assert explanations["oportunity_id"].endswith("the file has no column oportunity_id; did you mean opportunity_id?")
    assert explanations["columns.ownr"].endswith("did you mean owner?")
    assert set(explanations) == {"oportunity_id", "columns.ownr", "values.color", "x"}


def test_a_required_field_nothing_fills_is_missing() -> None:
    with pytest.raises(FileRefused, match="need a column status") as refused:
        bound("", "external_id", "state")
    assert refused.value.rule == Rule.MISSING_COLUMN
    taken, _ = bound("[constants]\nstatus = 'open'", "external_id")
    assert taken["status"] == "constants.status"
