from datetime import UTC, date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.imports.cells import CellReader
from shared.imports.refusals import CellRefused, Rule
from shared.imports.resource import CURRENCY, Column, Kind, Value
from shared.money import Money

NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)  # noon in Tokyo
TOKYO = ZoneInfo("Asia/Tokyo")
COLUMNS = {kind: Column("x", kind, choices=("won", "lost") if kind is Kind.CHOICE else ()) for kind in Kind}


def read(
    text: str,
    kind: Kind | Column,
    *,
    currency: str = "JPY",
    zone: str = "Asia/Tokyo",
    formats: tuple[str, ...] = (),
) -> Value:
    reader = CellReader(zone=ZoneInfo(zone), formats=formats, now=NOW)
    return reader.read(text, kind if isinstance(kind, Column) else COLUMNS[kind], currency)


def rule_of(
    text: str,
    kind: Kind | Column,
    *,
    currency: str = "JPY",
    zone: str = "Asia/Tokyo",
    formats: tuple[str, ...] = (),
) -> str:
    with pytest.raises(CellRefused) as refused:
        read(text, kind, currency=currency, zone=zone, formats=formats)
    return refused.value.rule


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("株式会社　サカタのタネ", Kind.TEXT, "株式会社　サカタのタネ"),  # a name stays as it is written
        ("Ｅ００００４", Kind.KEY, "E00004"),
        ("\u200bA-1\ufeff", Kind.KEY, "A-1"),
        ("ｔａｒｏ＠ｅｘａｍｐｌｅ．ｊｐ", Kind.EMAIL, "taro@example.jp"),
        ("Won", Kind.CHOICE, "won"),
        ("ＬＯＳＴ", Kind.CHOICE, "lost"),
        ("１，２３４", Kind.INTEGER, 1234),
        ("-5", Kind.INTEGER, -5),
        ("4.0", Kind.INTEGER, 4),
        ("１２．５", Kind.DECIMAL, Decimal("12.5")),
        (".5", Kind.DECIMAL, Decimal("0.5")),
        ("−3", Kind.DECIMAL, Decimal(-3)),
        ("はい", Kind.BOOLEAN, True),
        ("無", Kind.BOOLEAN, False),
        ("FALSE", Kind.BOOLEAN, False),
    ],
)
def test_a_cell_is_understood(text: str, kind: Kind, value: Value) -> None:
    assert read(text, kind) == value


@pytest.mark.parametrize(
    ("text", "kind", "rule"),
    [
        ("a\nb", Kind.KEY, Rule.CONTROL_CHARACTER),
        ("a" * 1_001, Kind.TEXT, Rule.TOO_LONG),
        ("taro@example", Kind.EMAIL, Rule.NOT_AN_EMAIL),
        ("taro example.jp", Kind.EMAIL, Rule.NOT_AN_EMAIL),
        ("a@b..jp", Kind.EMAIL, Rule.NOT_AN_EMAIL),
        ("draw", Kind.CHOICE, Rule.NOT_A_CHOICE),
        ("twelve", Kind.INTEGER, Rule.NOT_A_NUMBER),
        ("1e5", Kind.INTEGER, Rule.NOT_A_NUMBER),
        ("NaN", Kind.DECIMAL, Rule.NOT_A_NUMBER),
        ("Infinity", Kind.DECIMAL, Rule.NOT_A_NUMBER),
        ("1_000", Kind.INTEGER, Rule.NOT_A_NUMBER),
        ("12,34", Kind.INTEGER, Rule.NOT_A_NUMBER),
        ("٣", Kind.INTEGER, Rule.NOT_A_NUMBER),
        ("1.5", Kind.INTEGER, Rule.NOT_WHOLE),
        ("3000000000", Kind.INTEGER, Rule.TOO_LARGE),
        ("9" * 50, Kind.DECIMAL, Rule.TOO_LARGE),
        ("1" * 17, Kind.MONEY, Rule.TOO_LARGE),
        ("maybe", Kind.BOOLEAN, Rule.NOT_A_BOOLEAN),
    ],
)
def test_a_cell_is_refused_by_its_rule(text: str, kind: Kind, rule: Rule) -> None:
    assert rule_of(text, kind) == rule


def test_bounds_of_a_column_hold() -> None:
    seats = Column("seats", Kind.INTEGER, minimum=0, maximum=10)
    assert rule_of("-1", seats) == Rule.TOO_SMALL
    assert rule_of("11", seats) == Rule.TOO_LARGE
    assert rule_of("-1", Column("mrr", Kind.MONEY, minimum=0)) == Rule.TOO_SMALL


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("2000", "USD", 200_000),
        ("1,054.5", "USD", 105_450),
        ("2000", "JPY", 2000),
        ("2000.00", "JPY", 2000),
        ("1.005", "KWD", 1005),
        ("０", "USD", 0),
    ],
)
def test_money_is_in_major_units_of_its_currency(text: str, currency: str, minor: int) -> None:
    assert read(text, Kind.MONEY, currency=currency) == Money(amount=minor, currency=currency)


@pytest.mark.parametrize(("text", "currency"), [("1.005", "USD"), ("0.5", "JPY"), ("1.0005", "KWD")])
def test_more_decimals_than_the_currency_has_are_refused(text: str, currency: str) -> None:
    assert rule_of(text, Kind.MONEY, currency=currency) == Rule.TOO_MANY_DECIMALS


def test_a_currency_is_an_iso_code() -> None:
    assert read("usd", CURRENCY) == "USD"
    assert rule_of("YEN", CURRENCY) == Rule.NOT_A_CHOICE


@settings(deadline=None)
@given(st.integers(-(10**14), 10**14), st.sampled_from(["JPY", "USD", "KWD"]))
def test_any_amount_is_read_back(minor: int, currency: str) -> None:
    places = {"JPY": 0, "USD": 2, "KWD": 3}[currency]
    text = f"{Decimal(minor).scaleb(-places):,f}"
    assert read(text, Kind.MONEY, currency=currency) == Money(amount=minor, currency=currency)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-04-01", date(2024, 4, 1)),
        ("2024/4/1", date(2024, 4, 1)),
        ("２０２４年４月１日", date(2024, 4, 1)),
        ("2024-04-28 03:00:00", date(2024, 4, 28)),
        ("2024-03-31T15:30:00Z", date(2024, 4, 1)),  # already April in Tokyo
        ("9999-12-31", date(9999, 12, 31)),
    ],
)
def test_a_date_is_the_day_of_the_file_s_zone(text: str, day: date) -> None:
    assert read(text, Kind.DATE) == day


@pytest.mark.parametrize("text", ["2024-02-30", "2024-4/1", "01.04.2024", "45383", "2024-04-01 25:00", "24-04-01"])
def test_what_is_no_date_is_refused(text: str) -> None:
    assert rule_of(text, Kind.DATE) == Rule.NOT_A_DATE
    assert rule_of(text, Kind.INSTANT) == Rule.NOT_A_DATE


@pytest.mark.parametrize("text", ["0001-01-01", "1899-12-30", "0001-01-01T00:00:00Z"])
def test_placeholders_for_no_date_are_refused(text: str) -> None:
    assert rule_of(text, Kind.DATE) == Rule.TOO_EARLY
    assert rule_of(text, Kind.INSTANT) == Rule.TOO_EARLY


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-04-01", datetime(2024, 3, 31, 15, tzinfo=UTC)),
        ("2024-04-01 9:05", datetime(2024, 4, 1, 0, 5, tzinfo=UTC)),
        ("2024-04-01T09:05:06.5", datetime(2024, 4, 1, 0, 5, 6, 500_000, tzinfo=UTC)),
        ("2024-04-01 09:05:06+0200", datetime(2024, 4, 1, 7, 5, 6, tzinfo=UTC)),
        ("2024-04-01T00:00:00Z", datetime(2024, 4, 1, tzinfo=UTC)),
        ("2026-04-01 12:00:00", NOW),
    ],
)
def test_an_instant_is_in_utc_and_a_day_its_start(text: str, instant: datetime) -> None:
    assert read(text, Kind.INSTANT) == instant


@pytest.mark.parametrize("text", ["2026-04-01 12:00:01", "2026-04-02", "9999-12-31", "9999-12-31T23:59:59-12:00"])
def test_an_instant_after_the_import_is_refused(text: str) -> None:
    assert rule_of(text, Kind.INSTANT) == Rule.IN_THE_FUTURE


def test_a_date_of_the_past_is_refused_after_the_import_s_day() -> None:
    column = Column("date", Kind.DATE, past=True)
    assert read("2026-04-01", column) == date(2026, 4, 1)
    assert rule_of("2026-04-02", column) == Rule.IN_THE_FUTURE


def test_a_time_the_clocks_showed_twice_or_never_is_no_guess() -> None:
    zone = "America/New_York"
    assert rule_of("2024-11-03 01:30:00", Kind.INSTANT, zone=zone) == Rule.AMBIGUOUS_TIME
    assert rule_of("2024-03-10 02:30:00", Kind.INSTANT, zone=zone) == Rule.NO_SUCH_TIME
    assert read("2024-11-03 01:30:00-0500", Kind.INSTANT, zone=zone) == datetime(2024, 11, 3, 6, 30, tzinfo=UTC)


def test_a_day_whose_midnight_was_skipped_begins_when_the_clocks_went_on() -> None:
    assert read("2018-11-04", Kind.INSTANT, zone="America/Sao_Paulo") == datetime(2018, 11, 4, 3, tzinfo=UTC)


def test_two_formats_that_disagree_are_an_error_not_a_guess() -> None:
    formats = ("%d/%m/%Y", "%m/%d/%Y")
    assert rule_of("03/04/2024", Kind.DATE, formats=formats) == Rule.AMBIGUOUS_DATE
    assert read("04/04/2024", Kind.DATE, formats=formats) == date(2024, 4, 4)
    assert read("25/04/2024", Kind.DATE, formats=formats) == date(2024, 4, 25)


def test_one_format_without_separators_needs_all_its_digits() -> None:
    assert rule_of("1112024", Kind.DATE, formats=("%d%m%Y",)) == Rule.NOT_A_DATE
    assert read("01112024", Kind.DATE, formats=("%d%m%Y",)) == date(2024, 11, 1)


def test_given_formats_are_the_only_ones() -> None:
    assert rule_of("2024-04-01", Kind.DATE, formats=("%d.%m.%Y",)) == Rule.NOT_A_DATE
    assert read("１．４．２０２４", Kind.DATE, formats=("%d.%m.%Y",)) == date(2024, 4, 1)


@settings(deadline=None)
@given(st.dates(date(1990, 1, 1), date(2026, 3, 31)), st.times())
def test_any_wall_clock_reading_of_tokyo_is_read_back(day: date, clock: time) -> None:
    local = datetime.combine(day, clock.replace(microsecond=0), TOKYO)
    assert read(f"{local:%Y-%m-%d %H:%M:%S}", Kind.INSTANT) == local
    assert read(f"{local:%Y/%m/%d %H:%M:%S}", Kind.INSTANT, formats=("%Y/%m/%d %H:%M:%S",)) == local
