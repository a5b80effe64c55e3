"""Data of others through the whole product: loaded, imported, and read back from kpi to the last digit.

One installation for all of it: their years do not overlap, and each is read in its own period.
"""

import csv
import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.samples import expected, sample, worked_example
from tests.support.system import System, good, running_system, until

EXAMPLES = Path(__file__).parents[2] / "docs/examples"
QUARTER = {"from": "2026-04-01", "to": "2026-07-01", "as_of": "2026-06-30T15:00:00Z"}
MAVEN = {"from": "2016-10-01", "to": "2018-01-01", "currency": "USD"}
QUARTERS = {
    ("2017-01-01", "2017-04-01"): (531, 0.8207, 1_134_672),
    ("2017-04-01", "2017-07-01"): (1254, 0.6171, 3_086_111),
    ("2017-07-01", "2017-10-01"): (1257, 0.6141, 2_982_255),
    ("2017-10-01", "2018-01-01"): (1196, 0.6025, 2_802_496),
}
AS_OF = {  # the end of each quarter: engaged ever, open, won, lost
    "2017-04-01": (1977, 1330, 531, 116),
    "2017-07-01": (4365, 1686, 1785, 894),
    "2017-10-01": (7135, 2409, 3042, 1684),
    "2018-01-01": (8300, 1589, 4238, 2473),
}
PAID = {"2023-07-01": 242_921, "2024-01-01": 1_262_113, "2024-07-01": 3_833_405, "2025-01-01": 10_159_608}
RETAINED = ((1.4912, 0.9868), (1.4226, 0.9855), (1.3951, 0.9902), (1.4033, 0.9742))  # quarters of 2024: NRR, GRR


@pytest.fixture(scope="module")
def fresh() -> Iterator[System]:
    with running_system() as started:
        yield started


@pytest.fixture
def kpi(fresh: System) -> Iterator[httpx.Client]:
    with fresh.client("kpi", "viewer") as client:
        yield client


def metric(kpi: httpx.Client, name: str, **asked: str) -> Any:
    return good(kpi.get(f"/v1/metrics/{name}", params=asked))


def amount(figure: Any) -> float:
    """Major units of a money figure in dollars."""
    return float(figure["value"]["amount"]) / 100


def plain(figure: Any) -> float:
    """The number of a figure, whether it is one of money or not."""
    value = figure["value"]
    return float(value["amount"] if isinstance(value, dict) else value)


def groups_of(kpi: httpx.Client, name: str, by: str, **asked: str) -> dict[str, Any]:
    return {group["group"]: group for group in metric(kpi, name, by=by, **asked)["groups"]}


def load(system: System, *more: str) -> None:
    files = ("--fixtures", str(worked_example("fixtures.json")))
    system.themodel("load-events", str(worked_example("events.jsonl")), *files, *more)


def test_the_worked_example_shuffled_and_doubled(fresh: System, kpi: httpx.Client) -> None:
    load(fresh, "--shuffle", "7", "--duplicate", "30")
    figures = expected()
    counts = figures["counts"]
    names = {"leads_new": "lead_new", "leads_recycled": "lead_rec", "opportunities": "opportunity"}
    names |= {"sql_rejected": "sql_returned"}

    def found() -> dict[str, Any]:
        return {name: metric(kpi, names.get(name, name), **QUARTER)["value"] for name in counts}

    until(lambda: found() == counts, 30, pause=0.5)
    movements = good(kpi.get("/v1/mrr", params=QUARTER))
    assert movements["start"]["amount"] == figures["mrr"]["start"]
    assert movements["end"]["amount"] == figures["mrr"]["end"]
    places = metric(kpi, "occupancy", **QUARTER)
    assert places["value"] == counts["lead_cycles"]
    load(fresh)
    time.sleep(2)
    assert found() == counts


def test_the_departments_stay_untouched_by_it(fresh: System) -> None:
    sample("../worked_example/events.jsonl")
    lists = {"marketing": "leads", "inside_sales": "prospects", "field_sales": "opportunities"}
    for service, path in {**lists, "customer_success": "customers"}.items():
        with fresh.client(service) as client:
            assert good(client.get(f"/v1/{path}"))["items"] == []


def imported(system: System, file: Path, resource: str, mapping: str) -> Any:
    arguments = ("import", str(file), "--resource", resource, "--mapping", str(EXAMPLES / mapping), "--json")
    done = system.themodel(*arguments, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)[0]


def test_maven_opportunities(fresh: System, kpi: httpx.Client) -> None:
    report = imported(fresh, sample("maven_crm/sales_pipeline.csv"), "opportunities", "maven-opportunities.toml")
    assert (report["read"], report["new"], report["refused"]) == (8800, 8800, 0)
    until(lambda: metric(kpi, "opportunity", **MAVEN)["value"] == 8300, 120, pause=1)
    rate = until(lambda: _settled(metric(kpi, "win_closed", **MAVEN)), 60, pause=0.5)
    assert (rate["numerator"], rate["denominator"]) == (4238, 6711)
    assert amount(metric(kpi, "won_value", **MAVEN)) == 10_005_534
    assert amount(metric(kpi, "won_average", **MAVEN)) == pytest.approx(2360.91, abs=0.01)
    assert amount(metric(kpi, "won_median", **MAVEN)) == 1117
    days = [metric(kpi, f"cycle_days{which}", **MAVEN) for which in ("", "_lost", "_all")]
    assert [found["value"] for found in days] == [57, 14, 45]
    assert days[0]["more"]["mean"] == pytest.approx(51.78, abs=0.005)
    with fresh.client("field_sales") as client:
        page = good(client.get("/v1/opportunities", params={"status": "offered", "limit": "500"}))
    assert len(page["items"]) == 500


def _settled(rate: Any) -> Any:
    return rate if rate["denominator"] == 6711 else None


def test_maven_by_quarter_region_and_moment(kpi: httpx.Client) -> None:
    sample("maven_crm/sales_pipeline.csv")
    for (start, end), (won, share, value) in QUARTERS.items():
        span = {"from": start, "to": end, "currency": "USD"}
        rate = metric(kpi, "win_closed", **span)
        assert (rate["numerator"], round(rate["value"], 4)) == (won, share)
        assert amount(metric(kpi, "won_value", **span)) == value
    regions = groups_of(kpi, "won_value", "region", **MAVEN)
    expected_values = {"West": 3_568_647, "Central": 3_346_293, "East": 3_090_594}
    assert {name: amount(regions[name]) for name in expected_values} == expected_values
    owners = {name: groups_of(kpi, name, "owner", **MAVEN) for name in ("won", "won_value")}
    best = max(owners["won"], key=lambda owner: owners["won"][owner]["value"])
    found = owners["won"][best]["value"], amount(owners["won_value"][best])
    assert (best, *found) == ("Darcel Schlecht", 349, 1_153_214)
    for name, by in product(("opportunity", "won", "lost", "won_value"), ("region", "owner", "product")):
        parts = groups_of(kpi, name, by, **MAVEN).values()
        whole = metric(kpi, name, **MAVEN)
        assert sum(map(plain, parts)) == plain(whole), f"{name} by {by}"
    for moment, (ever, still_open, won, lost) in AS_OF.items():
        asked = {**MAVEN, "as_of": f"{moment}T00:00:00+09:00"}
        names = ("opportunity", "open_deals", "won", "lost")
        assert [metric(kpi, name, **asked)["value"] for name in names] == [ever, still_open, won, lost], moment


def test_the_same_file_again_changes_nothing(fresh: System, kpi: httpx.Client) -> None:
    report = imported(fresh, sample("maven_crm/sales_pipeline.csv"), "opportunities", "maven-opportunities.toml")
    assert report["new"] == 8800, "the finished job answers again"
    time.sleep(1)
    assert metric(kpi, "won", **MAVEN)["value"] == 4238


def test_ravenstack_contracts(fresh: System, kpi: httpx.Client) -> None:
    file = sample("ravenstack/ravenstack_subscriptions.csv")
    report = imported(fresh, file, "contracts", "ravenstack-contracts.toml")
    assert (report["read"], report["refused"]) == (5000, 0)

    def paid(moment: str) -> float:
        span = {"from": "2023-01-01", "to": moment, "as_of": f"{moment}T00:00:00+09:00", "currency": "USD"}
        return float(good(kpi.get("/v1/mrr", params=span))["end"]["amount"]) / 100

    until(lambda: {moment: paid(moment) for moment in PAID} == PAID, 60, pause=1)
    year = {"from": "2024-01-01", "to": "2025-01-01", "as_of": "2025-01-01T00:00:00+09:00", "currency": "USD"}
    assert metric(kpi, "nrr", **year)["value"] == pytest.approx(2.9227, abs=1e-4)
    assert metric(kpi, "grr", **year)["value"] == pytest.approx(0.9959, abs=1e-4)
    left = metric(kpi, "logo_churn", **year)
    assert (left["numerator"], left["denominator"], metric(kpi, "customers", **year)["value"]) == (0, 185, 500)
    quarters = [metric(kpi, name, interval="quarter", **year)["periods"] for name in ("nrr", "grr")]
    found = [tuple(round(figure["value"], 4) for figure in pair) for pair in zip(*quarters, strict=True)]
    assert found == list(RETAINED)


def test_ravenstack_is_what_its_file_says_at_the_end_of_every_quarter_and_by_industry(kpi: httpx.Client) -> None:
    names = ("ravenstack_subscriptions.csv", "ravenstack_accounts.csv")
    rows, accounts = (
        list(csv.DictReader(sample(f"ravenstack/{name}").read_text("utf-8").splitlines())) for name in names
    )
    industries = {row["account_id"]: row["industry"] for row in accounts}
    ends = [date(year, month, 1) for year in (2023, 2024) for month in (4, 7, 10)] + [
        date(2024, 1, 1),
        date(2025, 1, 1),
    ]
    for end in ends:
        paid: Counter[str] = Counter()
        for row in rows:
            if row["start_date"] < str(end) and not (row["end_date"] and row["end_date"] < str(end)):
                paid[industries[row["account_id"]]] += int(row["mrr_amount"])
        span = {"from": "2023-01-01", "to": str(end), "as_of": f"{end}T00:00:00+09:00", "currency": "USD"}
        found = good(kpi.get("/v1/mrr", params={**span, "by": "industry"}))
        groups = {group["value"]: group["end"]["amount"] // 100 for group in found["groups"]}
        assert {name: amount for name, amount in groups.items() if amount} == paid, end
        assert found["end"]["amount"] == 100 * paid.total()
