"""The mapping: a TOML page that fits a foreign file to a resource. Unknown keys are refused, never ignored.

[file]      encoding, timezone, date_formats
[columns]   field = column, or a list of columns tried in order until one has a value
[constants] field = the same value in every row
[values.F]  translation of field F; a value not listed is an error unless "*" is ("*" = "*" keeps it as it is)
[skip]      column = the values of it that leave a row out ("" is a blank cell)
[join]      field = { file, on, take }: looked up in a second file by a column both files have
"""

import codecs
import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.imports.reader import Encoding
from shared.imports.refusals import CellProblem, FileRefused, Rule, shorten

LARGEST = 262_144  # bytes of TOML
ANY = "*"
ENCODINGS: dict[str, Encoding] = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "utf-8-sig": "utf-8",
    "cp932": "cp932",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "ms932": "cp932",
    "windows-31j": "cp932",
}


def _encoding(name: Any) -> Any:
    """What people call Shift_JIS is Microsoft's CP932: the strict standard lacks ① and 髙."""
    return ENCODINGS.get(name.lower(), name) if isinstance(name, str) else name


def _zone(name: Any) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise ValueError("a time zone is its IANA name, such as Asia/Tokyo") from error


def _date_format(form: str) -> str:
    """A format must tell year, month and day of any date."""
    probe = datetime(2003, 4, 5, 16, 7, 8)  # noqa: DTZ001 a wall-clock reading has no zone yet
    try:
        told = datetime.strptime(probe.strftime(form), form)  # noqa: DTZ007 likewise
    except ValueError as error:
        raise ValueError(f"{form!r} is no date format; one is written like %Y-%m-%d %H:%M:%S") from error
    if told.date() != probe.date():
        raise ValueError(f"{form!r} does not tell year, month and day")
    return form


def _texts(value: Any) -> Any:
    """One value or a list of them; a number or a boolean of TOML as a CSV cell would write it."""
    return [constant_text(item) for item in value] if isinstance(value, list) else [constant_text(value)]


def constant_text(value: Any) -> Any:
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return value.isoformat() if isinstance(value, date) else value


Name = Annotated[str, Field(min_length=1)]
Text = Annotated[str, BeforeValidator(constant_text)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_texts), Field(min_length=1)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts), Field(min_length=1)]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]
DateFormat = Annotated[str, AfterValidator(_date_format)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class FileOptions(_Part):
    encoding: Annotated[Encoding, BeforeValidator(_encoding)] = "utf-8"
    timezone: Zone | None = None
    date_formats: tuple[DateFormat, ...] = ()


class Join(_Part):
    file: Name
    on: Name
    take: Name


class ImportMapping(_Part):
    """Without any entry it is the identity: every field is the column of its own name."""

    file: FileOptions = FileOptions()
    columns: dict[str, Names] = {}
    constants: dict[str, Text] = {}
    values: dict[str, dict[str, Text]] = {}
    skip: dict[str, Texts] = {}
    join: dict[str, Join] = {}

    @property
    def files(self) -> tuple[str, ...]:
        """The second files it needs, each once."""
        return tuple(dict.fromkeys(join.file for join in self.join.values()))


def parse_mapping(toml: bytes) -> ImportMapping:
    """Raises FileRefused naming every key that is wrong."""
    if len(toml) > LARGEST:
        raise FileRefused.at(0, Rule.BAD_MAPPING, f"the mapping is larger than {LARGEST:,} bytes")
    try:
        page = tomllib.loads(toml.removeprefix(codecs.BOM_UTF8).decode("utf-8"), parse_float=Decimal)
    except UnicodeDecodeError as error:
        raise FileRefused.at(0, Rule.BAD_MAPPING, "the mapping is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        foreign = not toml.isascii()  # nine times in ten the reason
        hint = '; left of =, a name with other letters than A to Z is written in quotes: "氏名" = …' if foreign else ""
        raise FileRefused.at(0, Rule.BAD_MAPPING, f"the mapping is not TOML: {error}{hint}") from error
    except RecursionError as error:
        raise FileRefused.at(0, Rule.BAD_MAPPING, "the mapping is nested too deeply") from error
    try:
        mapping = ImportMapping.model_validate(page)
    except ValidationError as error:
        raise FileRefused(0, [_problem(detail["loc"], detail) for detail in error.errors()]) from error
    if twice := [*_told_twice(mapping), *_blank_translated(mapping)]:
        raise FileRefused(0, twice)
    return mapping


def _problem(place: tuple[int | str, ...], detail: Any) -> CellProblem:
    key = ".".join(str(part) for part in place)
    told = detail["input"]
    shown = shorten(str(told)) if isinstance(told, str | int | Decimal) else ""
    sentence = "there is no such key" if detail["type"] == "extra_forbidden" else detail["msg"]
    return CellProblem(key, shown, Rule.BAD_MAPPING, f"mapping {key}: {sentence}")


def _told_twice(mapping: ImportMapping) -> list[CellProblem]:
    """A field comes from one place: of two, one would be ignored without a word."""
    homes: dict[str, Mapping[str, object]] = {
        "columns": mapping.columns,
        "constants": mapping.constants,
        "join": mapping.join,
    }
    problems = []
    for field in dict.fromkeys(name for home in homes.values() for name in home):
        told = [name for name, home in homes.items() if field in home]
        if len(told) > 1:
            explanation = f"mapping: {field} is given in [{told[0]}] and in [{told[1]}]"
            problems.append(CellProblem(f"{told[1]}.{field}", "", Rule.BAD_MAPPING, explanation))
    return problems


def _blank_translated(mapping: ImportMapping) -> list[CellProblem]:
    explanation = "a blank cell is no value and is never translated"
    return [
        CellProblem(f"values.{field}", "", Rule.BAD_MAPPING, f"mapping values.{field}: {explanation}")
        for field, words in mapping.values.items()
        if any(not word.strip() for word in words)
    ]
