"""The words of the pages: complete in both languages, all of them used, figures as each language writes them."""

import importlib
import pkgutil
import re
import string
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

import services
import shared
from services.field_sales.domain.lifecycle import RULES as FIELD_SALES
from services.inside_sales.domain.lifecycle import _RULES, _SPECIAL
from services.kpi.pages import BY, VIEWS
from shared.clock import TOKYO
from shared.errors import Problem
from shared.feedback import KINDS
from shared.http.problems import HTTP_RULES
from shared.web.lists import ListPage
from shared.web.words import LANGUAGES, Words, messages, preferred

ROOT = Path(__file__).parents[2]
LOOKED_UP = re.compile(r"""\bcode\(\s*f?"([a-z_.]+)"|"([a-z_]+\.)"\s*~""")
LITERAL = re.compile(r"""\bt\(\s*"([a-z_.]+)"\s*[,)]""")
GIVEN_RULE = re.compile(r"""\brule="([a-z_]+)\"""")
OPEN_TABLES = ("codes.", "site.languages.")  # looked up by what the API or the reader says
DECLARED = ("acts.", "columns.", "pages.", "rules.")  # held to what is declared, whoever looks them up


def modules() -> Iterator[str]:
    for package in (shared, services):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__") and ".versions" not in found.name:
                yield found.name


def pages() -> list[ListPage]:
    """Every list page that a service declares."""
    found: list[ListPage] = []
    for name in modules():
        if name.startswith("services.") and name.endswith(".pages"):
            found += getattr(importlib.import_module(name), "PAGES", ())
    return found


def sources(*endings: str) -> Iterator[str]:
    for room in ("shared", "services"):
        for file in (ROOT / room).rglob("*"):
            if file.suffix in endings and "/static/" not in str(file):
                yield file.read_text(encoding="utf-8")


def rules() -> set[str]:
    """Every rule a caller can be refused by."""

    def below(kind: type[Problem]) -> Iterator[type[Problem]]:
        yield kind
        for child in kind.__subclasses__():
            yield from below(child)

    for name in modules():
        importlib.import_module(name)
    ours = (kind for kind in below(Problem) if kind.__module__.startswith(("shared.", "services.")))
    given = {rule for text in sources(".py") for rule in GIVEN_RULE.findall(text)}
    listed = {*FIELD_SALES.values(), *_RULES.values(), *_SPECIAL.values(), *HTTP_RULES.values(), "http"}
    return {kind.rule for kind in ours} | given | listed


def declared() -> tuple[set[str], set[str]]:
    """The keys the pages need, and the tables of coded values they look into."""
    keys = {f"columns.{name}" for name in BY} | {key for key, _ in VIEWS}
    tables: set[str] = set()
    for page in pages():
        keys.add(f"pages.{page.name}")
        fields = [*page.filters, *(field for act in (*page.acts, *page.creates) for field in act.fields)]
        keys |= {f"acts.{act.name}" for act in (*page.acts, *page.creates)}
        names = {*(column.name for column in page.columns), *(field.name for field in fields)}
        keys |= {f"columns.{name}" for name in names}
        tables |= {f"values.{name}." for name in names}
    return keys, tables


def looked_up() -> set[str]:
    """Tables whose keys are put together where they are used."""
    found = {table or f"{name}." for text in sources(".py", ".html") for name, table in LOOKED_UP.findall(text)}
    return {table for table in found if table not in DECLARED}


def placeholders(message: object) -> list[tuple[str, set[str]]]:
    texts = message.items() if isinstance(message, dict) else [("other", message)]
    return [(form, {name for _, name, _, _ in string.Formatter().parse(str(text)) if name}) for form, text in texts]


def test_both_languages_say_the_same_things() -> None:
    ja, en = messages("ja"), messages("en")
    assert set(ja) == set(en)
    for key, message in ja.items():
        names = {frozenset(found) for _, found in (*placeholders(message), *placeholders(en[key]))}
        assert len(names) == 1, key
    assert all(text.strip() for table in (ja, en) for text in table.values() if isinstance(text, str))


def test_every_rule_that_can_refuse_has_words_and_a_page() -> None:
    known = {key.split(".")[1] for key in messages("en") if key.startswith("rules.")}
    assert rules() - known == set()
    assert known - rules() == set()


def test_every_key_is_used_and_every_used_key_is_there() -> None:
    keys, tables = declared()
    literal = {key for text in sources(".py", ".html") for key in LITERAL.findall(text) if "." in key}
    beginnings = ("rules.", *OPEN_TABLES, *tables, *looked_up())
    for language in LANGUAGES:
        known = set(messages(language))
        assert (keys | literal) - known == set(), language
        unused = {key for key in known - keys - literal if not key.startswith(beginnings)}
        assert unused == set(), language


def test_coded_values_of_forms_have_words() -> None:
    words = Words("ja")
    for page in pages():
        for field in (*page.filters, *(field for act in (*page.acts, *page.creates) for field in act.fields)):
            unknown = [code for code in field.options if words.code(f"values.{field.name}", code) == code]
            assert unknown == [], (page.name, field.name)


def test_kinds_of_feedback_read_the_same_in_the_api_and_on_pages() -> None:
    for reason in KINDS:
        assert Words("ja").code("values.kind", reason.code) == reason.ja
        assert Words("en").code("values.kind", reason.code) == reason.en


def test_a_missing_key_is_an_error_and_an_unknown_code_is_shown() -> None:
    with pytest.raises(KeyError):
        Words("ja").t("site.nobody_wrote_this")
    assert Words("ja").code("values.state", "brand_new") == "brand_new"
    assert Words("en").code("values.useful", True) == "Yes"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "ja"),
        ("en", "en"),
        ("en-GB,en;q=0.9,ja;q=0.8", "en"),
        ("fr,en;q=0.4,ja;q=0.5", "ja"),
        ("fr-FR", "ja"),
        ("*", "ja"),
        ("en;q=nonsense", "ja"),
        (";;,,=", "ja"),
    ],
)
def test_the_language_a_browser_asks_for(header: str, expected: str) -> None:
    assert preferred(header) == expected


def test_figures_are_written_as_each_language_does() -> None:
    ja, en = Words("ja", TOKYO), Words("en", TOKYO)
    assert (ja.number(1234567), en.number(0.5)) == ("1,234,567", "0.5")
    assert (ja.percent(0.1664), en.percent(None)) == ("16.6%", "–")
    assert ja.money({"amount": 1200, "currency": "JPY"}) == "￥1,200"
    assert en.money({"amount": 123456, "currency": "USD"}) == "$1,234.56"
    assert (ja.day("2026-04-01"), en.day(date(2026, 4, 1))) == ("2026/04/01", "Apr 1, 2026")
    assert ja.moment("2026-03-31T15:30:00Z") == "2026/04/01 00:30"
    assert (en.t("site.shown", n=1), en.t("site.shown", n=1200)) == ("1 shown", "1,200 shown")
