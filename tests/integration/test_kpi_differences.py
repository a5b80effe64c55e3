"""Two spans or two slices of a rate, and whether they differ."""

from typing import Any

import pytest

from services.kpi.app import SERVICE
from services.kpi.metrics.statistics import newcombe
from tests.integration.test_kpi_bottleneck import ASKED, JUNE, MAY, many
from tests.support.rig import MakeRig, Rig

PATH = "/v1/metrics/l2m/difference"


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    rig = await make_rig(SERVICE)
    await many(rig, "may", MAY, [("lead", 2), ("mql", 18)], channel="ads")
    await many(rig, "june-a", JUNE, [("lead", 18), ("mql", 2)], channel="ads")
    await many(rig, "june-e", JUNE, [("lead", 1), ("mql", 3)], channel="event")
    return rig


async def ask(rig: Rig, path: str = PATH, **more: Any) -> dict[str, Any]:
    answer = await rig.client("viewer").get(path, params={**ASKED, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_span_before_or_another_one(kpi: Rig) -> None:
    found = await ask(kpi)
    assert (found["figure"]["numerator"], found["figure"]["denominator"]) == (5, 24)
    assert (found["other"]["numerator"], found["other"]["denominator"]) == (18, 20)
    assert found["difference"] == pytest.approx(5 / 24 - 0.9)
    assert found["ci95"] == pytest.approx(newcombe((18, 20), (5, 24)))
    assert found["verdict"] == "lower"
    assert await ask(kpi, other_from="2026-05-01", other_to="2026-06-01") == found
    empty = await ask(kpi, other_from="2025-05-01", other_to="2025-06-01")
    assert (empty["verdict"], empty["difference"], empty["other"]["reason"]) == ("too_few", None, "no_base")


async def test_two_slices(kpi: Rig) -> None:
    found = await ask(kpi, by="channel", value="event", other="ads")
    assert found["difference"] == pytest.approx(3 / 4 - 2 / 20)
    assert found["verdict"] == "too_few", "four are below the smallest sample"
    whole = await ask(kpi, mode="cohort", by="channel", value="ads", other="(unset)")
    assert (whole["figure"]["denominator"], whole["other"]["denominator"]) == (20, 0)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"by": "channel", "value": "ads"}, "other"),
        ({"value": "ads"}, "by"),
        ({"other_from": "2026-05-01"}, "other_to"),
        ({"other_from": "2026-05-02", "other_to": "2026-05-01"}, "other_to"),
        (
            {"by": "channel", "value": "a", "other": "b", "other_from": "2026-05-01", "other_to": "2026-06-01"},
            "other_from",
        ),
        ({"mode": "closed"}, "mode"),
    ],
)
async def test_what_cannot_be_compared_is_refused(kpi: Rig, more: dict[str, str], field: str) -> None:
    answer = await kpi.client("viewer").get(PATH, params={**ASKED, **more})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


async def test_only_rates_of_counts_are_compared(kpi: Rig) -> None:
    for metric in ("mql", "arr"):
        answer = await kpi.client("viewer").get(f"/v1/metrics/{metric}/difference", params=ASKED)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "metric_id")
    assert (await kpi.client("viewer").get("/v1/metrics/luck/difference")).status_code == 404
