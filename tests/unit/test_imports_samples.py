"""The public samples through the mappings of docs/examples: real quirks, counted by hand beforehand."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from shared.imports.mapping import parse_mapping
from shared.imports.refusals import Refusal, Rule
from shared.imports.resource import Resource, Row
from shared.imports.rows import Read, RowReader, read_rows
from shared.money import Money
from tests.support.import_resources import ACCOUNTS, CONTRACTS, OPPORTUNITIES, REPS, USAGE
from tests.support.samples import sample

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
NOW = datetime(2026, 4, 1, tzinfo=UTC)


def read(file: str, resource: Resource, mapping: str) -> tuple[RowReader, list[Read]]:
    path = sample(file)
    parsed = parse_mapping((EXAMPLES / mapping).read_bytes())
    joins = {name: sample(f"{path.parent.name}/{name}").open("rb") for name in parsed.files}
    try:
        with path.open("rb") as stream:
            reader = read_rows(stream, resource, parsed, joins, now=NOW)
            return reader, list(reader)
    finally:
        for join in joins.values():
            join.close()


def taken(reads: list[Read]) -> list[Row]:
    rows = [row for row in reads if isinstance(row, Row)]
    assert len(rows) == len(reads), [row for row in reads if not isinstance(row, Row)][:3]
    return rows


def test_maven_opportunities() -> None:
    reader, reads = read("maven_crm/sales_pipeline.csv", OPPORTUNITIES, "maven-opportunities.toml")
    rows = taken(reads)
    assert reader.binding.unused == ()
    assert Counter(row.values["status"] for row in rows) == {"offered": 500, "open": 1589, "lost": 2473, "won": 4238}
    won = [row for row in rows if row.values["status"] == "won"]
    assert sum(row.need("amount", Money).amount for row in won) == 1_000_553_400
    assert {row.need("amount", Money).currency for row in won} == {"USD"}
    assert not any("opened_at" in row.values for row in rows if row.values["status"] == "offered")
    assert sum("account" not in row.values for row in rows) == 1425
    assert "GTXPro" not in {row.values["product"] for row in rows}
    assert len({row.values["product"] for row in rows}) == 7
    value = Counter[object]()
    for row in won:
        value[row.values["region"]] += row.need("amount", Money).amount
    assert value == {"West": 356_864_700, "Central": 334_629_300, "East": 309_059_400}
    assert next(row.values["team"] for row in rows if row.values["owner"] == "Moses Frase") == "Dustin Brinkmann"
    assert rows[0].need("closed_at", datetime) == datetime(2017, 2, 28, 15, tzinfo=UTC)


def test_maven_reps() -> None:
    _, reads = read("maven_crm/sales_teams.csv", REPS, "maven-reps.toml")
    assert Counter(row.values["region"] for row in taken(reads)) == {"Central": 11, "East": 12, "West": 12}


def test_ravenstack_contracts() -> None:
    reader, reads = read("ravenstack/ravenstack_subscriptions.csv", CONTRACTS, "ravenstack-contracts.toml")
    rows = taken(reads)
    assert reader.binding.unused == ("arr_amount", "upgrade_flag", "downgrade_flag", "churn_flag")
    assert len(rows) == 5000
    trials = [row for row in rows if row.values["trial"]]
    assert len(trials) == 778
    assert {row.need("mrr", Money).amount for row in trials} == {0}
    day = datetime(2023, 12, 31, tzinfo=UTC).date()
    live = [
        row
        for row in rows
        if row.need("start_date", type(day)) <= day
        and ((end := row.get("end_date", type(day))) is None or end > day)
        and not row.values["trial"]
    ]
    assert len(live) == 540
    assert len({row.values["account_external_id"] for row in live}) == 185
    assert sum(row.need("mrr", Money).amount for row in live) == 126_211_300
    assert all(str(row.values["account_name"]).startswith("Company_") for row in rows)


def test_ravenstack_usage_ids_that_repeat_are_refused_by_the_earlier_line() -> None:
    _, reads = read("ravenstack/ravenstack_feature_usage.csv", USAGE, "ravenstack-usage.toml")
    refused = [row for row in reads if isinstance(row, Refusal)]
    assert len(reads) == 25_000
    assert len(refused) == 21
    assert {problem.rule for row in refused for problem in row.problems} == {Rule.DUPLICATE_KEY}
    assert all(problem.column == "usage_id" for row in refused for problem in row.problems)


def test_edinet_accounts() -> None:
    _, reads = read("edinet/edinet_listed_companies_cp932.csv", ACCOUNTS, "edinet-accounts.toml")
    rows = taken(reads)
    assert len(rows) == 3922
    assert {str(row.values["name"]) for row in rows} >= {"カネコ種苗株式会社", "株式会社　サカタのタネ"}
    assert all(len(str(row.values["corporate_number"])) == 13 for row in rows)
