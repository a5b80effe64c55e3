"""The records behind every figure: as many as it counts, in pages, as a file; and parts that add up to the whole."""

import codecs
import csv
import io
from typing import Any

import pytest

from services.kpi.app import SERVICE
from services.kpi.metrics.catalogue import CATALOGUE
from services.kpi.metrics.figures import COHORT
from services.kpi.metrics.question import SLICES
from tests.support import kpi as told
from tests.support.kpi import QUARTER
from tests.support.rig import MakeRig, Rig

# What one of it is differs from what its records are, or its sides are no counts.
NOT_COUNTED = {
    "visitors": "a record is a day",
    "v2l": "below are days of visits",
    "v2l_all": "below are days of visits",
    "cpl": "above is money",
    "cpmql": "above is money",
    "note_gap": "fields, of reviews",
    "handoff_complete": "items, of hand-overs",
    "cycle_days": "days by deals",
    "cycle_days_lost": "days by deals",
    "cycle_days_all": "days by deals",
    "leadtime": "days by deals",
    "churn_hazard": "churns by months",
    "cac": "money by customers",
    "won_per_mql": "money by MQLs",
    "score_lift": "a share by a share",
    "recycle_rate": "customers gone have no way that ended",
}


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await told.played(make_rig)


async def ask(rig: Rig, path: str, **params: str) -> Any:
    answer = await rig.client("viewer").get(path, params={**QUARTER, **params})
    assert answer.is_success, answer.text
    return answer.json()


async def records(rig: Rig, metric: str, **params: str) -> list[dict[str, Any]]:
    """All of them, a few at a time."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await ask(rig, f"/v1/metrics/{metric}/records", limit="3", **cursor, **params)
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def test_every_figure_counts_its_records(kpi: Rig) -> None:
    for metric in CATALOGUE.values():
        for mode in metric.modes:
            figure = await ask(kpi, f"/v1/metrics/{metric.id}", mode=mode)
            found = await records(kpi, metric.id, mode=mode)
            assert len({row["key"] for row in found}) == len(found), "one is listed twice"
            if metric.id in NOT_COUNTED:
                continue
            for side in ("numerator", "denominator"):
                if isinstance(figure[side], int):
                    listed = sum(row[side] is True for row in found)
                    assert listed == figure[side], f"{metric.id} {mode} {side}"
            if metric.unit == "count" and figure["numerator"] is None:
                assert sum(row["numerator"] is True for row in found) >= (figure["value"] or 0), metric.id


async def test_of_a_company_of_which_nothing_is_told_every_figure_is_none_or_nothing(make_rig: MakeRig) -> None:
    empty = await make_rig(SERVICE)
    for metric in CATALOGUE.values():
        for more in ({}, {"by": "segment", "interval": "month"}):
            for mode in metric.modes:
                figure = await ask(empty, f"/v1/metrics/{metric.id}", mode=mode, **more)
                value = figure["value"]
                nothing = value["amount"] == 0 if isinstance(value, dict) else value == 0
                assert nothing if figure["reason"] is None else value is None, f"{metric.id} {value} {figure['reason']}"
        assert await records(empty, metric.id) == []


async def test_parts_add_up_to_the_whole_by_every_dimension(kpi: Rig) -> None:
    for metric in CATALOGUE.values():
        whole = await ask(kpi, f"/v1/metrics/{metric.id}")
        for dimension in SLICES:
            parts = (await ask(kpi, f"/v1/metrics/{metric.id}", by=dimension))["groups"]
            for side in ("numerator", "denominator"):
                if isinstance(whole[side], int):
                    assert sum(part[side] or 0 for part in parts) == whole[side], f"{metric.id} by {dimension}: {side}"
            if metric.unit == "count" and metric.additive:
                assert sum(part["value"] for part in parts) == whole["value"], f"{metric.id} by {dimension}"


async def test_one_dimension_and_one_value_are_the_same_people(kpi: Rig) -> None:
    mine = await records(kpi, "won", segment="SMB")
    grouped = [row for row in await records(kpi, "won", by="segment") if row["slice"] == "SMB"]
    assert [row["opportunity_external_id"] for row in mine] == [row["opportunity_external_id"] for row in grouped]
    assert {row["lead_external_id"] for row in mine} == {"L01", "L02", "L07"}


async def test_a_file_for_a_spreadsheet(kpi: Rig) -> None:
    answer = await kpi.client("viewer").get("/v1/metrics/win_closed/records.csv", params=QUARTER)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="win_closed.csv"' in answer.headers["content-disposition"]
    assert answer.content.startswith(codecs.BOM_UTF8)
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert sorted(row["opportunity_external_id"] for row in rows) == ["D01", "D02", "D03", "D05", "D06", "D07"]
    assert sum(row["numerator"] == "True" for row in rows) == 5


async def test_it_says_where_they_are_and_of_how_few_it_speaks(kpi: Rig) -> None:
    figure = await ask(kpi, "/v1/metrics/onb")
    assert figure["small_sample"] is True
    assert (await ask(kpi, "/v1/metrics/l2m"))["small_sample"] is False
    answer = await kpi.client("viewer").get(figure["records"])
    assert answer.is_success
    assert len(answer.json()["items"]) == 5


@pytest.mark.parametrize(
    ("path", "params", "field"),
    [
        ("won/records", {"cursor": "nonsense"}, "cursor"),
        ("won/records", {"limit": "501"}, "limit"),
        ("won/records", {"mode": COHORT}, "mode"),
        ("won/records.csv", {"luck": "1"}, "luck"),
    ],
)
async def test_what_cannot_be_asked_is_refused(kpi: Rig, path: str, params: dict[str, str], field: str) -> None:
    answer = await kpi.client("viewer").get(f"/v1/metrics/{path}", params=params)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert (await kpi.client("viewer").get("/v1/metrics/luck/records")).status_code == 404
