"""The report of that day stays; what is told later restates it, and says why."""

from typing import Any

import pytest

from services.kpi.app import SERVICE
from services.kpi.metrics.catalogue import CATALOGUE
from tests.support import kpi as told
from tests.support.rig import MakeRig, Rig


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


def lines(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {line["metric"]: line for line in report["lines"]}


async def test_what_is_published_stays_and_what_is_told_later_stands_beside_it(kpi: Rig) -> None:
    events, decisions = told.worked_example()
    late = [
        one for one in events if one.event.type == "field_sales.deal_won.v1" and one.names.get("opportunity") == "D02"
    ]
    await told.take(kpi, told.records(kpi, [one for one in events if one not in late]))
    await told.decide(kpi, decisions)
    client = kpi.client("ops_lead")
    made = (await client.post("/v1/reports", json={"period": "2026-05"})).json()
    assert lines(made).keys() == CATALOGUE.keys()
    assert (lines(made)["won"]["published"], made["changed"], made["cause_count"]) == (1, 0, 0)
    await told.take(kpi, [kpi.record(one.event, one.key, at=one.at, source="/late/field_sales") for one in late])
    after = (await client.get("/v1/reports/2026-05")).json()
    assert (lines(after)["won"]["published"], lines(after)["won"]["restated"]) == (1, 2)
    assert lines(after)["win_closed"]["changed"]
    assert (after["cause_count"], after["causes"][0]["type"]) == (1, "field_sales.deal_won.v1")
    heads = (await client.get("/v1/reports")).json()["items"]
    assert [(head["period"], head["known_at"], head["published_by"]) for head in heads] == [
        ("2026-05", made["known_at"], made["published_by"])
    ]


async def test_a_report_keeps_the_definitions_in_force(kpi: Rig) -> None:
    events, decisions = told.worked_example()
    await told.take(kpi, told.records(kpi, events))
    await told.decide(kpi, decisions)
    client = kpi.client("ops_lead")
    made = (await client.post("/v1/reports", json={"period": "2026-05"})).json()
    assert (await client.put("/v1/stages", json={"chain": "lead"})).status_code == 200
    sla = {"value": 1, "valid_from": "2000-01-01"}
    assert (await client.put("/v1/settings/response_sla_minutes", json=sla)).status_code == 200
    after = (await client.get("/v1/reports/2026-05")).json()
    assert (after["changed"], after["definition_version"]) == (0, 1)
    assert lines(after)["sla60"] == lines(made)["sla60"]
    asked = {"from": "2026-05-01", "to": "2026-06-01", "as_of": "2026-05-31T15:00:00Z"}
    now = (await client.get("/v1/metrics/sla60", params=asked)).json()
    then = (await client.get("/v1/metrics/sla60", params={**asked, "decided_at": made["known_at"]})).json()
    assert (now["value"], then["value"]) == (0, lines(made)["sla60"]["published"])
    assert (now["definition_version"], then["definition_version"]) == (2, 1)
    assert then["decided_at"] == made["known_at"]


async def test_a_report_is_of_a_period_that_is_over_and_only_once(kpi: Rig) -> None:
    client = kpi.client("ops_lead")
    for period, status, rule in (("FY2090", 409, "/problems/period_not_over"), ("2026-13", 422, None)):
        answer = await client.post("/v1/reports", json={"period": period})
        assert (answer.status_code, rule in (None, answer.json()["type"])) == (status, True)
    assert (await client.post("/v1/reports", json={"period": "2026-04"})).status_code == 201
    again = await client.post("/v1/reports", json={"period": "2026-04"})
    assert (again.status_code, again.json()["type"]) == (409, "/problems/report_published")
    assert (await client.get("/v1/reports/2026-03")).status_code == 404
    assert (await kpi.client("viewer").post("/v1/reports", json={"period": "2026-03"})).status_code == 403
